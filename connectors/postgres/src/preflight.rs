//! What would keep a step from doing what it says. Reads only.

mod advice;
mod conditions;
mod copies;
mod diagnose;
mod findings;
mod jobs;
mod keys;
mod looked;
mod others;
mod server;
mod sql;
mod statements;
mod storage;
#[cfg(test)]
mod testing;
mod trial;
mod triggers;

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Step};

use crate::connector::Shared;
use crate::query::{Param, Sql};
use crate::survey::odd;
use advice::About;
pub(crate) use diagnose::{blind_or_denied, diagnosed};
use looked::Looked;
pub(crate) use statements::{grants, index};
use triggers::Event;

/// Looks for everything at once.
pub(crate) async fn look(shared: &Shared, step: &Step) -> Result<Vec<Finding>, Fault> {
    let place = step.place(shared.database());
    let query = match shared.query(step) {
        Ok(query) => query,
        Err(fault) => return Ok(vec![conditions::refused(step, shared.database(), &fault)]),
    };
    let name = &step.table.name;
    // A change is published with every table that it reaches.
    let mut reached = step.rewrite().map_or_else(|| step.table.cascades_to(), |rewrite| rewrite.follows.clone());
    reached.push(name.clone());
    let written: Vec<Option<String>> =
        step.rewrite().iter().flat_map(|rewrite| rewrite.columns()).map(|name| Some(name.to_owned())).collect();
    let event = Event::of(step);
    let named = || vec![Param::Text(name.schema.clone()), name.name.as_str().into()];
    let mut params = named();
    params.extend([
        shared.names.plain().into(),
        Param::Texts(reached.iter().map(|table| table.schema.clone()).collect()),
        Param::Texts(reached.iter().map(|table| Some(table.name.clone())).collect()),
        Param::Texts(written.clone()),
        Param::Bool(event == Event::Update),
    ]);
    let table = Sql::new(sql::TABLE, params);
    let mut params = named();
    params.extend([Param::Int(event.bit()), Param::Texts(written)]);
    let triggers = Sql::new(sql::TRIGGERS, params);
    let held = shared.lanes.take().await?;
    let others = others::question(step);
    let mut asked = vec![&table, &triggers];
    asked.extend(&others);
    let answers = held.read("preflight", &place, "", &asked).await?;
    let [table, triggers, others @ ..] = answers.as_slice() else { return Err(odd(&place)) };
    let Some(row) = table.rows.first() else {
        held.give_back();
        let message = "the table does not exist, or the role cannot see it";
        return Ok(vec![Finding::blocks(Cause::TableMissing, place, message)]);
    };
    let looked = Looked::read(row, &triggers.rows, &place)?;
    let mut findings = looked.findings(step, shared.database());
    let others = others.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
    findings.extend(others::findings(step, shared.database(), others)?);
    let about =
        About { step, oid: looked.oid, role: &looked.role, database: shared.database(), control: shared.names.plain() };
    findings.extend(advice::look(&held, &about, &looked.jobs).await?);
    findings.extend(findings::tls(&shared.link, shared.database()));
    if findings.iter().all(|finding| finding.blocking_cause().is_none()) {
        findings.extend(trial::look(&held, step, looked.oid, &query, &place).await?);
    }
    // The plan shows how the lane will walk; where the table cannot be read a finding above says why.
    match shared.survey(&held, step, &query).await {
        Ok(_) => held.give_back(),
        Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
        // It says nothing about the table that would still hold later.
        Err(fault) if matches!(fault.class, FaultClass::Locked | FaultClass::Transient) => {
            held.give_back();
            return Err(fault);
        }
        Err(fault) => {
            held.give_back();
            if findings.iter().all(|finding| finding.blocking_cause().is_none()) {
                findings.push(conditions::refused(step, shared.database(), &fault));
            }
        }
    }
    Ok(findings)
}
