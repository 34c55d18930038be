//! Moments, as columns write them.

use forgetd_connector::{SinceColumn, SinceForm};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::number::Number;
use crate::Cell;

const SECOND: i128 = 1_000_000_000;
const MILLISECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// The Julian day number of the epoch, in nanoseconds.
const JULIAN_EPOCH: i128 = 210_866_760_000 * SECOND;

/// What a column says about time.
#[derive(Clone, Debug)]
pub(super) enum Moment {
    /// NULL.
    Missing,
    /// Nothing that the column's form can mean.
    Unreadable,
    /// This instant.
    Instant(Timestamp),
    /// This local time.
    Naive(DateTime, TimeZone),
    /// One of these two, and so much more before it is over.
    Within(Box<Moment>, SignedDuration),
    /// A date with zeros, `YYYY-MM-DD`.
    Zero(String, TimeZone),
    /// This day, until its last moment.
    Date(Date, TimeZone),
    /// A number of these many nanoseconds, from that many nanoseconds before the epoch.
    Counted(Number, i128, i128),
}

/// Whether a text can be read as time in this form.
pub fn is_time(text: &str, form: SinceForm) -> bool {
    let since = SinceColumn { column: String::new(), zone: None, form: Some(form) };
    !matches!(read(&Cell::Text(text.into()), &since), Moment::Unreadable)
}

/// Reads a cell the way the rule says.
pub(super) fn read(cell: &Cell, since: &SinceColumn) -> Moment {
    let zone = || since.zone.clone().unwrap_or(TimeZone::UTC);
    let counted = |number: Number| match since.form {
        Some(SinceForm::UnixS) => Moment::Counted(number, SECOND, 0),
        Some(SinceForm::UnixMs) => Moment::Counted(number, MILLISECOND, 0),
        Some(SinceForm::Julian) => Moment::Counted(number, DAY, JULIAN_EPOCH),
        _ => Moment::Unreadable,
    };
    let written = |text: &str| match since.form {
        Some(SinceForm::Timestamp) => naive(text).map(|local| Moment::Naive(local, zone())),
        Some(SinceForm::Date) => date(text).map(|date| Moment::Date(date, zone())),
        Some(SinceForm::Iso8601) => instant(text).map(Moment::Instant),
        _ => None,
    };
    match cell {
        Cell::Null | Cell::Missing => Moment::Missing,
        Cell::Zero(date) => Moment::Zero(date.clone(), zone()),
        Cell::Instant(instant) => Moment::Instant(*instant),
        Cell::Naive(local) => Moment::Naive(*local, zone()),
        Cell::Date(date) => Moment::Date(*date, zone()),
        Cell::Int(value) => counted(Number::Int((*value).into())),
        Cell::Real(value) => counted(Number::Real(*value)),
        Cell::Text(text) => written(text).unwrap_or(Moment::Unreadable),
        Cell::Unsigned(value) => counted(Number::Int((*value).into())),
        Cell::Bool(_) | Cell::Json(_) => Moment::Unreadable,
    }
}

// === impl Moment ===

impl Moment {
    /// Whether there is none. A date with zeros is none where it is sorted before the cutoff; behind it, it keeps its row.
    pub(super) fn is_missing(&self, cutoff: Timestamp) -> bool {
        match self {
            Self::Missing => true,
            // No real date is written like it.
            Self::Zero(date, zone) => *date < zone.to_datetime(cutoff).date().to_string(),
            _ => false,
        }
    }

    /// The same in a column that keeps so many digits of a second: it is over when the last of them is.
    pub(super) fn until_the_end(self, digits: u8) -> Self {
        match self {
            Self::Instant(_) | Self::Naive(..) => {
                let last = SignedDuration::from_nanos(10_i64.pow(9 - u32::from(digits)));
                Self::Within(Box::new(self), last)
            }
            other => other,
        }
    }

    /// Whether every instant that it can mean lies before the cutoff.
    pub(super) fn is_before(&self, cutoff: Timestamp) -> bool {
        match self {
            Self::Missing | Self::Unreadable | Self::Zero(..) => false,
            Self::Instant(instant) => *instant < cutoff,
            Self::Naive(local, zone) => match last_reading(*local, zone) {
                Some(instant) => instant < cutoff,
                // No clock of the zone ever showed it: it is over once one shows a later time.
                None => *local < zone.to_datetime(cutoff),
            },
            Self::Within(moment, last) => match moment.as_ref() {
                Self::Instant(instant) => *instant + *last <= cutoff,
                Self::Naive(local, zone) => match last_reading(*local, zone) {
                    Some(instant) => instant + *last <= cutoff,
                    None => *local + *last <= zone.to_datetime(cutoff),
                },
                _ => false,
            },
            Self::Date(date, zone) => day_is_over(*date, zone) <= cutoff,
            Self::Counted(number, unit, origin) => number.times_is_before(*unit, cutoff.as_nanosecond() + origin),
        }
    }
}

/// No zone is further than this from UTC.
const HOURS_MAX: i64 = 26;

/// The last instant at which a clock of the zone shows this local time.
fn last_reading(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    readings(local, zone).into_iter().filter(|instant| zone.to_datetime(*instant) == local).max()
}

/// Every instant at which a clock would show this local time if it had one of the offsets that the zone has around it.
fn readings(local: DateTime, zone: &TimeZone) -> Vec<Timestamp> {
    let as_utc = TimeZone::UTC.to_timestamp(local).expect("a time of this age of the world");
    // Two changes of one zone never lie within so few hours.
    let around = (-HOURS_MAX..=HOURS_MAX).step_by(4).map(|hours| zone.to_offset(as_utc + hours.hours()));
    let mut readings: Vec<Timestamp> =
        around.map(|offset| offset.to_timestamp(local).expect("a time of this age of the world")).collect();
    readings.sort_unstable();
    readings.dedup();
    readings
}

/// The first instant from which on every clock of the zone shows a later date.
fn day_is_over(date: Date, zone: &TimeZone) -> Timestamp {
    let midnight = date.tomorrow().expect("a date of this age of the world").at(0, 0, 0, 0);
    // A date changes where a clock shows midnight, or where it is set.
    let mut turns = readings(midnight, zone);
    let (first, last) = (turns[0] - HOURS_MAX.hours(), turns[turns.len() - 1] + 2 * HOURS_MAX.hours());
    turns.extend(zone.following(first).map(|transition| transition.timestamp()).take_while(|turn| *turn < last));
    turns.sort_unstable();
    let is_later = |turn: &Timestamp| zone.to_datetime(*turn).date() > date;
    let end = turns.iter().rposition(|turn| !is_later(turn)).map_or(0, |before| before + 1);
    turns[end]
}

// === Texts ===

/// `YYYY-MM-DD HH:MM:SS[.f]`, or with `T`.
fn naive(text: &str) -> Option<DateTime> {
    let (day, rest) = text.split_at_checked(10)?;
    let time = rest.strip_prefix([' ', 'T'])?;
    let (clock, fraction) = time.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let nanosecond = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        // Nothing between two nanoseconds lies before the earlier one.
        Some(digits) if !digits.is_empty() && is_digits(digits) => format!("{digits:0<9}")[..9].parse().ok()?,
        _ => return None,
    };
    let time =
        jiff::civil::Time::new(hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?, nanosecond);
    Some(date(day)?.to_datetime(time.ok()?))
}

/// `YYYY-MM-DD`.
fn date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// A local time with `Z` or `+HH:MM` behind it.
fn instant(text: &str) -> Option<Timestamp> {
    if let Some(local) = text.strip_suffix('Z') {
        return TimeZone::UTC.to_timestamp(naive(local)?).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let [hours, minutes] = numbers(offset, ':', [2, 2])?;
    let seconds = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
    let seconds = match sign {
        "+" => seconds,
        "-" => -seconds,
        _ => return None,
    };
    let sane = hours < 24 && minutes < 60;
    sane.then_some(())?;
    jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(naive(local)?).ok()
}

/// Numbers of just these many digits each.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i16; N]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let fit = parts.len() == N && parts.iter().zip(digits).all(|(part, n)| part.len() == n && is_digits(part));
    fit.then_some(())?;
    let numbers: Vec<i16> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
