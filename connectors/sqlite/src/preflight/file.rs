//! The file itself: whether it can be written, and how.

use forgetd_connector::{Cause, Finding, Notice};
use rusqlite::Connection;

use crate::facts;

/// Findings whose place is the database.
pub(super) fn check(connection: &Connection, database: &str) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    if connection.is_readonly("main")? {
        let fix = "let the user that forgetd runs as write the file and its folder";
        let message = "the file, or the folder it lies in, cannot be written";
        findings.push(Finding::blocks(Cause::ReadOnly, database, message).with_fix(fix));
    }
    let mode = facts::journal_mode(connection)?;
    if mode != "wal" {
        findings.push(Finding::warns(
            Notice::JournalMode,
            database,
            format!("journal mode {mode}: readers and forgetd's batches wait for each other"),
            "if nothing speaks against it, run `pragma journal_mode = wal` once",
        ));
    }
    Ok(findings)
}
