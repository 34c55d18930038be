//! A table to begin tests with.

use forgetd_connector::{Atomicity, Column, ColumnKind, Fit, ForeignKey, OnDelete, Table, TableKind, TableRef};

pub(crate) use crate::rules::testing::rule;

/// A column that cannot be NULL.
pub(crate) fn column(name: &str, kind: ColumnKind) -> Column {
    let type_name = format!("{kind:?}").to_lowercase();
    Column { name: name.into(), type_name, kind, nullable: false, fit: Fit::default() }
}

/// `main.<name>` with a key `id`, `closed_at` of that kind, and a column of each usual kind.
pub(crate) fn table(name: &str, closed_at: ColumnKind) -> Table {
    Table {
        asked: TableRef { schema: None, name: name.into() },
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
        references: vec![],
        rows_in: vec![],
        atomicity: Atomicity::Atomic,
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
        parent_columns: vec!["id".into()],
        on_delete,
        follows: false,
        indexed: true,
        unsettable: vec![],
    }
}
