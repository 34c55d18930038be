//! What a delete takes with it through foreign keys: only rows that their own rule would let go as well.

use forgetd_connector::{Catalog, Cause, Child, Except, Finding, ForeignKey, OnDelete, Stays, Table, TableRef};

use super::{held::joined, step::Looked};
use crate::rules::{Action, Mode, Policy, Rule};

/// What a delete takes along.
pub(super) struct Cascade {
    /// The tables that may lose rows with this one.
    pub(super) may_cascade: Vec<TableRef>,
    /// Rows that stay because a child of theirs must.
    pub(super) children: Vec<Except>,
}

/// The tables that lose rows with the one of `looked`, and the children that hold their parents; or why it is refused.
pub(super) fn cascades(rule: &Rule, table: &Table, looked: &Looked<'_>) -> Result<Cascade, Vec<Finding>> {
    let place = format!("{}.{}", looked.database, rule.table);
    let may_cascade = table.cascades_to();
    let refuse = |message: String, fix: String| Finding { fix, ..Finding::blocks(Cause::Cascade, &place, message) };
    let mut findings: Vec<Finding> = may_cascade
        .iter()
        .filter_map(|child| undeclared(rule, child, looked))
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
    if !findings.is_empty() {
        return Err(findings);
    }
    if looked.depth == DEPTH_MAX {
        let message =
            format!("deletes from {} cascade in a circle, or through more tables than {DEPTH_MAX}", table.name);
        let fix = "change the action of one of the foreign keys".into();
        return Err(vec![refuse(message, fix)]);
    }
    let children = children(rule, table, looked)?;
    Ok(Cascade { may_cascade, children })
}

/// More tables one below the other are not followed: foreign keys that cascade in a circle end here.
pub(super) const DEPTH_MAX: usize = 16;

/// What holds the rows of `table`: for every foreign key of its own that cascades, the children that are not due.
fn children(rule: &Rule, table: &Table, looked: &Looked<'_>) -> Result<Vec<Except>, Vec<Finding>> {
    let below = Looked { depth: looked.depth + 1, ..*looked };
    let mut children = vec![];
    for key in table.referenced_by.iter().filter(|key| key.on_delete == OnDelete::Cascade && key.parent == table.name) {
        let mut due = vec![];
        for other in deleting(rule, &key.child, looked) {
            due.push(below.step(other)?);
        }
        let (foreign_key, on, stays) = (key.name.clone(), joined(key), Stays::UnlessDue(due));
        children.push(Except::Child(Child { foreign_key, table: key.child.clone(), on, stays }));
    }
    Ok(children)
}

/// The rules that delete from `child`, as far as they allow something to `rule`: one that only observes allows nothing to
/// one that acts.
fn deleting<'a>(rule: &Rule, child: &TableRef, looked: &Looked<'a>) -> Vec<&'a Rule> {
    let in_force = |other: &&Rule| rule.mode == Mode::Observe || other.mode == Mode::Enforce;
    // A name without a schema allows what it is found to mean, and no other table of that name.
    let on_child = |other: &&Rule| {
        let meant = || looked.catalog.table(&other.table).is_some_and(|table| table.name == *child);
        other.action == Action::Delete && other.database == looked.database && child.is(&other.table) && meant()
    };
    looked.policy.rules.iter().filter(on_child).filter(in_force).collect()
}

/// The tables that have to be described as well before the rule can be planned: those of rules whose rows go with the
/// rows of tables in `catalog`.
pub fn tables_below(rule: &Rule, catalog: &Catalog, policy: &Policy) -> Vec<TableRef> {
    let mut tables: Vec<TableRef> = vec![];
    let reached = catalog.tables.iter().flat_map(Table::cascades_to);
    for child in reached {
        let on_child =
            |other: &&Rule| other.action == Action::Delete && other.database == rule.database && child.is(&other.table);
        for other in policy.rules.iter().filter(on_child) {
            for table in super::tables(other, policy) {
                let known = catalog.tables.iter().any(|described| described.asked == table);
                if !known && !tables.contains(&table) {
                    tables.push(table);
                }
            }
        }
    }
    tables
}

/// Why the policy does not let the rows of `child` go with their parents.
///
/// A rule that only observes allows nothing to a rule that acts.
fn undeclared<'c>(rule: &Rule, child: &'c TableRef, looked: &Looked<'_>) -> Option<(&'c TableRef, String)> {
    let now = looked.now;
    let on_child = |other: &&Rule| other.database == looked.database && child.is(&other.table);
    if let Some(keeper) = looked.policy.rules.iter().filter(on_child).find(|other| other.action == Action::Keep) {
        return Some((child, format!("which rule {} keeps", keeper.name)));
    }
    let deleting = deleting(rule, child, looked);
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
