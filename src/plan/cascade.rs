//! What a delete takes with it through foreign keys: only rows that their own rule would let go as well.

use forgetd_connector::{Cause, Finding, ForeignKey, OnDelete, Table, TableRef};
use jiff::Timestamp;

use crate::rules::{Action, Mode, Policy, Rule};

/// The tables that lose rows with this one, or why that is refused.
pub(super) fn cascades(
    rule: &Rule,
    table: &Table,
    database: &str,
    policy: &Policy,
    place: &str,
    now: Timestamp,
) -> Result<Vec<TableRef>, Vec<Finding>> {
    let reached = table.cascades_to();
    let refuse = |message: String, fix: String| Finding { fix, ..Finding::blocks(Cause::Cascade, place, message) };
    let mut findings: Vec<Finding> = reached
        .iter()
        .filter_map(|child| undeclared(rule, child, database, policy, now))
        .map(|(child, why)| {
            let message = format!("deleting from {} removes rows of {child}, {why}", table.name);
            refuse(message, choices(table, child, rule))
        })
        .collect();
    if let Some(own) = own_cascade(table) {
        let message = format!("foreign key {own} of {} removes other rows of the same table", table.name);
        let fix = "change the foreign key's action: rows that are not due may hang on rows that are";
        findings.push(refuse(message, fix.into()));
    }
    if findings.is_empty() { Ok(reached) } else { Err(findings) }
}

/// Why the policy does not let the rows of `child` go with their parents.
///
/// A rule that only observes allows nothing to a rule that acts.
fn undeclared<'a>(
    rule: &Rule,
    child: &'a TableRef,
    database: &str,
    policy: &Policy,
    now: Timestamp,
) -> Option<(&'a TableRef, String)> {
    let on_child = |other: &&Rule| other.database == database && child.is(&other.table);
    let rules: Vec<&Rule> = policy.rules.iter().filter(on_child).collect();
    if let Some(keeper) = rules.iter().find(|other| other.action == Action::Keep) {
        return Some((child, format!("which rule {} keeps", keeper.name)));
    }
    let in_force = |other: &&&Rule| rule.mode == Mode::Observe || other.mode == Mode::Enforce;
    let deleting: Vec<&&Rule> = rules.iter().filter(in_force).collect();
    let Some(first) = deleting.first() else { return Some((child, "and no rule deletes from it".into())) };
    let own = rule.keep_for.cutoff(now, &rule.zone());
    let reason = |other: &Rule| {
        // In one zone: half a year is half a year, wherever clocks are changed meanwhile.
        if other.keep_for.cutoff(now, &rule.zone()) < own {
            return Some(format!(
                "which rule {} keeps for {}, longer than {}",
                other.name, other.keep_for, rule.keep_for
            ));
        }
        let partial = other.native.is_some() || !other.predicate.tests().is_empty();
        partial.then(|| format!("and rule {} deletes only some of them", other.name))
    };
    if deleting.iter().any(|other| reason(other).is_none()) {
        return None;
    }
    reason(first).map(|why| (child, why))
}

fn choices(table: &Table, child: &TableRef, rule: &Rule) -> String {
    let key = table.referenced_by.iter().find(|key| key.child == *child && key.on_delete == OnDelete::Cascade);
    let key = key.map_or(String::new(), |key| format!(" {}", key.name));
    format!(
        "write a rule that deletes all rows of {child} after at most {}; or change the foreign key{key} to NO ACTION, so \
         that rows with children stay; or keep rows of {} for longer",
        rule.keep_for, table.name
    )
}

fn own_cascade(table: &Table) -> Option<&str> {
    let own = |key: &&ForeignKey| key.on_delete == OnDelete::Cascade && key.child == table.name;
    table.referenced_by.iter().find(own).map(|key| key.name.as_str())
}
