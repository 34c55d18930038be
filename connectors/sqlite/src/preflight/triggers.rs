//! Triggers on the table: what they can do to a change, as far as their definitions tell.

use std::collections::BTreeSet;

use forgetd_connector::{Finding, Notice, Step};
use rusqlite::Connection;

use crate::catalog;
use crate::effect::{Reach, Written};

/// What every trigger that the change fires can do: cancel or refuse it, take other rows, keep copies.
pub(super) fn check(
    connection: &Connection,
    step: &Step,
    reach: &Reach,
    full_text: &[String],
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    let strangers = Strangers::of(connection, step, full_text)?;
    let mut statement = connection
        .prepare_cached("select name, sql from sqlite_schema where type = 'trigger' and lower(tbl_name) = lower(?1)")?;
    let mut rows = statement.query([&step.table.name.name])?;
    while let Some(row) = rows.next()? {
        let (name, sql): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        if reach.triggers.contains_key(&name) {
            let changes = if step.rewrite().is_some() { "updates" } else { "deletes" };
            findings.extend(raises(&name, &sql.unwrap_or_default(), changes, place));
        }
    }
    for (name, written) in &reach.triggers {
        findings.extend(writes(&strangers, name, written, step, place));
    }
    Ok(findings)
}

fn raises(name: &str, sql: &str, changes: &str, place: &str) -> Option<Finding> {
    let words: String = sql.to_ascii_lowercase().split_whitespace().collect();
    let (message, fix) = if words.contains("raise(ignore") {
        (
            format!(
                "the trigger {name} can cancel {changes} without an error; rows that it keeps are reported as skipped"
            ),
            "change the trigger, or exclude its rows with `where`",
        )
    } else if words.contains("raise(") {
        (
            format!("the trigger {name} can refuse {changes}; rows that it refuses are reported as skipped"),
            "change the trigger, or exclude its rows with `where`",
        )
    } else {
        return None;
    };
    Some(Finding::warns(Notice::TriggerBeforeDelete, place, message, fix))
}

/// Tables whose change by a trigger is nobody's surprise.
struct Strangers {
    /// The table itself, those that reference it, and virtual tables, which count for nothing.
    may_lose: Vec<String>,
    /// The table itself, those that reference it, and full-text indexes: what is written there takes words out.
    may_gain: Vec<String>,
}

// === impl Strangers ===

impl Strangers {
    fn of(connection: &Connection, step: &Step, full_text: &[String]) -> rusqlite::Result<Self> {
        let announced = step.table.referenced_by.iter().map(|key| key.child.name.clone());
        let known: Vec<String> = announced.chain([step.table.name.name.clone()]).collect();
        let may_gain = known.iter().chain(full_text).cloned().chain(catalog::full_text_of(connection, "")?).collect();
        let may_lose = known.into_iter().chain(catalog::virtual_tables(connection)?).collect();
        Ok(Self { may_lose, may_gain })
    }

    fn among(tables: &BTreeSet<String>, known: &[String]) -> Option<String> {
        let strangers: Vec<&str> = tables.iter().filter(|table| !known.contains(table)).map(String::as_str).collect();
        (!strangers.is_empty()).then(|| strangers.join(", "))
    }
}

fn writes(strangers: &Strangers, name: &str, written: &Written, step: &Step, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(tables) = Strangers::among(&written.deletes, &strangers.may_lose) {
        let message = format!("the trigger {name} deletes from {tables}: a batch in which it does is rolled back");
        let fix = format!(
            "change {name}, or let a foreign key with ON DELETE CASCADE take those rows and add a rule for them"
        );
        findings.push(Finding::warns(Notice::TriggerDeletes, place, message, fix));
    }
    if let Some(tables) = Strangers::among(&written.writes, &strangers.may_gain) {
        let done = if step.rewrite().is_some() { "transformed" } else { "deleted" };
        let message = format!("the trigger {name} writes to {tables}: what it copies there is not {done} by this rule");
        let fix = format!("add a rule for {tables} if it keeps copies");
        findings.push(Finding::warns(Notice::TriggerCopies, place, message, fix));
    }
    findings
}
