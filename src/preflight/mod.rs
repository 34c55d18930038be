//! Preflight: everything that can be said about a rule before it runs. Reads, never writes.
//!
//! `check`, `plan` and the engine look through [`look`], so what is said beforehand is what stops or passes a run.

mod apart;
mod facts;
mod notes;
mod overlap;
mod references;

use std::collections::BTreeMap;

use forgetd_connector::{Atomicity, Catalog, Connector, Fault, Finding, Step, TableRef};
use jiff::Timestamp;

use crate::{
    plan,
    rules::{Policy, Rule},
};

pub use apart::apart;
pub use facts::{of_facts, untested};
pub use notes::notes;
pub use overlap::overlaps;

/// What a look at one rule found.
#[derive(Clone, Debug)]
pub struct Look {
    /// The database's clock, read once.
    pub now: Timestamp,
    /// The step; absent where findings keep the rule from being one.
    pub step: Option<Step>,
    /// What was noticed, the worst first, each thing once.
    pub findings: Vec<Finding>,
}

/// Describes the rule's table, plans the rule, and asks the connector what would keep it from doing what it says.
///
/// `atomicity` is that of the database's batches: sealed where its control tables are elsewhere.
pub async fn look(
    rule: &Rule,
    policy: &Policy,
    connector: &dyn Connector,
    database: &str,
    atomicity: Atomicity,
) -> Result<Look, Fault> {
    let now = connector.now().await?;
    let catalog = describe(rule, policy, connector).await?;
    if !rule.runs() {
        return Ok(Look { now, step: None, findings: kept(rule, &catalog, database, now) });
    }
    let (step, findings) = match plan::step(rule, &catalog, database, now, atomicity, policy) {
        Ok(step) => {
            let mut findings = connector.preflight(&step).await?;
            let index = |table: &TableRef, columns: &[String]| connector.index_statement(table, columns);
            findings.extend(notes(rule, &step, database, policy, index));
            findings.extend(untested(connector.facts(), database));
            (Some(step), findings)
        }
        Err(findings) => (None, findings),
    };
    Ok(Look { now, step, findings: ranked(findings) })
}

/// Describes every table that planning the rule depends on: its own, those it looks into, and those whose rows go with its
/// rows.
pub async fn describe(rule: &Rule, policy: &Policy, connector: &dyn Connector) -> Result<Catalog, Fault> {
    let mut tables = plan::tables(rule, policy);
    let mut catalog = connector.describe(&tables).await?;
    // Each turn describes at least one more table of the policy.
    for _ in &policy.rules {
        let below = plan::tables_below(rule, &catalog, policy);
        let more: Vec<TableRef> = below.into_iter().filter(|table| !tables.contains(table)).collect();
        if more.is_empty() {
            break;
        }
        tables.extend(more);
        catalog = connector.describe(&tables).await?;
    }
    Ok(catalog)
}

/// What keeps a rule from keeping what it says.
fn kept(rule: &Rule, catalog: &Catalog, database: &str, now: Timestamp) -> Vec<Finding> {
    if let Some(finding) = plan::unkept(rule, catalog, database) {
        return vec![finding];
    }
    let Some(table) = catalog.table(&rule.table) else { return vec![] };
    ranked(plan::shield(rule, table, catalog, database, now).err().unwrap_or_default())
}

/// The rules in the order in which they act: children before their parents. `connector` gives the connection to a
/// database, where there is one; a database that cannot be described orders nothing, and its rules say why themselves.
pub async fn ordered<'r, 'c>(
    rules: &[&'r Rule],
    connector: impl Fn(&str) -> Option<&'c dyn Connector>,
) -> Vec<&'r Rule> {
    let mut tables: BTreeMap<String, Vec<TableRef>> = BTreeMap::new();
    for rule in rules {
        tables.entry(rule.database.clone()).or_default().push(rule.table.clone());
    }
    let mut catalogs = BTreeMap::new();
    for (database, tables) in tables {
        let Some(connector) = connector(&database).filter(|_| tables.len() > 1) else { continue };
        if let Ok(catalog) = connector.describe(&tables).await {
            catalogs.insert(database, catalog);
        }
    }
    plan::order(rules, &catalogs)
}

/// The worst first; the same thing at the same place, which several rules of a table say, once.
pub fn ranked(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (b.severity, &a.place, &a.id, &a.message).cmp(&(a.severity, &b.place, &b.id, &b.message)));
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
