//! The moments of rows, read as instants: for people, and for the metric of the oldest.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::form::{Form, Scale};
use super::period::{Activity, Counted, Written};

/// Which expressions a statement selects so that a row's moment can be read, and how they are read.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    expressions: Vec<String>,
    forms: Vec<Form>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One column, or another where it is NULL.
    Column,
    /// The latest of several columns.
    Greatest,
    /// Activity elsewhere, or a column where there is none.
    Latest,
}

/// The moment that a row's period counts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// There is none.
    Missing,
    /// Something that cannot be read as time.
    Unreadable,
    /// This one.
    At {
        /// When it is over: for what says less than an instant, the last one that it can mean.
        at: Timestamp,
        /// `YYYY-MM`, as the column writes it.
        month: String,
    },
}

// === impl Moments ===

impl Moments {
    pub(super) fn new(counted: Counted) -> Self {
        let (kind, written) = match counted {
            Counted::First(columns) => (Kind::Column, columns),
            Counted::Greatest(columns) => (Kind::Greatest, columns),
            Counted::Latest(activity) => (Kind::Latest, latest(*activity)),
        };
        let written: Vec<Written> = written;
        let (expressions, forms) = written.into_iter().map(|written| (written.column, written.form)).unzip();
        Self { expressions, forms, kind }
    }

    /// Whether rows in the order of what is selected are in the order of their moments, or nearly.
    pub(crate) const fn is_ordered(&self) -> bool {
        matches!(self.kind, Kind::Column)
    }

    /// Whether a second column counts where the first is NULL.
    pub(crate) const fn reads_another(&self) -> bool {
        matches!(self.kind, Kind::Column) && self.forms.len() > 1
    }

    /// What a statement selects.
    pub(crate) fn select(&self) -> String {
        self.expressions.join(", ")
    }

    /// How many columns that is.
    pub(crate) const fn width(&self) -> usize {
        self.forms.len()
    }

    /// Reads what was selected, from the column `at` on.
    pub(crate) fn read(&self, row: &Row<'_>, at: usize) -> rusqlite::Result<Moment> {
        let mut latest = Moment::Missing;
        for (n, form) in self.forms.iter().enumerate() {
            match form.moment(row.get_ref(at + n)?) {
                Moment::Missing => {}
                Moment::Unreadable => return Ok(Moment::Unreadable),
                found if self.kind != Kind::Greatest => return Ok(found),
                found => latest = later(latest, found),
            }
        }
        Ok(latest)
    }
}

/// The latest activity as one expression, and what counts without any; one that cannot be read comes before all others.
fn latest(activity: Activity) -> Vec<Written> {
    let Activity { rows, at: Written { name, column, form }, or, .. } = activity;
    let mut order = vec![form.readable(&column)];
    order.extend(form.order(&column).into_iter().map(|order| format!("{order} desc")));
    let column = format!("(select {column}{rows} order by {} limit 1)", order.join(", "));
    [Written { name, column, form }].into_iter().chain(or).collect()
}

fn later(a: Moment, b: Moment) -> Moment {
    match (a.at(), b.at()) {
        (Some(at), Some(other)) if at >= other => a,
        _ => b,
    }
}

/// The earlier of two, where there are two.
pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(std::cmp::min(a, b)),
        (a, b) => a.or(b),
    }
}

// === impl Moment ===

impl Moment {
    /// The instant, where there is one.
    pub(crate) const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::At { at, .. } => Some(*at),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

// === impl Form ===

impl Form {
    /// Reads a value. What [`Form::readable`] takes is read, unless it lies outside of the calendar.
    fn moment(&self, value: ValueRef<'_>) -> Moment {
        if matches!(value, ValueRef::Null) {
            return Moment::Missing;
        }
        let found = match (self, value) {
            (Self::Date(zone), ValueRef::Text(text)) => std::str::from_utf8(text).ok().and_then(|text| {
                // A date counts until its last moment.
                let day = date(text)?;
                Some((day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp(), text.get(..7)?.to_owned()))
            }),
            (Self::Naive(zone), ValueRef::Text(text)) => std::str::from_utf8(text).ok().and_then(|text| {
                let local = naive(text)?;
                Some((zone.to_ambiguous_zoned(local).later().ok()?.timestamp(), text.get(..7)?.to_owned()))
            }),
            (Self::Instant, ValueRef::Text(text)) => {
                std::str::from_utf8(text).ok().and_then(instant).map(|at| (at, month(at)))
            }
            (Self::Number(scale), value) => number(*scale, value).map(|at| (at, month(at))),
            _ => None,
        };
        found.map_or(Moment::Unreadable, |(at, month)| Moment::At { at, month })
    }
}

fn month(at: Timestamp) -> String {
    let date = TimeZone::UTC.to_datetime(at).date();
    format!("{:04}-{:02}", date.year(), date.month())
}

fn number(scale: Scale, value: ValueRef<'_>) -> Option<Timestamp> {
    let Scale { unit, epoch } = scale;
    let nanos = match value {
        ValueRef::Integer(value) => i128::from(value).checked_mul(unit)?,
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "for showing")]
        ValueRef::Real(value) => {
            let whole = value.floor();
            (whole as i128).checked_mul(unit)? + ((value - whole) * unit as f64) as i128
        }
        _ => return None,
    };
    Timestamp::from_nanosecond(nanos - epoch).ok()
}

// === Texts ===

/// `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<Date> {
    let number = |from: usize, to: usize| text.get(from..to).filter(|part| is_digits(part))?.parse::<i16>().ok();
    if text.len() != 10 || text.get(4..5)? != "-" || text.get(7..8)? != "-" {
        return None;
    }
    Date::new(number(0, 4)?, number(5, 7)?.try_into().ok()?, number(8, 10)?.try_into().ok()?).ok()
}

/// `YYYY-MM-DD HH:MM:SS[.f]`, or with `T`.
fn naive(text: &str) -> Option<DateTime> {
    let day = date(text.get(..10)?)?;
    let clock = text.get(10..19)?;
    let number = |at: usize| clock.get(at..at + 2).filter(|part| is_digits(part))?.parse::<i8>().ok();
    let shaped = matches!(clock.get(..1)?, " " | "T") && clock.get(3..4)? == ":" && clock.get(6..7)? == ":";
    let nanosecond = match text.get(19..)? {
        "" => 0,
        fraction => {
            let digits = fraction.strip_prefix('.').filter(|digits| is_digits(digits))?;
            format!("{digits:0<9}").get(..9)?.parse().ok()?
        }
    };
    let time = Time::new(number(1)?, number(4)?, number(7)?, nanosecond).ok()?;
    shaped.then(|| day.to_datetime(time))
}

/// A local time with `Z` or `+HH:MM` behind it.
fn instant(text: &str) -> Option<Timestamp> {
    if let Some(local) = text.strip_suffix('Z') {
        return Offset::UTC.to_timestamp(naive(local)?).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let number = |from: usize, to: usize| offset.get(from..to).filter(|part| is_digits(part))?.parse::<i32>().ok();
    let seconds = number(1, 3)? * 3_600 + number(4, 6)? * 60;
    let seconds = match (offset.get(..1)?, offset.get(3..4)?) {
        ("+", ":") => seconds,
        ("-", ":") => -seconds,
        _ => return None,
    };
    Offset::from_seconds(seconds).ok()?.to_timestamp(naive(local)?).ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
