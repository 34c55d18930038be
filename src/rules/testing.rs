//! A rule to begin tests with.

use std::collections::BTreeMap;

use forgetd_connector::{Predicate, Since, TableRef};

use super::{Action, Cap, Guard, Mode, Period, RowEvidence, Rule};

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
