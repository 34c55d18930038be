//! The moment that a period counts from.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::TableRef;

/// The moment that a period counts from. The row is due when it lies before the cutoff.
#[derive(Clone, Debug, PartialEq)]
pub enum Since {
    /// What one column holds.
    Column(SinceColumn),
    /// The latest of several columns; NULLs among them are ignored, and only when all are NULL there is no moment. At
    /// least two.
    Greatest(Vec<SinceColumn>),
    /// The latest activity in another table.
    Latest(Box<Latest>),
}

/// A column that holds a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SinceColumn {
    /// Its name; of a collection the path to a field, as [`crate::Path::parse`] reads it.
    pub column: String,
    /// The zone of naive times and dates; required for those, without meaning for instants.
    pub zone: Option<TimeZone>,
    /// How the column writes time, where its type does not tell.
    pub form: Option<SinceForm>,
}

/// The latest moment among the rows of another table that belong to a row.
///
/// NULLs in its column are no activity. A row without activity counts from `or`; without `or`, or where that is NULL,
/// it has no moment. Activity that cannot be read as time keeps the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// The other table, in the same database.
    pub table: TableRef,
    /// Its column that holds the moments.
    pub at: SinceColumn,
    /// Which rows belong together: a column of the other table equals one of the rule's own. Never empty.
    pub on: Vec<Joined>,
    /// The column of the rule's own table that counts where there is no activity.
    pub or: Option<SinceColumn>,
}

/// Two columns that are equal. Of a collection each is the path to a field, as [`crate::Path::parse`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The column of the other table.
    pub other: String,
    /// The column of the rule's own table.
    pub own: String,
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
    /// Seconds since 1970-01-01T00:00:00Z. An integer counts until its second is over.
    UnixS,
    /// Milliseconds since 1970-01-01T00:00:00Z. An integer counts until its millisecond is over.
    UnixMs,
    /// A Julian day number with a fraction: days since noon of 24 November 4714 BC (proleptic Gregorian), in UTC.
    /// An integer counts until its day is over, at the next noon.
    Julian,
    /// The moment in which an ObjectId was made, in whole seconds. It counts until its second is over. Only of documents.
    ObjectId,
}

// === impl SinceForm ===

impl SinceForm {
    /// The word that a policy says for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Iso8601 => "iso8601",
            Self::UnixS => "unix_s",
            Self::UnixMs => "unix_ms",
            Self::Julian => "julian",
            Self::ObjectId => "object_id",
        }
    }
}

// === impl Since ===

impl Since {
    /// A single column whose type tells everything.
    pub fn column(name: &str) -> Self {
        Self::Column(SinceColumn { column: name.into(), zone: None, form: None })
    }

    /// The columns of the rule's own table that it reads, in the order they are written.
    pub fn columns(&self) -> Vec<&SinceColumn> {
        match self {
            Self::Column(column) => vec![column],
            Self::Greatest(columns) => columns.iter().collect(),
            Self::Latest(latest) => latest.or.iter().collect(),
        }
    }

    /// The single column, where there is only one.
    pub const fn single(&self) -> Option<&SinceColumn> {
        match self {
            Self::Column(column) => Some(column),
            Self::Greatest(_) | Self::Latest(_) => None,
        }
    }

    /// The other table that it looks into.
    pub fn other_table(&self) -> Option<&TableRef> {
        match self {
            Self::Latest(latest) => Some(&latest.table),
            Self::Column(_) | Self::Greatest(_) => None,
        }
    }

    /// The zone that is written first, if any is.
    pub fn zone(&self) -> Option<&TimeZone> {
        let latest = match self {
            Self::Latest(latest) => latest.at.zone.as_ref(),
            Self::Column(_) | Self::Greatest(_) => None,
        };
        latest.or_else(|| self.columns().into_iter().find_map(|column| column.zone.as_ref()))
    }
}

impl std::fmt::Display for Since {
    /// As it is said to people: names alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column(column) => f.write_str(&column.column),
            Self::Greatest(columns) => {
                let names: Vec<&str> = columns.iter().map(|column| column.column.as_str()).collect();
                write!(f, "the greatest of {}", names.join(", "))
            }
            Self::Latest(latest) => {
                write!(f, "the latest {} in {}", latest.at.column, latest.table)?;
                match &latest.or {
                    Some(or) => write!(f, ", or {}", or.column),
                    None => Ok(()),
                }
            }
        }
    }
}
