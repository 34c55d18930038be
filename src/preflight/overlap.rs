//! Rules that mean the same rows. Pure.

use forgetd_connector::{Finding, Notice, TableRef};

use super::apart::apart;
use crate::rules::{Action, Policy, Rule};

/// Pairs of rules that can delete the same row, where the shorter period decides, which somebody may not expect; and pairs that transform
/// the same columns of one.
pub fn overlaps(policy: &Policy) -> Vec<Finding> {
    let mut findings = vec![];
    for (i, rule) in policy.rules.iter().enumerate() {
        for other in policy.rules.iter().skip(i + 1).filter(|other| overlap(rule, other)) {
            let word = rule.action.word();
            findings.push(Finding::warns(
                Notice::RulesOverlap,
                format!("{}.{}", rule.database, rule.table),
                format!("rules {} and {} can {word} the same rows: whichever is due first", rule.name, other.name),
                "tell them apart by `where`, or keep one of them",
            ));
        }
    }
    findings
}

fn overlap(a: &Rule, b: &Rule) -> bool {
    let same = match (&a.action, &b.action) {
        (Action::Delete, Action::Delete) => true,
        (Action::Transform(a), Action::Transform(b)) => a.places.keys().any(|path| b.places.contains_key(path)),
        _ => false,
    };
    (same && a.database == b.database) && same_table(&a.table, &b.table) && !apart(&a.predicate, &b.predicate)
}

/// A name without a schema can be any of them.
pub(super) fn same_table(a: &TableRef, b: &TableRef) -> bool {
    a.name == b.name && (a.schema.is_none() || b.schema.is_none() || a.schema == b.schema)
}
