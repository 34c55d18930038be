//! The file itself: whether it can be written, and how.

use forgetd_connector::{Cause, Finding, Notice};
use rusqlite::Connection;

use crate::facts;

/// Fewer free pages are a matter of minutes.
const FREE_PAGES_MIN: i64 = 256;

/// One part in so many of the file.
const FREE_PART: i64 = 4;

/// `pragma auto_vacuum`.
const AUTO_VACUUM_INCREMENTAL: i64 = 2;

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
    findings.extend(free_pages(connection, database)?);
    Ok(findings)
}

/// The file does not shrink by itself, and forgetd overwrites only what it deletes itself.
fn free_pages(connection: &Connection, database: &str) -> rusqlite::Result<Option<Finding>> {
    let number = |pragma: &str| connection.query_row(&format!("pragma {pragma}"), [], |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    if free < FREE_PAGES_MIN || free < all / FREE_PART {
        return Ok(None);
    }
    let message = "a quarter of the file or more is free pages: what was deleted there without `pragma secure_delete = on`, \
                   which forgetd uses, can still be read";
    let fix = match number("auto_vacuum")? {
        AUTO_VACUUM_INCREMENTAL => "run `pragma incremental_vacuum`",
        _ => "run `vacuum` while nobody uses the file",
    };
    Ok(Some(Finding::informs(Notice::FreePages, database, message, fix)))
}
