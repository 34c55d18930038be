//! What would keep a step from doing what it says. Reads only.

mod file;
mod full_text;
mod look_alikes;
mod native;
mod since;
mod statements;
mod storage;
mod trial;
mod triggers;

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Notice, Step};
use rusqlite::Connection;

use crate::catalog;
use crate::effect::Recorder;
use crate::query::{Sample, Scope, unreadable};
use crate::session::Session;
pub(crate) use statements::index;

/// How many rows are looked at for values that are no time, at each end of the index.
const SAMPLE_ROWS: u64 = 20_000;

/// Everything that was found.
pub(crate) fn check(session: &mut Session, step: &Step, scope: &Scope, place: &str) -> Result<Vec<Finding>, Fault> {
    let samples = unreadable(step, scope.shape(), SAMPLE_ROWS, place)?;
    let (connection, recorder) = session.listened("preflight")?;
    let found = findings(connection, recorder, (step, scope, &samples), place);
    found.map_err(|error| session.failed("preflight", &error))
}

fn findings(
    connection: &Connection,
    recorder: &Recorder,
    (step, scope, samples): (&Step, &Scope, &[Sample]),
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    let database = place.split('.').next().unwrap_or_default();
    findings.extend(file::check(connection, database)?);
    let natives = native::check(connection, recorder, step, place);
    if !natives.is_empty() {
        // The change could not be prepared for the same reason.
        findings.extend(natives);
        return Ok(findings);
    }
    match recorder.reach(connection, &scope.change_any()) {
        Ok(reach) => {
            let full_text = catalog::full_text_of(connection, &step.table.name.name)?;
            findings.extend(triggers::check(connection, step, &reach, &full_text, place)?);
            findings.extend(full_text::check(step, &reach, &full_text, database));
        }
        Err(error) => findings.push(unprepared(&error, step, place)),
    }
    findings.extend(foreign_keys(step, place));
    findings.extend(since::unreadable(connection, samples, database)?);
    findings.extend(trial::check(connection, step, scope, place)?);
    if step.rewrite().is_none() {
        findings.extend(look_alikes::check(connection, step, database)?);
    }
    findings.extend(storage::check(connection, step, scope, place)?);
    Ok(findings)
}

/// A rule must not take what forgetd itself remembers.
pub(crate) fn own_table(place: &str) -> Finding {
    let message = "the table is one of forgetd's own";
    Finding::blocks(Cause::TableKind, place, message).with_fix("take it out of the policy")
}

/// The change cannot even be prepared: a trigger or a foreign key leads nowhere, or needs what only the application's
/// connection has.
fn unprepared(error: &rusqlite::Error, step: &Step, place: &str) -> Finding {
    let fault = crate::error::fault("preflight", place, error);
    let cause = match fault.class {
        FaultClass::Blocked(cause) => cause,
        _ => Cause::Unsupported,
    };
    let what = crate::error::missing(error).unwrap_or_else(|| fault.code.unwrap_or_default());
    let change = if step.rewrite().is_some() { "update" } else { "delete" };
    let message = format!("SQLite cannot prepare the {change}, because of a trigger, foreign key or index: {what}");
    let fix = "mend the definition; functions and collations of the application are unknown to forgetd";
    Finding::blocks(cause, place, message).with_fix(fix)
}

fn foreign_keys(step: &Step, place: &str) -> Option<Finding> {
    let mut keys: Vec<_> = step.table.referenced_by.iter().collect();
    if let Some(rewrite) = step.rewrite() {
        keys.retain(|key| rewrite.follows.contains(&key.child));
    }
    let mut names: Vec<&str> = keys.into_iter().map(|key| key.name.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        Finding::informs(
            Notice::ForeignKeysOn,
            place,
            format!("forgetd enforces foreign keys ({}); an application that does not may differ", names.join("; ")),
            "run `pragma foreign_key_check` to see rows that already break them",
        )
    })
}
