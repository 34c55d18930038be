//! What a look at the server and the table showed.

use forgetd_connector::Fault;
use tokio_postgres::Row;

use super::jobs::JobTables;
use super::triggers::Trigger;
use crate::survey::get;

/// Everything that one turn brought.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Row security applies to the role.
    pub(super) row_security: bool,
    /// The role owns the table, and row security is forced on owners.
    pub(super) forced: bool,
    pub(super) usage: bool,
    pub(super) select: bool,
    pub(super) delete: bool,
    pub(super) update: bool,
    /// Columns that are to be written and may not be.
    pub(super) unwritable: Vec<String>,
    /// Rewrite rules of the change.
    pub(super) rules: Vec<String>,
    pub(super) track_counts: bool,
    pub(super) standby: bool,
    /// The role's, the database's or the server's default.
    pub(super) only_reads: bool,
    /// Tables published with their deletes, and without a way to say which row went.
    pub(super) unidentified: Vec<(String, String)>,
    /// A table, and not one of the server's or our own.
    pub(super) ordinary: bool,
    pub(super) role: String,
    /// Neither foreign keys nor triggers are looked after in the role's sessions.
    pub(super) replica: bool,
    pub(super) oid: i64,
    /// Tables that inherit from it.
    pub(super) children: Vec<String>,
    /// It holds no row, and they do.
    pub(super) hollow: bool,
    pub(super) jobs: JobTables,
    pub(super) triggers: Vec<Trigger>,
}

// === impl Looked ===

impl Looked {
    /// Reads the answers.
    pub(super) fn read(row: &Row, triggers: &[Row], place: &str) -> Result<Self, Fault> {
        let pairs = |first, second| -> Result<Vec<(String, String)>, Fault> {
            let (first, second): (Vec<String>, Vec<String>) = (get(row, first, place)?, get(row, second, place)?);
            Ok(first.into_iter().zip(second).collect())
        };
        Ok(Self {
            row_security: get(row, 0, place)?,
            forced: get(row, 1, place)?,
            usage: get(row, 2, place)?,
            select: get(row, 3, place)?,
            delete: get(row, 4, place)?,
            update: get(row, 5, place)?,
            rules: get(row, 6, place)?,
            unwritable: get(row, 20, place)?,
            track_counts: get(row, 7, place)?,
            standby: get(row, 8, place)?,
            only_reads: get(row, 9, place)?,
            unidentified: pairs(10, 11)?,
            ordinary: get(row, 12, place)?,
            role: get(row, 13, place)?,
            replica: get(row, 14, place)?,
            oid: get(row, 15, place)?,
            children: get(row, 16, place)?,
            hollow: get(row, 17, place)?,
            jobs: JobTables(pairs(18, 19)?),
            triggers: triggers.iter().map(|row| Trigger::read(row, place)).collect::<Result<_, _>>()?,
        })
    }
}
