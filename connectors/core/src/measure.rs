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
    /// Whether the table has a row that is not due; known even where counting stopped early.
    pub outside: Outside,
}

/// Whether rows of the table are outside a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// There is at least one.
    Rows,
    /// There is none: the whole table is due, or it is empty.
    Nothing,
    /// The role cannot see the rows.
    Unknown,
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

// === impl Outside ===

impl Outside {
    /// What two counts tell, where both are exact.
    pub const fn by_counts(due: Count, total: Count) -> Option<Self> {
        match (due, total) {
            (Count::Exact(due), Count::Exact(total)) => Some(Self::found(total > due)),
            _ => None,
        }
    }

    /// What a look for such a row found.
    pub const fn found(found: bool) -> Self {
        if found { Self::Rows } else { Self::Nothing }
    }
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
