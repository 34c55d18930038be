//! What rows weigh that are read: a statement sends no more of their values than is meant to stand in memory.

use std::ops::Range;

use forgetd_connector::bulk::{self, Bulk, READ_BYTES_MAX, ROW_BYTES_MAX};
use forgetd_connector::{Column, ColumnKind};

use crate::codec;

/// How it is known that values are few enough. Two numbers stand in front of each row that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// By their types: zeros.
    Narrow,
    /// No row's are more than this; else it comes without them. In front whether it does, and [`Weight::SHARED`].
    Shared(u64),
    /// They are added up: in front what those of this row and the rows before come to, and how many rows there are. None
    /// comes with which they are too many, but the first; and that without values, where it is too large by itself.
    AddedUp,
}

impl Weight {
    /// Stands where nothing was added up.
    pub(crate) const SHARED: i64 = -1;

    /// For so many rows and their columns whose new values are computed.
    pub(super) fn of(computed: &[Column], rows: u64, bulk: Bulk) -> Self {
        // What is no text is made one to be measured, and that once.
        let texts = computed.iter().all(|column| column.kind == ColumnKind::Text);
        match (bulk::is_narrow(computed, rows), bulk.adds_up() || !texts) {
            (true, _) => Self::Narrow,
            (false, false) => Self::Shared(bulk::share(rows)),
            (false, true) => Self::AddedUp,
        }
    }

    /// The columns as they are read.
    pub(super) fn computed(self, computed: &[Column]) -> Vec<String> {
        let read = computed.iter().map(codec::written);
        match self {
            Self::Narrow | Self::AddedUp => read.collect(),
            Self::Shared(most) => {
                let bytes = bytes(computed);
                read.map(|value| format!("case when {bytes} <= {most} then {value} end")).collect()
            }
        }
    }

    /// What stands in front; absent: that takes a statement around the one that reads, see [`added_up`].
    pub(super) fn front(self, computed: &[Column]) -> Option<String> {
        match self {
            Self::Narrow => Some("0::int8, 0::int8".into()),
            Self::Shared(most) => Some(format!("({} > {most})::int4::int8, {}::int8", bytes(computed), Self::SHARED)),
            Self::AddedUp => None,
        }
    }
}

fn bytes(computed: &[Column]) -> String {
    let bytes = computed.iter().map(|column| format!("coalesce(octet_length({}), 0)", codec::written(column)));
    format!("({})", bytes.collect::<Vec<_>>().join(" + "))
}

/// The rows that a statement reads, as [`Weight::AddedUp`] says.
pub(super) fn added_up(read: &str, columns: usize, computed: Range<usize>) -> String {
    let bytes: String = computed.clone().map(|n| format!(" + coalesce(octet_length(forgetd_{n}), 0)")).collect();
    let columns = (0..columns).map(|n| match computed.contains(&n) {
        true => format!("case when forgetd_bytes <= {ROW_BYTES_MAX} then forgetd_{n} end"),
        false => format!("forgetd_{n}"),
    });
    format!(
        "select forgetd_bytes, forgetd_rows, {} from \
         (select *, count(*) over () as forgetd_rows, row_number() over () as forgetd_at, \
         (sum(0::int8{bytes}) over (rows unbounded preceding))::int8 as forgetd_bytes from ({read}) as forgetd_read) \
         as forgetd_met where forgetd_bytes <= {READ_BYTES_MAX} or forgetd_at = 1",
        columns.collect::<Vec<_>>().join(", ")
    )
}
