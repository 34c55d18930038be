//! Triggers on the table: what they can do to a delete, as far as their definitions tell.

use forgetd_connector::{Finding, Severity, Step};
use rusqlite::Connection;

use crate::effect::Reach;

/// One finding per trigger that can cancel or refuse a delete, and one for tables that triggers take rows from or write
/// to.
pub(super) fn check(
    connection: &Connection,
    step: &Step,
    reach: &Reach,
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    let mut statement = connection
        .prepare_cached("select name, sql from sqlite_schema where type = 'trigger' and lower(tbl_name) = lower(?1)")?;
    let mut rows = statement.query([&step.table.name.name])?;
    while let Some(row) = rows.next()? {
        let (name, sql): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        if reach.triggers.contains(&name) {
            findings.extend(raises(&name, &sql.unwrap_or_default(), place));
        }
    }
    if !reach.triggers.is_empty() {
        findings.extend(reaches(step, reach, place));
    }
    Ok(findings)
}

fn raises(name: &str, sql: &str, place: &str) -> Option<Finding> {
    let words: String = sql.to_ascii_lowercase().split_whitespace().collect();
    let (message, fix) = if words.contains("raise(ignore") {
        (
            format!("trigger {name} can cancel deletes without an error; rows that it keeps are reported as skipped"),
            "change the trigger, or exclude its rows with `where`",
        )
    } else if words.contains("raise(") {
        (
            format!("trigger {name} can refuse deletes; rows that it refuses are reported as skipped"),
            "change the trigger, or exclude its rows with `where`",
        )
    } else {
        return None;
    };
    Some(warning("trigger_before_delete", place, message, fix))
}

fn reaches(step: &Step, reach: &Reach, place: &str) -> Vec<Finding> {
    let own = &step.table.name.name;
    let announced = step.table.referenced_by.iter().map(|key| key.child.name.as_str());
    let known: Vec<&str> = announced.chain([own.as_str()]).collect();
    let strangers = |tables: &std::collections::BTreeSet<String>| -> Vec<String> {
        tables.iter().filter(|table| !known.contains(&table.as_str())).cloned().collect()
    };
    let mut findings = vec![];
    let deletes = strangers(&reach.deletes);
    if !deletes.is_empty() {
        let message =
            format!("a trigger can delete from {}: batches in which it does are rolled back", deletes.join(", "));
        findings.push(warning("trigger_deletes", place, message, "add a rule for that table, or change the trigger"));
    }
    let writes = strangers(&reach.writes);
    if !writes.is_empty() {
        let message =
            format!("a trigger can write to {}: what it copies there is not deleted by this rule", writes.join(", "));
        findings.push(warning("trigger_writes", place, message, "add a rule for that table if it keeps copies"));
    }
    findings
}

fn warning(id: &str, place: &str, message: String, fix: &str) -> Finding {
    Finding { id: id.into(), severity: Severity::Warning, place: place.into(), message, fix: fix.into() }
}
