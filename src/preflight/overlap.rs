//! Rules that mean the same rows. Pure.

use forgetd_connector::{Finding, Notice, TableRef};

use super::apart::apart;
use crate::rules::{Policy, Rule};

/// Pairs of rules that can delete the same row: the shorter period decides, which somebody may not expect.
pub fn overlaps(policy: &Policy) -> Vec<Finding> {
    let mut findings = vec![];
    for (i, rule) in policy.rules.iter().enumerate() {
        for other in policy.rules.iter().skip(i + 1).filter(|other| overlap(rule, other)) {
            findings.push(Finding::warns(
                Notice::RulesOverlap,
                format!("{}.{}", rule.database, rule.table),
                format!("rules {} and {} can delete the same rows: whichever is due first", rule.name, other.name),
                "tell them apart by `where`, or keep one of them",
            ));
        }
    }
    findings
}

fn overlap(a: &Rule, b: &Rule) -> bool {
    (a.runs() && b.runs() && a.database == b.database)
        && same_table(&a.table, &b.table)
        && !apart(&a.predicate, &b.predicate)
}

/// A name without a schema can be any of them.
pub(super) fn same_table(a: &TableRef, b: &TableRef) -> bool {
    a.name == b.name && (a.schema.is_none() || b.schema.is_none() || a.schema == b.schema)
}
