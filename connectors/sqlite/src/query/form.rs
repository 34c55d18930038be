//! Time in columns that can hold anything.
//!
//! SQLite has no type for time, and a column declared DATETIME takes every value. So each form has three parts: bounds
//! on the raw column that every due value lies between (an index serves them), a test that a value is of the form at
//! all, and the exact comparison. What is not of the form is never due. Texts are compared as texts once their shape is
//! known: `12:00:00.5` before `12:00:00.51` before `12:00:01` is the order of their code points, to any number of
//! digits, and `12:00:00.50` counts as behind `12:00:00.5`, so nothing goes early. Numbers with a fraction are compared with
//! the next double behind the cutoff, which none lies before that does not lie before the cutoff; an integer is over when
//! the second, millisecond or day that it names is.

use forgetd_connector::{Cause, ColumnKind, SinceColumn, SinceForm, Until};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rusqlite::types::Value as Sql;

use super::Query;
use super::exact::double_from_above;

/// Seconds of 0000-01-01T00:00:00Z and of the end of 9999-12-31. Numbers outside are no time.
const SECONDS: (i128, i128) = (-62_167_219_200, 253_402_300_800);

const SECOND: i128 = 1_000_000_000;

/// How a column writes time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// Text `YYYY-MM-DD`.
    Date(TimeZone),
    /// Text `YYYY-MM-DD HH:MM:SS[.f]`, or with `T`.
    Naive(TimeZone),
    /// The same with `Z` or `+HH:MM` behind it.
    Instant,
    /// A number.
    Number(Scale),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Nanoseconds of one.
    pub(super) unit: i128,
    /// The epoch's number, in nanoseconds.
    pub(super) epoch: i128,
}

// === impl Scale ===

impl Scale {
    const SECONDS: Self = Self { unit: SECOND, epoch: 0 };
    const MILLISECONDS: Self = Self { unit: SECOND / 1_000, epoch: 0 };
    const DAYS: Self = Self { unit: 86_400 * SECOND, epoch: 210_866_760_000 * SECOND };

    /// The smallest number that does not lie before this moment.
    fn least(self, nanos: i128) -> f64 {
        double_from_above(nanos + self.epoch, self.unit)
    }

    /// The first integer whose whole unit is not over at this moment.
    fn first_not_over(self, nanos: i128) -> i64 {
        i64::try_from((nanos + self.epoch).div_euclid(self.unit)).unwrap_or(i64::MIN)
    }
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
            SinceForm::UnixS => Self::Number(Scale::SECONDS),
            SinceForm::UnixMs => Self::Number(Scale::MILLISECONDS),
            SinceForm::Julian => Self::Number(Scale::DAYS),
            SinceForm::ObjectId => return Err(Cause::ColumnType),
        })
    }

    /// Bounds on the raw column, with and without: every value that is over lies between them.
    pub(super) fn bounds(&self, until: Until) -> (Sql, Sql) {
        // In the order of code points ' ' and 'T' both come before 'U'.
        let day = |date: Date| Sql::Text(format!("{}U", date_text(date)));
        let first_digit = Sql::Text("0".into());
        match self {
            Self::Date(zone) => (first_digit, Sql::Text(date_text(until.date(zone)))),
            Self::Naive(zone) => (first_digit, day(until.naive(zone).date())),
            // An offset can put the local date a day ahead of UTC's.
            Self::Instant => {
                let date = until.date(&TimeZone::UTC);
                (first_digit, day(date.tomorrow().unwrap_or(date)))
            }
            Self::Number(scale) => {
                let low = scale.least(SECONDS.0 * SECOND);
                (Sql::Real(low), Sql::Real(scale.least(until.instant().as_nanosecond())))
            }
        }
    }

    /// A bound on the raw column: no value of this form that lies behind `now` is below it.
    pub(super) fn beyond(&self, now: Timestamp) -> Sql {
        match self {
            Self::Date(zone) | Self::Naive(zone) => Sql::Text(date_text(zone.to_datetime(now).date())),
            // An offset can put the local date a day behind UTC's.
            Self::Instant => {
                let date = TimeZone::UTC.to_datetime(now).date();
                Sql::Text(date_text(date.yesterday().unwrap_or(date)))
            }
            Self::Number(scale) => Sql::Real(scale.least(now.as_nanosecond())),
        }
    }

    /// A bound on the raw column: every value of this form that is not over lies at it or behind it.
    pub(super) fn floor(&self, until: Until) -> Sql {
        match self {
            Self::Date(zone) => Sql::Text(date_text(until.date(zone))),
            Self::Naive(zone) => Sql::Text(date_text(until.naive(zone).date())),
            Self::Instant => self.beyond(until.instant()),
            Self::Number(scale) => Sql::Integer(scale.first_not_over(until.instant().as_nanosecond())),
        }
    }

    /// Whether one value lies before another of this form: 0 or 1.
    pub(super) fn before(&self, one: &str, other: &str) -> String {
        let (one_key, other_key) = match self {
            Self::Date(_) | Self::Number(_) => (format!("+{one}"), format!("+{other} collate binary")),
            Self::Naive(_) => (format!("replace({one}, 'T', ' ')"), format!("replace({other}, 'T', ' ')")),
            Self::Instant => {
                let key = |column: &str| format!("({}, {})", epoch(column), fraction_of(column));
                (key(one), key(other))
            }
        };
        format!("({} and {} and {one_key} < {other_key})", self.readable(one), self.readable(other))
    }

    /// Whether the value is over, exactly: 0 or 1 for what is not NULL, and never 1 for NULL. No index can serve any part
    /// of it.
    pub(super) fn over(&self, column: &str, until: Until, query: &mut Query) -> String {
        let readable = self.readable(column);
        match self {
            Self::Date(zone) => {
                let bound = query.bind(Sql::Text(date_text(until.date(zone))));
                format!("({readable} and +{column} < {bound} collate binary)")
            }
            Self::Naive(zone) => {
                let bound = query.bind(Sql::Text(naive_text(until.naive(zone))));
                format!("({readable} and replace({column}, 'T', ' ') < {bound})")
            }
            Self::Instant => {
                let nanos = until.instant().as_nanosecond();
                let second = i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(i64::MIN);
                let second = query.bind(Sql::Integer(second));
                let fraction = query.bind(Sql::Text(fraction_text(nanos.rem_euclid(SECOND))));
                format!("({readable} and ({}, {}) < ({second}, {fraction}))", epoch(column), fraction_of(column))
            }
            Self::Number(scale) => {
                let bound = query.bind(Sql::Real(scale.least(until.instant().as_nanosecond())));
                // An integer names all of its second or day, which is over when the next one begins.
                let bound = match until {
                    Until::Cutoff(cutoff) => {
                        let first = query.bind(Sql::Integer(scale.first_not_over(cutoff.0.as_nanosecond())));
                        format!("case typeof({column}) when 'integer' then {first} else {bound} end")
                    }
                    Until::Now(_) => bound,
                };
                format!("({readable} and +{column} < {bound})")
            }
        }
    }

    /// Whether the value is of this form at all: 0 or 1, never NULL.
    pub(super) fn readable(&self, column: &str) -> String {
        // The date functions read much more than these forms; what they print is canonical, so a text equal to what
        // they print is. octet_length sees what lies behind a NUL, and counts two for a digit in UTF-16.
        let text =
            format!("typeof({column}) = 'text' and octet_length({column}) = length({column}) * octet_length('0')");
        let seconds = format!("datetime(substr({column}, 1, 19)) = replace(substr({column}, 1, 19), 'T', ' ')");
        let test = match self {
            Self::Date(_) => format!("{text} and length({column}) = 10 and date({column}) = {column} collate binary"),
            Self::Naive(_) => {
                format!("{text} and {seconds} and {}", digits(&format!("substr({column}, 20)")))
            }
            Self::Instant => {
                format!("{text} and {seconds} and {} is not null and {}", epoch(column), digits(&fraction_of(column)))
            }
            Self::Number(scale) => {
                let [low, high] = [SECONDS.0, SECONDS.1].map(|second| scale.least(second * SECOND));
                format!("typeof({column}) in ('integer', 'real') and +{column} >= {low:?} and +{column} < {high:?}")
            }
        };
        format!("ifnull({test}, 0)")
    }

    /// What values of this form are ordered by, earlier ones first.
    pub(super) fn order(&self, column: &str) -> Vec<String> {
        match self {
            Self::Date(_) | Self::Number(_) => vec![column.to_owned()],
            Self::Naive(_) => vec![format!("replace({column}, 'T', ' ')")],
            Self::Instant => vec![epoch(column), fraction_of(column)],
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
