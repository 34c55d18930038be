//! The terms of one rule against the described tables, and what other rules keep of its rows.

use forgetd_connector::{Catalog, Cause, Cutoff, Except, Finding, Table, TableRef, Terms, WhenNull};
use jiff::Timestamp;

use super::columns;
use crate::rules::{Action, Policy, Rule};

/// The terms of `rule` at `now`, or everything that is wrong with them.
pub(super) fn terms(
    rule: &Rule,
    table: &Table,
    catalog: &Catalog,
    place: &str,
    now: Timestamp,
) -> Result<Terms, Vec<Finding>> {
    let mut findings = columns::since(rule, table, catalog, place);
    let when_null = columns::when_null(rule, table, place).unwrap_or_else(|finding| {
        findings.push(finding);
        WhenNull::Keep
    });
    findings.extend(columns::predicate(&rule.predicate, table, place));
    match rule.keep_for.cutoff(now, &rule.zone()) {
        Some(cutoff) if findings.is_empty() => Ok(Terms {
            since: rule.since.clone(),
            cutoff: Cutoff(cutoff),
            when_null,
            predicate: rule.predicate.clone(),
            native: rule.native.clone(),
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

/// What `rule` keeps of its table, as every statement of another rule says it.
///
/// The same findings that would stop a rule that deletes stop every rule on the table: rows that somebody wants kept
/// are not left to chance.
pub fn shield(
    rule: &Rule,
    table: &Table,
    catalog: &Catalog,
    database: &str,
    now: Timestamp,
) -> Result<Except, Vec<Finding>> {
    let place = format!("{database}.{}", rule.table);
    let terms = terms(rule, table, catalog, &place, now)?;
    Ok(Except::Kept { rule: rule.name.clone(), terms })
}

/// Why nobody can tell which rows `keeper` keeps, if so: its table is not found, or holds no rows of its own.
pub fn unkept(keeper: &Rule, catalog: &Catalog, database: &str) -> Option<Finding> {
    let place = format!("{database}.{}", keeper.table);
    let Some(table) = catalog.table(&keeper.table) else {
        let message =
            format!("rule {} keeps rows of a table that does not exist, or that the role cannot see", keeper.name);
        let fix = "correct `table:`; until then no rule of this database deletes";
        return Some(Finding { fix: fix.into(), ..Finding::blocks(Cause::TableMissing, place, message) });
    };
    if table.kind.holds_rows() {
        return None;
    }
    let rows_in: Vec<String> = table.rows_in.iter().map(ToString::to_string).collect();
    let message = format!("rule {} keeps rows of {}, whose rows are those of other tables", keeper.name, table.name);
    let named = if rows_in.is_empty() { "them".into() } else { rows_in.join(", ") };
    let fix = format!("write a rule that keeps for each of {named}; until then no rule of this database deletes");
    Some(Finding { fix, ..Finding::blocks(Cause::TableKind, place, message) })
}

/// The rules that keep rows of `table`.
pub(super) fn keepers<'a>(policy: &'a Policy, database: &str, table: &Table) -> impl Iterator<Item = &'a Rule> {
    policy
        .rules
        .iter()
        .filter(move |rule| rule.action == Action::Keep && rule.database == database && table.name.is(&rule.table))
}

/// Every table that has to be described before the rule can be planned: its own, and those that deciding about a row of
/// it looks into.
pub fn tables(rule: &Rule, policy: &Policy) -> Vec<TableRef> {
    let mut tables = vec![rule.table.clone()];
    // Which tables bare names mean is not known yet, so every rule that keeps rows of the database counts.
    let keeps = |other: &&Rule| other.action == Action::Keep && other.database == rule.database;
    for other in std::iter::once(rule).chain(policy.rules.iter().filter(keeps)) {
        for table in std::iter::once(&other.table).chain(other.since.other_table()) {
            if !tables.contains(table) {
                tables.push(table.clone());
            }
        }
    }
    tables
}
