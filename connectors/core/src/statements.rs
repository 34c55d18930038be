//! The statements of a step, for people to read.

use serde::Serialize;

/// What plan and explain show and what the lanes send: one source, so they cannot differ. Literals stand as
/// placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statements {
    /// The predicate alone, exactly as it stands in every statement.
    pub predicate: String,
    /// How the lane walks the table, in words: `since`, `key` or `physical`.
    pub walk: String,
    /// Finds where a batch ends.
    pub peek: String,
    /// Changes the rows of a batch.
    pub change: String,
    /// Counts what is due.
    pub count: String,
}
