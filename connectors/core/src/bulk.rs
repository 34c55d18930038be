//! How many rows of a transform are read at once, where their values are wide: memory is small, whatever a table holds.
//!
//! A row that is deleted is never fetched. One that stays has its old values read and new ones computed from them, so a
//! batch of documents would stand in memory together. What a read finds is added up by the server, which sends no more than
//! [`READ_BYTES_MAX`]; a lane that met more plans fewer rows, and more again when they are small. Adding up costs time, so a
//! connector may let each row have its share of a batch ([`share`]) until one is wider.

use crate::{Column, ColumnKind};

/// What the values of a batch, or of a page of a sweep, come to at most, in bytes of their texts. They stand in memory
/// several times: as they came, as they are, as they shall be, and as they are sent.
pub const READ_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// What the values of one row come to at most: it is read by itself. A larger one is passed over, and said.
pub const ROW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What the values of a batch come to at most where nobody adds them up, because their columns hold no more.
const NARROW_CHARS_MAX: u64 = 4 * 1024 * 1024;

/// How many rows of a lane were found to be read at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bulk {
    /// Absent: as many as an order says.
    fits: Option<u32>,
    /// Whether a row was met that was wider than its share.
    wide: bool,
}

/// How a read of rows ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// All of them are here.
    All,
    /// A single row, whose values are larger than [`ROW_BYTES_MAX`]: they are not here.
    TooLarge,
    /// So many rows would have fitted, and there are more.
    TooMany(u64),
}

// === impl Bulk ===

impl Bulk {
    /// For how many rows an order for so many is planned.
    pub fn aim(self, rows_max: u32) -> u32 {
        self.fits.map_or(rows_max, |fits| rows_max.min(fits)).max(1)
    }

    /// Whether values are to be added up: a row was wider than its share.
    pub fn adds_up(self) -> bool {
        self.wide
    }

    /// A row was wider than its share.
    pub fn met_wide(&mut self) {
        self.wide = true;
    }

    /// So many rows would have fitted where more were met.
    pub fn overflowed(&mut self, fits: u64) {
        self.fits = Some(u32::try_from(fits).unwrap_or(u32::MAX).max(1));
    }

    /// A read that fitted came to so many bytes: twice as many rows are tried where they would have fitted too.
    pub fn read(&mut self, bytes: u64) {
        if bytes <= READ_BYTES_MAX / 2 {
            self.fits = self.fits.map(|fits| fits.saturating_mul(2));
        }
    }
}

// === impl Met ===

impl Met {
    /// What it means that rows come to so many bytes together, where none was sent that did not fit.
    pub fn weighed(rows: u64, bytes: u64) -> Self {
        let most = if rows <= 1 { ROW_BYTES_MAX } else { READ_BYTES_MAX };
        match (bytes <= most, rows) {
            (true, _) => Self::All,
            (false, 0 | 1) => Self::TooLarge,
            // A little less than the average says, because the next ones are others; and never as many again.
            (false, rows) => {
                let fits = u128::from(rows) * u128::from(READ_BYTES_MAX / 4 * 3) / u128::from(bytes);
                Self::TooMany(u64::try_from(fits).unwrap_or(u64::MAX).clamp(1, rows - 1))
            }
        }
    }
}

/// What the values of each of so many rows come to at most where they are not added up, in bytes.
pub fn share(rows: u64) -> u64 {
    NARROW_CHARS_MAX / rows.max(1)
}

/// Whether so many rows cannot hold much in these columns: then nothing has to be added up. Characters are counted, of which
/// most are one byte.
pub fn is_narrow(columns: &[Column], rows: u64) -> bool {
    let most = |column: &Column| match column.kind {
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Any | ColumnKind::Other => {
            column.fit.chars_max.map(u64::from)
        }
        ColumnKind::Instant
        | ColumnKind::NaiveTime
        | ColumnKind::Date
        | ColumnKind::Integer
        | ColumnKind::Number
        | ColumnKind::Bool => Some(64),
    };
    let row = columns.iter().map(most).try_fold(0_u64, |sum, most| Some(sum.saturating_add(most?)));
    row.is_some_and(|row| row.saturating_mul(rows) <= NARROW_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::{Bulk, Met, READ_BYTES_MAX, ROW_BYTES_MAX, is_narrow, share};
    use crate::{Column, ColumnKind, Fit};

    #[test]
    fn wide_rows_are_planned_for_fewer_and_narrow_ones_for_more_again() {
        let mut bulk = Bulk::default();
        assert_eq!(bulk.aim(1000), 1000);
        bulk.read(1);
        assert_eq!(bulk.aim(1000), 1000);
        bulk.overflowed(3);
        assert_eq!((bulk.aim(1000), bulk.aim(2)), (3, 2));
        bulk.read(READ_BYTES_MAX);
        assert_eq!(bulk.aim(1000), 3);
        for fits in [6, 12, 24] {
            bulk.read(READ_BYTES_MAX / 2);
            assert_eq!(bulk.aim(1000), fits);
        }
        bulk.overflowed(0);
        assert_eq!(bulk.aim(1000), 1);
    }

    #[test]
    fn values_are_added_up_from_the_first_wide_row_on() {
        let mut bulk = Bulk::default();
        assert!(!bulk.adds_up());
        bulk.met_wide();
        assert!(bulk.adds_up());
        assert_eq!((share(1024), share(0)), (4096, 4 * 1024 * 1024));
    }

    #[test]
    fn what_does_not_fit_is_met_again_in_fewer_rows() {
        for (rows, bytes, met) in [
            (0, 0, Met::All),
            (1000, READ_BYTES_MAX, Met::All),
            (1, ROW_BYTES_MAX, Met::All),
            (1, ROW_BYTES_MAX + 1, Met::TooLarge),
            (2, READ_BYTES_MAX + 1, Met::TooMany(1)),
            (1000, 1_000 * 1_048_576, Met::TooMany(1)),
            (1000, 500 * 1_048_576, Met::TooMany(3)),
            (1000, READ_BYTES_MAX + 1, Met::TooMany(749)),
            (2, u64::MAX, Met::TooMany(1)),
        ] {
            assert_eq!(Met::weighed(rows, bytes), met, "{rows} rows of {bytes} bytes");
        }
    }

    #[test]
    fn columns_are_narrow_by_their_types() {
        let column = |kind, chars_max| Column {
            name: "a".into(),
            type_name: "t".into(),
            kind,
            nullable: true,
            fit: Fit { chars_max, ..Fit::default() },
        };
        let text = |chars| column(ColumnKind::Text, chars);
        assert!(is_narrow(&[text(Some(100)), column(ColumnKind::Integer, None)], 10_000));
        assert!(!is_narrow(&[text(Some(500))], 10_000));
        assert!(is_narrow(&[text(Some(500))], 1_000));
        assert!(!is_narrow(&[text(Some(1)), text(None)], 1));
        assert!(!is_narrow(&[column(ColumnKind::Json, None)], 1));
        assert!(is_narrow(&[], 10_000));
    }
}
