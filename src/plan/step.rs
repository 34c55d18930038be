//! One rule against the described tables.

use forgetd_connector::{
    Atomicity, Catalog, Cause, Cutoff, Finding, Selection, Step, Table, TableKind, TableRef, WhenNull,
};
use jiff::Timestamp;

use super::columns;
use crate::rules::{Mode, Policy, RowEvidence, Rule};

/// The step of `rule` in `database` at `now` (that database's clock), or everything that keeps it from being one.
///
/// The same rule, catalog and moment give the same step: plan, explain and run all call this and nothing else.
pub fn step(
    rule: &Rule,
    catalog: &Catalog,
    database: &str,
    now: Timestamp,
    atomicity: Atomicity,
    policy: &Policy,
) -> Result<Step, Vec<Finding>> {
    let place = format!("{database}.{}", rule.table);
    let Some(table) = catalog.table(&rule.table) else {
        let message = "the table does not exist, or the role cannot see it";
        return Err(vec![Finding::blocks(Cause::TableMissing, place, message)]);
    };
    let mut findings = vec![];
    findings.extend(kind(table, &place));
    findings.extend(columns::since(rule, table, &place));
    let when_null = columns::when_null(rule, table, &place).unwrap_or_else(|finding| {
        findings.push(finding);
        WhenNull::Keep
    });
    findings.extend(columns::predicate(rule, table, &place));
    findings.extend(key(rule, table, atomicity, &place));
    let may_cascade = cascades(rule, table, database, policy, &place).unwrap_or_else(|found| {
        findings.extend(found);
        vec![]
    });
    let cutoff = rule.keep_for.cutoff(now, &rule.zone());
    match cutoff {
        Some(cutoff) if findings.is_empty() => Ok(Step {
            rule: rule.name.clone(),
            selection: Selection {
                table: table.name.clone(),
                since: rule.since.clone(),
                cutoff: Cutoff(cutoff),
                when_null,
                predicate: rule.predicate.clone(),
            },
            table: table.clone(),
            action: rule.action,
            atomicity,
            may_cascade,
        }),
        Some(_) => Err(findings),
        None => {
            let message = format!("the cutoff of keep_for {} lies outside the calendar", rule.keep_for);
            let fix = "shorten keep_for".into();
            findings.push(Finding { fix, ..Finding::blocks(Cause::ColumnType, place, message) });
            Err(findings)
        }
    }
}

fn kind(table: &Table, place: &str) -> Option<Finding> {
    let what = match table.kind {
        TableKind::Plain => return None,
        TableKind::Partitioned => "is the parent of partitions",
        TableKind::View => "is a view",
        TableKind::Foreign => "is a foreign or virtual table",
    };
    Some(Finding::blocks(Cause::TableKind, place, format!("{} {what}", table.name)))
}

/// A sealed batch announces keys, and a commitment is made of a key.
fn key(rule: &Rule, table: &Table, atomicity: Atomicity, place: &str) -> Option<Finding> {
    if !table.key.is_empty() {
        return None;
    }
    let reader = match (atomicity, rule.row_evidence) {
        (Atomicity::Sealed, _) => "sealed batches",
        (Atomicity::Atomic, RowEvidence::Commitments) => "`evidence: { rows: commitments }`",
        (Atomicity::Atomic, RowEvidence::Counts) => return None,
    };
    let message = format!("{} has no primary key and no unique not-null key, and {reader} need one", table.name);
    Some(Finding::blocks(Cause::NoKey, place, message))
}

/// The tables that lose rows with this one, if a rule of their own deletes from each of them.
fn cascades(
    rule: &Rule,
    table: &Table,
    database: &str,
    policy: &Policy,
    place: &str,
) -> Result<Vec<TableRef>, Vec<Finding>> {
    let reached = table.cascades_to();
    let mut findings: Vec<Finding> = reached
        .iter()
        .filter(|child| !declared(rule, child, database, policy))
        .map(|child| {
            let message = format!("deleting from {} removes rows of {child}, and no rule deletes from it", table.name);
            Finding::blocks(Cause::Cascade, place, message)
        })
        .collect();
    if let Some(own) = own_cascade(table) {
        let message = format!("foreign key {own} of {} removes other rows of the same table", table.name);
        let fix = "change the foreign key's action: rows that are not due may hang on rows that are".into();
        findings.push(Finding { fix, ..Finding::blocks(Cause::Cascade, place, message) });
    }
    if findings.is_empty() { Ok(reached) } else { Err(findings) }
}

/// Whether the policy deletes from `child` too. A rule that only observes allows nothing to a rule that acts.
fn declared(rule: &Rule, child: &TableRef, database: &str, policy: &Policy) -> bool {
    policy.rules.iter().any(|other| {
        other.database == database
            && other.table.name == child.name
            && (other.table.schema.is_none() || other.table.schema == child.schema)
            && (rule.mode == Mode::Observe || other.mode == Mode::Enforce)
    })
}

fn own_cascade(table: &Table) -> Option<&str> {
    use forgetd_connector::OnDelete::Cascade;
    let own = |key: &&forgetd_connector::ForeignKey| key.on_delete == Cascade && key.child == table.name;
    table.referenced_by.iter().find(own).map(|key| key.name.as_str())
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
