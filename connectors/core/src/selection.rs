//! Which rows a rule means.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Cutoff, TableRef, Value};

/// The rows of one table that are due at one cutoff. Every statement that looks at or changes a row is built from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The table.
    pub table: TableRef,
    /// The moment the period counts from.
    pub since: Since,
    /// The frozen instant.
    pub cutoff: Cutoff,
    /// What a NULL in `since` means.
    pub when_null: WhenNull,
    /// What else must hold.
    pub predicate: Predicate,
}

/// The column that holds the moment a period counts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// Its name.
    pub column: String,
    /// The zone of naive times and dates; required for those, without meaning for instants.
    pub zone: Option<TimeZone>,
    /// How the column writes time, where its type does not tell.
    pub form: Option<SinceForm>,
}

/// How a column writes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinceForm {
    /// A date and time, in the engine's own type or as text `YYYY-MM-DD HH:MM:SS[.fff]`.
    Timestamp,
    /// A date, in the engine's own type or as text `YYYY-MM-DD`.
    Date,
    /// Text in ISO 8601 with an offset or `Z`.
    Iso8601,
    /// Seconds since 1970-01-01T00:00:00Z.
    UnixS,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs,
}

/// What a NULL in `since` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenNull {
    /// The row is never due.
    Keep,
    /// The row is always due.
    Delete,
    /// This column of the same type counts instead; if it is NULL too, the row is kept.
    Use(String),
}

/// What must hold for a row, in three-valued logic: a row is due only where it is true.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Every part is true. Empty: always true.
    All(Vec<Predicate>),
    /// The column equals the value, exactly: type and code points.
    Equal {
        /// The column.
        column: String,
        /// What it must equal; never NULL.
        value: Value,
    },
    /// The column equals one of the values, exactly.
    In {
        /// The column.
        column: String,
        /// What it may equal; never empty, never NULL.
        values: Vec<Value>,
    },
}

// === impl Predicate ===

impl Predicate {
    /// Every column the predicate reads, in order, with repetitions.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::columns).collect(),
            Self::Equal { column, .. } | Self::In { column, .. } => vec![column],
        }
    }
}
