//! What stops nothing and is worth knowing. Each question may be refused without harm.

use forgetd_connector::{Fault, FaultClass, Finding, Notice, Step, reference_names};

use super::jobs::{self, Event};
use super::looked::Looked;
use super::{copies, keys, since, sql};
use crate::answer::{Answer, get};
use crate::connect::{Ask, Session};
use crate::query::Sql;

/// Findings of severity warning and info.
pub(super) async fn look(
    session: &mut Session,
    step: &Step,
    looked: &Looked,
    mariadb: bool,
    database: &str,
) -> Result<Vec<Finding>, Fault> {
    let place = step.place(database);
    let mut findings = vec![];
    if let Some(events) = asked(session, &Sql::plain(sql::EVENTS), &place, &mut findings).await? {
        let events: Vec<Event> =
            events.rows.iter().map(|row| Event::read(row, &place)).collect::<Result<_, Fault>>()?;
        findings.extend(jobs::findings(&events, step, &looked.routines, &looked.settings, &place));
    }
    findings.extend(jobs::unseen(step, &looked.rights, &looked.settings, mariadb, database));
    if let (None, [key]) = (step.rewrite(), step.table.key.as_slice()) {
        let names = reference_names(&step.table.name.name, key);
        let sql = sql::look_alikes(&step.table.name, key, &names);
        for row in asked(session, &sql, &place, &mut findings).await?.iter().flat_map(|answer| &answer.rows) {
            findings.push(keys::look_alike(row, step, database)?);
        }
    }
    let sources = Sql::plain(if mariadb { sql::SOURCES_MARIADB } else { sql::SOURCES_MYSQL });
    if quiet(session, &sources, &place).await?.is_some_and(|answer| !answer.rows.is_empty()) {
        findings.push(copies::subscribed(database));
    }
    for row in quiet(session, &Sql::plain(sql::HOLDERS), &place).await?.iter().flat_map(|answer| &answer.rows) {
        findings.push(copies::held_back(get(row, 0, &place)?, database));
    }
    for zeros in since::columns(step) {
        if let Some(answer) = quiet(session, &zeros.sql, &place).await?
            && let Some(row) = answer.rows.first()
        {
            findings.extend(zeros.finding(get(row, 0, &place)?, step, database));
        }
    }
    Ok(findings)
}

/// The answer to one question; where there is none, that is said.
async fn asked(
    session: &mut Session,
    sql: &Sql,
    place: &str,
    findings: &mut Vec<Finding>,
) -> Result<Option<Answer>, Fault> {
    match session.read("advise", place, &[sql]).await {
        Ok(mut answers) => Ok(answers.pop()),
        Err(fault) if fault.class == FaultClass::Disconnected => Err(fault),
        Err(fault) => {
            findings.push(incomplete(place, &fault));
            Ok(None)
        }
    }
}

/// The answer to a question that many accounts may not ask, and whose silence says little.
async fn quiet(session: &mut Session, sql: &Sql, place: &str) -> Result<Option<Answer>, Fault> {
    let mut answers = session.turn("advise", &[Ask::Query(sql)]).await?;
    match answers.pop() {
        Some(Ok(answer)) => Ok(Some(answer)),
        Some(Err(error)) => match error.fault("advise", place).class {
            FaultClass::Disconnected => Err(error.fault("advise", place)),
            _ => Ok(None),
        },
        None => Ok(None),
    }
}

fn incomplete(place: &str, fault: &Fault) -> Finding {
    Finding::informs(
        Notice::LookIncomplete,
        place,
        format!("what could be advised about the table could not be looked up: {fault}"),
        "see that the account may read the information schema",
    )
}
