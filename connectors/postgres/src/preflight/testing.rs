//! A table to begin tests with.

use forgetd_connector::{
    Action, Atomicity, Cutoff, Finding, Predicate, Selection, Since, Step, Table, TableKind, TableRef, Terms, WhenNull,
};

use super::advice::About;

/// Asks about `public.lead` in `crm`, which counts from `closed_at`.
pub(super) fn about(ask: impl Fn(&About<'_>) -> Vec<Finding>) -> Vec<Finding> {
    let name = TableRef::parse("public.lead");
    let terms = Terms {
        since: Since::column("closed_at"),
        cutoff: Cutoff(jiff::Timestamp::UNIX_EPOCH),
        when_null: WhenNull::Keep,
        predicate: Predicate::All(vec![]),
        native: None,
    };
    let table = Table {
        asked: TableRef::parse("public.item"),
        name: name.clone(),
        kind: TableKind::Plain,
        columns: vec![],
        key: vec![],
        indexes: vec![],
        referenced_by: vec![],
        references: vec![],
        rows_in: vec![],
        atomicity: Atomicity::Atomic,
        rows_estimate: None,
    };
    let step = Step {
        rule: "r".into(),
        selection: Selection::new(name, terms),
        table,
        others: vec![],
        action: Action::Delete,
        atomicity: Atomicity::Atomic,
        may_cascade: vec![],
    };
    ask(&About { step: &step, oid: 1, role: "forgetd", database: "crm", control: "forgetd" })
}
