//! A table and a rule to begin tests with.

use std::collections::BTreeMap;

use forgetd_connector::{Column, ColumnKind, ForeignKey, OnDelete, Predicate, Since, Table, TableKind, TableRef};

use crate::rules::{Action, Cap, Guard, Mode, Period, RowEvidence, Rule};

/// An enforced rule of 30 days on `main.<table>`, counted from `closed_at`.
pub(crate) fn rule(name: &str, table: &str) -> Rule {
    Rule {
        name: name.into(),
        database: "crm".into(),
        table: TableRef { schema: None, name: table.into() },
        purpose: None,
        legal_basis: None,
        keep_for: Period::parse("30d").unwrap(),
        since: Since::column("closed_at"),
        when_null: None,
        predicate: Predicate::always(),
        native: None,
        action: Action::Delete,
        kept_by: BTreeMap::new(),
        mode: Mode::Enforce,
        cap: Cap::default(),
        guard: Guard::default(),
        row_evidence: RowEvidence::Counts,
        schedule: None,
    }
}

/// A column that cannot be NULL.
pub(crate) fn column(name: &str, kind: ColumnKind) -> Column {
    let type_name = format!("{kind:?}").to_lowercase();
    Column { name: name.into(), type_name, kind, nullable: false }
}

/// `main.<name>` with a key `id`, `closed_at` of that kind, and a column of each usual kind.
pub(crate) fn table(name: &str, closed_at: ColumnKind) -> Table {
    Table {
        name: TableRef { schema: Some("main".into()), name: name.into() },
        kind: TableKind::Plain,
        columns: vec![
            column("id", ColumnKind::Integer),
            column("closed_at", closed_at),
            column("status", ColumnKind::Text),
            column("score", ColumnKind::Number),
            column("active", ColumnKind::Bool),
        ],
        key: vec!["id".into()],
        indexes: vec![],
        referenced_by: vec![],
        rows_estimate: None,
    }
}

/// A foreign key of `main.<child>` that points at `main.<parent>`.
pub(crate) fn reference(child: &str, parent: &str, on_delete: OnDelete) -> ForeignKey {
    let main = |name: &str| TableRef { schema: Some("main".into()), name: name.into() };
    ForeignKey {
        name: format!("{child}_{parent}_fk"),
        child: main(child),
        child_columns: vec![format!("{parent}_id")],
        parent: main(parent),
        on_delete,
        indexed: true,
    }
}
