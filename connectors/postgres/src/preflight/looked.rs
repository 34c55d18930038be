//! What a look at the server and the table showed.

use forgetd_connector::Fault;
use tokio_postgres::Row;

use super::triggers::Trigger;
use crate::survey::get;

/// Everything that one turn brought.
#[derive(Debug)]
pub(super) struct Looked {
    /// Row security applies to the role.
    pub(super) row_security: bool,
    /// The role owns the table, and row security is forced on owners.
    pub(super) forced: bool,
    pub(super) usage: bool,
    pub(super) select: bool,
    pub(super) delete: bool,
    pub(super) update: bool,
    pub(super) delete_rules: Vec<String>,
    pub(super) track_counts: bool,
    pub(super) standby: bool,
    /// The role's, the database's or the server's default.
    pub(super) only_reads: bool,
    /// Tables published with their deletes, and without a way to say which row went.
    pub(super) unidentified: Vec<(String, String)>,
    /// A table, and not one of the server's or our own.
    pub(super) ordinary: bool,
    pub(super) role: String,
    pub(super) triggers: Vec<Trigger>,
}

// === impl Looked ===

impl Looked {
    /// Reads the answers.
    pub(super) fn read(row: &Row, triggers: &[Row], place: &str) -> Result<Self, Fault> {
        Ok(Self {
            row_security: get(row, 0, place)?,
            forced: get(row, 1, place)?,
            usage: get(row, 2, place)?,
            select: get(row, 3, place)?,
            delete: get(row, 4, place)?,
            update: get(row, 5, place)?,
            delete_rules: get(row, 6, place)?,
            track_counts: get(row, 7, place)?,
            standby: get(row, 8, place)?,
            only_reads: get(row, 9, place)?,
            unidentified: get::<Vec<String>>(row, 10, place)?
                .into_iter()
                .zip(get::<Vec<String>>(row, 11, place)?)
                .collect(),
            ordinary: get(row, 12, place)?,
            role: get(row, 13, place)?,
            triggers: triggers.iter().map(|row| Trigger::read(row, place)).collect::<Result<_, _>>()?,
        })
    }
}
