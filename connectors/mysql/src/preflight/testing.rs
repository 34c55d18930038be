//! A step to begin tests with.

use forgetd_connector::{
    Action, Atomicity, Cutoff, Predicate, Selection, Since, Step, Table, TableKind, TableRef, Terms, WhenNull,
};

/// Deletes from a table that counts from `closed_at`.
pub(super) fn step(table: &str) -> Step {
    let name = TableRef::parse(table);
    let terms = Terms {
        since: Since::column("closed_at"),
        cutoff: Cutoff(jiff::Timestamp::UNIX_EPOCH),
        when_null: WhenNull::Keep,
        predicate: Predicate::All(vec![]),
        native: None,
    };
    let table = Table {
        asked: name.clone(),
        name: name.clone(),
        kind: TableKind::Plain,
        columns: vec![],
        key: vec!["id".into()],
        indexes: vec![],
        referenced_by: vec![],
        references: vec![],
        rows_in: vec![],
        atomicity: Atomicity::Atomic,
        rows_estimate: None,
    };
    Step {
        rule: "r".into(),
        selection: Selection::new(name, terms),
        table,
        others: vec![],
        action: Action::Delete,
        atomicity: Atomicity::Atomic,
        may_cascade: vec![],
    }
}
