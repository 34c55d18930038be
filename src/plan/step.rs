//! One rule against the described tables.

use forgetd_connector::{
    Action, Atomicity, Catalog, Cause, Except, Finding, Selection, Step, Table, TableKind, TableRef, Undone,
};
use jiff::Timestamp;

use super::{
    cascade::{Cascade, cascades},
    held::holding,
    rewrite::{Rewritten, rewrite},
    terms::{keepers, shield, terms, unkept},
};
use crate::rules::{Policy, RowEvidence, Rule};

/// More names than this are counted and not written.
const NAMES_MAX: usize = 10;

/// The step of `rule` in `database` at `now` (that database's clock), or everything that keeps it from being one.
///
/// `catalog` describes the tables of [`super::tables`]. The same rule, catalog and moment give the same step: plan,
/// explain and run all call this and nothing else.
pub fn step(
    rule: &Rule,
    catalog: &Catalog,
    database: &str,
    now: Timestamp,
    atomicity: Atomicity,
    policy: &Policy,
) -> Result<Step, Vec<Finding>> {
    Looked { catalog, database, now, atomicity, policy, depth: 0 }.step(rule)
}

/// Everything that a step depends on beside its rule.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) database: &'a str,
    pub(super) now: Timestamp,
    pub(super) atomicity: Atomicity,
    pub(super) policy: &'a Policy,
    /// How many tables above this one lose rows first.
    pub(super) depth: usize,
}

// === impl Looked ===

impl Looked<'_> {
    pub(super) fn step(&self, rule: &Rule) -> Result<Step, Vec<Finding>> {
        let Self { catalog, database, now, atomicity, policy, .. } = *self;
        let place = format!("{database}.{}", rule.table);
        let Some(table) = catalog.table(&rule.table) else {
            let message = "the table does not exist, or the role cannot see it";
            return Err(vec![Finding::blocks(Cause::TableMissing, place, message)]);
        };
        let mut findings = vec![];
        findings.extend(kind(table, &place));
        let atomicity = atomicity.and(table.atomicity);
        let terms = terms(rule, table, catalog, &place, now).map_err(|found| findings.extend(found));
        let except = shields(table, catalog, database, policy, now).map_err(|found| findings.extend(found));
        findings.extend(key(rule, table, atomicity, &place));
        let deed = self.deed(rule, table, &place).map_err(|found| findings.extend(found));
        match (terms, except, deed) {
            (Ok(terms), Ok(mut except), Ok(deed)) if findings.is_empty() => {
                except.extend(deed.children);
                let selection =
                    Selection { table: table.name.clone(), terms, undone: deed.undone, floor: None, except };
                Ok(Step {
                    rule: rule.name.clone(),
                    others: self.others(&selection),
                    selection,
                    table: table.clone(),
                    action: deed.action,
                    atomicity,
                    may_cascade: deed.may_cascade,
                })
            }
            _ => Err(findings),
        }
    }

    /// The described tables that deciding about a row looks into.
    pub(super) fn others(&self, selection: &Selection) -> Vec<Table> {
        let looked_into = |other: &&Table| selection.other_tables().iter().any(|name| other.name.is(name));
        self.catalog.tables.iter().filter(looked_into).cloned().collect()
    }

    /// What happens to the rows, and what hangs on that.
    fn deed(&self, rule: &Rule, table: &Table, place: &str) -> Result<Deed, Vec<Finding>> {
        if let Some(transform) = rule.transform() {
            let Rewritten { rewrite, undone } = rewrite(rule, transform, table, place, self)?;
            return Ok(Deed { action: Action::Transform(rewrite), undone, children: vec![], may_cascade: vec![] });
        }
        let Cascade { may_cascade, mut children } = cascades(rule, table, self)?;
        children.extend(holding(table, self)?);
        Ok(Deed { action: Action::Delete, undone: vec![], children, may_cascade })
    }
}

/// What happens to rows.
struct Deed {
    action: Action,
    undone: Vec<Undone>,
    children: Vec<Except>,
    may_cascade: Vec<TableRef>,
}

/// What other rules keep of the table.
fn shields(
    table: &Table,
    catalog: &Catalog,
    database: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Except>, Vec<Finding>> {
    let (mut shields, mut findings) = (vec![], vec![]);
    let keeping =
        policy.rules.iter().filter(|rule| rule.action == crate::rules::Action::Keep && rule.database == database);
    findings.extend(keeping.filter_map(|keeper| unkept(keeper, catalog, database)));
    for keeper in keepers(policy, database, table) {
        match shield(keeper, table, catalog, database, now) {
            Ok(except) => shields.push(except),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok(shields) } else { Err(findings) }
}

fn kind(table: &Table, place: &str) -> Option<Finding> {
    let what = match table.kind {
        TableKind::Plain | TableKind::Collection => return None,
        TableKind::Partitioned => "is the parent of partitions",
        TableKind::View => "is a view",
        TableKind::Foreign => "is a foreign or virtual table",
    };
    let finding = Finding::blocks(Cause::TableKind, place, format!("{} {what}", table.name));
    let names: Vec<String> = table.rows_in.iter().take(NAMES_MAX).map(ToString::to_string).collect();
    let more = table.rows_in.len() - names.len();
    Some(match (names.is_empty(), more) {
        (true, _) => finding,
        (false, 0) => finding.with_fix(format!("write rules for {} instead", names.join(", "))),
        (false, _) => finding.with_fix(format!("write rules for {} and {more} more instead", names.join(", "))),
    })
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

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
