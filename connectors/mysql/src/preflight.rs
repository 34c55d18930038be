//! What would keep a step from doing what it says. Reads only.

mod advice;
mod conditions;
mod copies;
mod documents;
mod group;
mod jobs;
mod keys;
mod looked;
mod others;
mod privileges;
mod rights;
mod server;
mod since;
mod sql;
mod statements;
mod storage;
#[cfg(test)]
mod testing;
mod trial;
mod triggers;
mod words;

use forgetd_connector::{Cause, Fault, Finding, Notice, Step, TableRef};

use crate::catalog;
use crate::connector::Shared;
use looked::Looked;
pub(crate) use statements::{grants, index};

/// Looks for everything.
pub(crate) async fn look(shared: &Shared, step: &Step) -> Result<Vec<Finding>, Fault> {
    let database = shared.database();
    let place = step.place(database);
    let control = TableRef { schema: Some(shared.names.plain().into()), name: String::new() };
    if step.table.name.schema == catalog::full(shared, &control).schema {
        let finding = Finding::blocks(Cause::TableKind, place, "the table is one of forgetd's own");
        return Ok(vec![finding.with_fix("take it out of the policy")]);
    }
    let mut held = shared.lanes.take().await?;
    let looked = Looked::read(&mut held, shared, step, &place).await?;
    let mut findings = looked.findings(step, database);
    findings.extend(others::findings(step, database));
    findings.extend(privileges::look(&mut held, step, &looked.role, database).await?);
    findings.extend(conditions::look(&mut held, shared, step).await?);
    findings.extend(unverified(shared, database));
    let mariadb = shared.looked.flavour.is_mariadb();
    findings.extend(advice::look(&mut held, step, &looked, mariadb, database).await?);
    if findings.iter().all(|finding| finding.blocking_cause().is_none()) {
        let query = shared.query(step)?;
        findings.extend(documents::look(&mut held, &query, shared.looked.facts.known.name, &place).await?);
        findings.extend(trial::look(&mut held, step, &query, &place).await?);
    }
    held.give_back();
    Ok(findings)
}

/// A connection to another machine whose certificate is not checked.
fn unverified(shared: &Shared, database: &str) -> Option<Finding> {
    let words = shared.looked.facts.tls.as_ref()?;
    if shared.link.tls.is_verified() {
        return None;
    }
    let message = format!("the connection is {words}");
    let fix = "write ssl-mode=verify_identity in the URL, and ssl-ca if the server's CA is private";
    Some(Finding::warns(Notice::TlsUnverified, database, message, fix))
}
