//! Time in columns that can hold anything.
//!
//! SQLite has no type for time, and a column declared DATETIME takes every value. So each form has three parts: bounds
//! on the raw column that every due value lies between (an index serves them), a test that a value is of the form at
//! all, and the exact comparison. What is not of the form is never due. Texts are compared as texts once their shape is
//! known: `12:00:00.5` before `12:00:00.51` before `12:00:01` is the order of their code points, to any number of
//! digits, and `12:00:00.50` counts as behind `12:00:00.5`, so nothing goes early.

use forgetd_connector::{Cause, ColumnKind, Cutoff, SinceColumn, SinceForm};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rusqlite::types::{Value as Sql, ValueRef};

use super::Query;

/// Seconds of 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z. Numbers outside are no time.
const SECONDS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// How a column writes time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// Text `YYYY-MM-DD`.
    Date(TimeZone),
    /// Text `YYYY-MM-DD HH:MM:SS[.f]`, or with `T`.
    Naive(TimeZone),
    /// The same with `Z` or `+HH:MM` behind it.
    Instant,
    /// A number: this many to the second.
    Unix(i64),
}

/// Which column a moment is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// `since` itself.
    Since,
    /// The column that counts where `since` is NULL.
    Instead,
}

// === impl Form ===

impl Form {
    /// What the rule says, else what the declared type says.
    pub(super) fn new(kind: ColumnKind, since: &SinceColumn) -> Result<Self, Cause> {
        let form = match (since.form, kind) {
            (Some(form), _) => form,
            (None, ColumnKind::Date) => SinceForm::Date,
            (None, ColumnKind::NaiveTime | ColumnKind::Text) => SinceForm::Timestamp,
            (None, ColumnKind::Instant) => SinceForm::Iso8601,
            (None, _) => return Err(Cause::ColumnType),
        };
        let zone = since.zone.clone().ok_or(Cause::ZoneMissing);
        Ok(match form {
            SinceForm::Date => Self::Date(zone?),
            // TIMESTAMPTZ and the like: the offset stands in the text.
            SinceForm::Timestamp if kind == ColumnKind::Instant => Self::Instant,
            SinceForm::Timestamp => Self::Naive(zone?),
            SinceForm::Iso8601 => Self::Instant,
            SinceForm::UnixS => Self::Unix(1),
            SinceForm::UnixMs => Self::Unix(1_000),
            SinceForm::Julian => return Err(Cause::ColumnType),
        })
    }

    /// Bounds on the raw column, with and without: every due value lies between them.
    pub(super) fn bounds(&self, cutoff: Cutoff) -> (Sql, Sql) {
        // In the order of code points ' ' and 'T' both come before 'U'.
        let day = |date: Date| Sql::Text(format!("{}U", date_text(date)));
        let first_digit = Sql::Text("0".into());
        match self {
            Self::Date(zone) => (first_digit, Sql::Text(date_text(cutoff.date(zone)))),
            Self::Naive(zone) => (first_digit, day(cutoff.naive(zone).date())),
            // An offset can put the local date a day ahead of UTC's.
            Self::Instant => {
                let date = cutoff.date(&TimeZone::UTC);
                (first_digit, day(date.tomorrow().unwrap_or(date)))
            }
            Self::Unix(per_second) => {
                (Sql::Integer(SECONDS.0 * per_second), Sql::Integer(ceiling(cutoff.0, *per_second)))
            }
        }
    }

    /// Whether the value is before the cutoff, exactly. No index can serve any part of it.
    pub(super) fn due(&self, column: &str, cutoff: Cutoff, query: &mut Query) -> String {
        let readable = self.readable(column);
        match self {
            Self::Date(zone) => {
                let bound = query.bind(Sql::Text(date_text(cutoff.date(zone))));
                format!("({readable} and +{column} < {bound} collate binary)")
            }
            Self::Naive(zone) => {
                let bound = query.bind(Sql::Text(naive_text(cutoff.naive(zone))));
                format!("({readable} and replace({column}, 'T', ' ') < {bound})")
            }
            Self::Instant => {
                let nanos = cutoff.0.as_nanosecond();
                let second = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MIN);
                let second = query.bind(Sql::Integer(second));
                let fraction = query.bind(Sql::Text(fraction_text(nanos.rem_euclid(1_000_000_000))));
                format!("({readable} and ({}, {}) < ({second}, {fraction}))", epoch(column), fraction_of(column))
            }
            Self::Unix(per_second) => {
                let ceiling = query.bind(Sql::Integer(ceiling(cutoff.0, *per_second)));
                let floor = query.bind(Sql::Integer(floor(cutoff.0, *per_second)));
                // A fraction next to the cutoff is kept until the next whole number.
                format!(
                    "({readable} and +{column} < case typeof({column}) when 'integer' then {ceiling} else {floor} end)"
                )
            }
        }
    }

    /// Whether the value is of this form at all: 0 or 1, never NULL.
    pub(super) fn readable(&self, column: &str) -> String {
        // The date functions read much more than these forms; what they print is canonical, so a text equal to what
        // they print is. octet_length sees what lies behind a NUL.
        let text = format!("typeof({column}) = 'text' and octet_length({column}) = length({column})");
        let seconds = format!("datetime(substr({column}, 1, 19)) = replace(substr({column}, 1, 19), 'T', ' ')");
        let test = match self {
            Self::Date(_) => format!("{text} and length({column}) = 10 and date({column}) = {column} collate binary"),
            Self::Naive(_) => {
                format!("{text} and {seconds} and {}", digits(&format!("substr({column}, 20)")))
            }
            Self::Instant => {
                format!("{text} and {seconds} and {} is not null and {}", epoch(column), digits(&fraction_of(column)))
            }
            Self::Unix(per_second) => format!(
                "typeof({column}) in ('integer', 'real') and +{column} between {} and {}",
                SECONDS.0 * per_second,
                SECONDS.1 * per_second
            ),
        };
        format!("ifnull({test}, 0)")
    }

    /// An expression whose smallest value is the earliest moment.
    pub(super) fn moment(&self, column: &str) -> String {
        match self {
            Self::Date(_) => column.to_owned(),
            Self::Naive(_) => format!("replace({column}, 'T', ' ')"),
            Self::Instant => epoch(column),
            Self::Unix(_) => format!("cast({column} as integer)"),
        }
    }

    /// Reads what [`Form::moment`] computed; absent where it lies outside of time.
    pub(crate) fn read(&self, value: ValueRef<'_>) -> Option<Timestamp> {
        match self {
            // A date counts until its last moment.
            Self::Date(zone) => {
                let day: Date = value.as_str().ok()?.parse().ok()?;
                Some(day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp())
            }
            Self::Naive(zone) => {
                let local: DateTime = value.as_str().ok()?.parse().ok()?;
                Some(zone.to_ambiguous_zoned(local).later().ok()?.timestamp())
            }
            Self::Instant => Timestamp::from_second(value.as_i64().ok()?).ok(),
            Self::Unix(1) => Timestamp::from_second(value.as_i64().ok()?).ok(),
            Self::Unix(_) => Timestamp::from_millisecond(value.as_i64().ok()?).ok(),
        }
    }
}

/// `Z` or the offset behind a text; NULL where there is none.
fn offset_of(column: &str) -> String {
    format!(
        "case when {column} glob '*Z' then 'Z' \
         when {column} glob '*[+-][0-9][0-9]:[0-9][0-9]' then substr({column}, -6) end"
    )
}

/// Whole seconds since the epoch of a text with an offset.
fn epoch(column: &str) -> String {
    format!("unixepoch(substr({column}, 1, 19) || {})", offset_of(column))
}

/// What stands between the seconds and the offset.
fn fraction_of(column: &str) -> String {
    format!("substr({column}, 20, length({column}) - 19 - length({}))", offset_of(column))
}

/// Whether a text is empty, or a point and digits.
fn digits(text: &str) -> String {
    format!("({text} = '' or ({text} glob '.[0-9]*' and substr({text}, 2) not glob '*[^0-9]*'))")
}

/// Years below 0 do not occur: no period reaches there.
fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year().max(0), date.month(), date.day())
}

fn naive_text(local: DateTime) -> String {
    let time = local.time();
    format!(
        "{} {:02}:{:02}:{:02}{}",
        date_text(local.date()),
        time.hour(),
        time.minute(),
        time.second(),
        fraction_text(i128::from(time.subsec_nanosecond()))
    )
}

/// `.f` without zeros at its end; nothing for a whole second.
fn fraction_text(nanos: i128) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{nanos:09}").trim_end_matches('0').to_owned()
}

fn floor(cutoff: Timestamp, per_second: i64) -> i64 {
    let unit = i128::from(1_000_000_000 / per_second);
    i64::try_from(cutoff.as_nanosecond().div_euclid(unit)).unwrap_or(i64::MIN)
}

fn ceiling(cutoff: Timestamp, per_second: i64) -> i64 {
    let unit = i128::from(1_000_000_000 / per_second);
    floor(cutoff, per_second) + i64::from(cutoff.as_nanosecond().rem_euclid(unit) != 0)
}
