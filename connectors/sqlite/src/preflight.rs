//! What would keep a step from doing what it says. Reads only.

mod triggers;

use forgetd_connector::{Cause, Fault, FaultClass, Finding, OnDelete, Severity, SinceColumn, Step, TableKind};
use rusqlite::Connection;

use crate::effect::Recorder;
use crate::facts;
use crate::query::{Area, Scope, Walk};
use crate::session::Session;

/// From how many rows on a table without an index on `since` is worth a word.
const BIG_TABLE_ROWS: u64 = 100_000;

/// How many rows are looked at for values that are no time, at each end of the index.
const SAMPLE_ROWS: u64 = 20_000;

/// Everything that was found.
pub(crate) fn check(session: &mut Session, step: &Step, scope: &Scope, place: &str) -> Result<Vec<Finding>, Fault> {
    let (connection, recorder) = session.listened("preflight")?;
    let found = findings(connection, recorder, step, scope, place);
    found.map_err(|error| session.failed("preflight", &error))
}

/// What needs no statement, and no table that statements could be built for.
pub(crate) fn structure(step: &Step, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    if step.table.kind != TableKind::Plain {
        let message = "the object is a view or a virtual table; rows are deleted from plain tables only";
        findings.push(Finding::blocks(Cause::TableKind, place, message));
    }
    let allowed = |name: &str| step.may_cascade.iter().any(|table| table.name == name);
    for child in step.table.cascades_to().iter().filter(|child| !allowed(&child.name)) {
        let message = format!("deleting a row here also deletes its rows in {child}, and no rule allows that");
        findings.push(Finding::blocks(Cause::Cascade, place, message));
    }
    let own = step
        .table
        .referenced_by
        .iter()
        .find(|key| key.on_delete == OnDelete::Cascade && key.child.name == step.table.name.name);
    if let Some(key) = own {
        let message = format!("foreign key {} deletes other rows of the same table, due or not", key.name);
        findings.push(Finding::blocks(Cause::Cascade, place, message));
    }
    for key in step.table.referenced_by.iter().filter(|key| !key.indexed) {
        findings.push(Finding {
            id: "child_unindexed".into(),
            severity: Severity::Warning,
            place: place.into(),
            message: format!("every deleted row of {} makes SQLite read all of {}", key.parent, key.child),
            fix: format!("create an index on {}", key.name),
        });
    }
    findings
}

fn findings(
    connection: &Connection,
    recorder: &Recorder,
    step: &Step,
    scope: &Scope,
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    if connection.is_readonly("main")? {
        findings.push(Finding::blocks(Cause::ReadOnly, place, "the file, or the folder it lies in, cannot be written"));
    }
    let every_row = Area::Rows { after: None, to: None };
    match recorder.reach(connection, &scope.delete(&every_row, false).sql) {
        Ok(reach) => findings.extend(triggers::check(connection, step, &reach, place)?),
        Err(error) => findings.push(unprepared(&error, place)),
    }
    findings.extend(journal(connection, place)?);
    findings.extend(foreign_keys(step, place));
    findings.extend(unindexed(connection, step, scope, place)?);
    findings.extend(unreadable(connection, step, scope, place)?);
    Ok(findings)
}

/// The delete cannot even be prepared: a trigger or a foreign key leads nowhere, or needs what only the application's
/// connection has.
fn unprepared(error: &rusqlite::Error, place: &str) -> Finding {
    let fault = crate::error::fault("preflight", place, error);
    let cause = match fault.class {
        FaultClass::Blocked(cause) => cause,
        _ => Cause::Unsupported,
    };
    let code = fault.code.unwrap_or_default();
    let message = format!(
        "SQLite cannot prepare the delete ({code}): a trigger, foreign key or index of the table refers to a table, \
         column, function or collation that is not there"
    );
    let fix = "mend the definition; functions and collations of the application are unknown to forgetd".into();
    Finding { fix, ..Finding::blocks(cause, place, message) }
}

fn journal(connection: &Connection, place: &str) -> rusqlite::Result<Option<Finding>> {
    let mode = facts::journal_mode(connection)?;
    Ok((mode != "wal").then(|| Finding {
        id: "journal_mode".into(),
        severity: Severity::Warning,
        place: place.split('.').next().unwrap_or_default().into(),
        message: format!("journal mode {mode}: readers and forgetd's batches wait for each other"),
        fix: "if nothing speaks against it, run `PRAGMA journal_mode = wal` once".into(),
    }))
}

fn foreign_keys(step: &Step, place: &str) -> Option<Finding> {
    let mut names: Vec<&str> = step.table.referenced_by.iter().map(|key| key.name.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| Finding {
        id: "foreign_keys_on".into(),
        severity: Severity::Info,
        place: place.into(),
        message: format!(
            "forgetd enforces foreign keys ({}); an application that does not may differ",
            names.join("; ")
        ),
        fix: "run `PRAGMA foreign_key_check` to see rows that already break them".into(),
    })
}

fn unindexed(connection: &Connection, step: &Step, scope: &Scope, place: &str) -> rusqlite::Result<Option<Finding>> {
    if scope.walk() == Walk::Since {
        return Ok(None);
    }
    let rows = match step.table.rows_estimate {
        Some(rows) => rows,
        None => scope.total(Some(BIG_TABLE_ROWS)).number(connection)?,
    };
    let Some(SinceColumn { column, .. }) = step.lead() else { return Ok(None) };
    Ok((rows > BIG_TABLE_ROWS).then(|| Finding {
        id: "since_unindexed".into(),
        severity: Severity::Warning,
        place: format!("{place}.{column}"),
        message: format!("no index leads with {column}: every run reads the whole table"),
        fix: format!("create an index on {column}"),
    }))
}

/// Values that are no time are kept for ever; somebody should know.
fn unreadable(connection: &Connection, step: &Step, scope: &Scope, place: &str) -> rusqlite::Result<Option<Finding>> {
    let mut rows: u64 = 0;
    let ends: &[bool] = if scope.walk() == Walk::Since { &[false, true] } else { &[false] };
    for last_first in ends {
        // Both ends of a short index are the same rows.
        rows = rows.max(scope.unreadable(SAMPLE_ROWS, *last_first).number(connection)?);
    }
    let Some(SinceColumn { column, .. }) = step.lead() else { return Ok(None) };
    Ok((rows > 0).then(|| Finding {
        id: "since_unreadable".into(),
        severity: Severity::Warning,
        place: format!("{place}.{column}"),
        message: format!("at least {rows} rows hold something in {column} that is no time in this form; they are kept"),
        fix: "mend the values, or name the form with `as:`".into(),
    }))
}
