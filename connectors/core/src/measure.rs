//! How much is due.

use jiff::Timestamp;
use serde::Serialize;

use crate::Cause;

/// The most rows a measurement may count before it stops with [`Count::Capped`]. Absent: count them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCap(pub Option<u64>);

/// What a selection matches right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Rows that are due.
    pub due: Count,
    /// The earliest `since` among them, where it could be read as an instant.
    pub oldest: Option<Timestamp>,
    /// Rows of the whole table.
    pub total: Count,
}

/// A number of rows, and how far to trust it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Exactly this many.
    Exact(u64),
    /// At least this many: counting stopped at the cap.
    Capped(u64),
    /// About this many, by the engine's statistics.
    Estimate(u64),
    /// Unknown: the role cannot see the rows.
    Blind(Cause),
}

// === impl Count ===

impl Count {
    /// The number, if there is one.
    pub const fn rows(self) -> Option<u64> {
        match self {
            Self::Exact(rows) | Self::Capped(rows) | Self::Estimate(rows) => Some(rows),
            Self::Blind(_) => None,
        }
    }
}
