//! Periods in calendar arithmetic: six months are six months, never 180 days.

use std::{fmt, time::Duration};

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, ToSpan as _, Zoned};
use thiserror::Error;

/// How long rows are kept. Written `30d`, `6mo`, `2y` or in ISO 8601 (`P30D`); years, months, weeks, days and whole
/// hours, minutes and seconds; positive.
#[derive(Clone, Debug)]
pub struct Period(Span);

/// Months, days, seconds: what the calendar does not convert into each other.
struct Parts([i64; 3]);

const SECONDS_A_DAY: i64 = 86_400;

/// Days of a year and of a month, at the least and at the most.
const LEAST_DAYS: (i64, i64) = (365, 28);
const MOST_DAYS: (i64, i64) = (366, 31);

/// Why a text is no period.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeriodError {
    /// It cannot be read.
    #[error("cannot be read as a period; write for example 30d, 6mo, 2y or P30D")]
    Syntax,
    /// It has no unit.
    #[error("has no unit; write for example 30d (days), 6mo (months) or 2y (years)")]
    Unit,
    /// It is zero or negative.
    #[error("is not longer than zero; write for example 30d")]
    NotPositive,
    /// It has parts smaller than a second.
    #[error("has parts smaller than a second; write whole seconds")]
    TooFine,
}

// === impl Period ===

impl Period {
    /// Reads a period.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PeriodError::Unit);
        }
        let span: Span = text.parse().map_err(|_| PeriodError::Syntax)?;
        if !span.is_positive() {
            return Err(PeriodError::NotPositive);
        }
        if span.get_milliseconds() != 0 || span.get_microseconds() != 0 || span.get_nanoseconds() != 0 {
            return Err(PeriodError::TooFine);
        }
        Ok(Self(span))
    }

    /// This many hours.
    pub fn hours(hours: u16) -> Self {
        Self(i64::from(hours).hours())
    }

    /// When it is over if it begins at `start`; nothing beyond the calendar's end.
    pub fn after(&self, start: Timestamp) -> Option<Timestamp> {
        start.to_zoned(TimeZone::UTC).checked_add(self.0).ok().map(|end| end.timestamp())
    }

    /// Whether it is certainly at least as long as `other`, wherever in the calendar both begin: part by part, or by the
    /// least and the most days that months can have. False where neither tells.
    pub fn covers(&self, other: &Self) -> bool {
        let (own, others) = (self.parts(), other.parts());
        if own.0.iter().zip(&others.0).all(|(own, other)| own >= other) {
            return true;
        }
        // Changes of the clocks move a day's length by less than a day in all.
        own.seconds(LEAST_DAYS) - SECONDS_A_DAY >= others.seconds(MOST_DAYS)
    }

    /// The period as people write it: `36d`, `6mo`, `2y`.
    pub fn short(&self) -> String {
        format!("{:#}", self.0)
    }

    fn parts(&self) -> Parts {
        let span = &self.0;
        let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let seconds = i64::from(span.get_hours()) * 3_600 + span.get_minutes() * 60 + span.get_seconds();
        Parts([months, days, seconds])
    }

    /// The period as a length of time, days being 24 hours; nothing for months and years, which have none.
    pub fn as_duration(&self) -> Option<Duration> {
        if self.0.get_months() != 0 || self.0.get_years() != 0 {
            return None;
        }
        let duration = self.0.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()
    }

    /// When the period that begins at `since` is over, in the calendar of `zone`; absent beyond the calendar.
    pub fn end(&self, since: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        Some(since.to_zoned(zone.clone()).checked_add(self.0).ok()?.timestamp())
    }

    /// An instant before which every period is over at `now`, in the calendar of `zone`; as late as is known to be right.
    ///
    /// A row of 28 February with a period of a month would be over on 28 March, and going back from 31 March gives
    /// 28 February too. But a row of 31 January plus a month is clamped forward to 28 February, so going back and
    /// forward can differ; the earlier cutoff wins. It can lie three days before the latest that would do.
    pub fn cutoff(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let back = now.to_zoned(zone.clone()).checked_sub(self.0).ok()?;
        // Going back and forward again can miss by the three days that months differ, either way; clocks do the rest.
        for days in (-6..=3).rev() {
            let cutoff = self.before_all(&back.checked_add(days.days()).ok()?)?;
            if self.end(cutoff, zone)? <= now {
                return Some(cutoff);
            }
        }
        None
    }

    /// The cutoff, or a little earlier where a moment before it would be over later than the cutoff itself: in the hour
    /// that clocks showed twice, behind time that they skipped, and on days that the month in which the period ends lacks.
    fn before_all(&self, cutoff: &Zoned) -> Option<Timestamp> {
        let months = Span::new().years(self.0.get_years()).months(self.0.get_months());
        let calendar = months.weeks(self.0.get_weeks()).days(self.0.get_days());
        if calendar.is_zero() {
            return Some(cutoff.timestamp());
        }
        let zone = cutoff.time_zone();
        let mut local = cutoff.datetime();
        // Once for the time that was skipped, once for the day that this may have led to.
        for _ in 0..2 {
            let day = local.checked_add(months).ok()?.day();
            if day < local.day() {
                local = local.with().day(day).build().ok()?;
            }
            local = local.checked_sub(skipped_before(local.checked_add(calendar).ok()?, zone)?).ok()?;
        }
        // Of an hour that clocks showed twice the first.
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    }
}

/// How far clocks were set forward right before they showed this time: as far as that, times that end in between end
/// later. Zero where they were not.
fn skipped_before(local: DateTime, zone: &TimeZone) -> Option<SignedDuration> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let at = ambiguous.compatible().ok()?;
    let change = zone.preceding(at.checked_add(1.nanosecond()).ok()?).next();
    let (AmbiguousOffset::Unambiguous { .. }, Some(change)) = (ambiguous.offset(), change) else {
        return Some(SignedDuration::ZERO);
    };
    let before = zone.to_offset(change.timestamp().checked_sub(1.nanosecond()).ok()?);
    let skipped = change.offset().duration_since(before);
    Some(if at.duration_since(change.timestamp()) < skipped { skipped } else { SignedDuration::ZERO })
}

impl fmt::Display for Period {
    /// The canonical ISO 8601 form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// === impl Parts ===

impl Parts {
    /// Its length where a year and a month have so many days.
    fn seconds(&self, (year, month): (i64, i64)) -> i64 {
        let [months, days, seconds] = self.0;
        ((months / 12) * year + (months % 12) * month + days) * SECONDS_A_DAY + seconds
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Period {}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::{Period, PeriodError};

    #[test]
    fn texts_read_or_say_why() {
        for (text, iso) in [("30d", "P30D"), ("P30D", "P30D"), ("6mo", "P6M"), ("2y", "P2Y"), ("1y 6mo", "P1Y6M")] {
            assert_eq!(Period::parse(text).unwrap().to_string(), iso, "{text}");
        }
        for (text, error) in [
            ("30", PeriodError::Unit),
            ("-3d", PeriodError::NotPositive),
            ("0d", PeriodError::NotPositive),
            ("soon", PeriodError::Syntax),
            ("", PeriodError::Syntax),
            ("5ms", PeriodError::TooFine),
        ] {
            assert_eq!(Period::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn a_period_covers_another_only_where_that_is_certain() {
        for (long, short, covers) in [
            ("36d", "36d", true),
            ("365d", "36d", true),
            ("36d", "365d", false),
            ("5w", "35d", true),
            ("1y", "12mo", true),
            ("12mo", "1y", true),
            ("1y", "365d", false),
            ("367d", "1y", true),
            ("366d", "1y", false),
            ("1y", "363d", true),
            ("6mo", "184d", false),
            ("187d", "6mo", true),
            ("2mo", "1mo 5d", true),
            ("2mo", "1mo 25d", false),
            ("1mo 5d", "1mo 4d", true),
            ("24h", "1d", false),
            ("72h", "1d", true),
            ("10y", "120mo", true),
        ] {
            let (long_, short_) = (Period::parse(long).unwrap(), Period::parse(short).unwrap());
            assert_eq!(long_.covers(&short_), covers, "{long} {short}");
        }
        assert_eq!(Period::parse("P1Y6M").unwrap().short(), "1y 6mo");
    }

    #[test]
    fn a_cutoff_is_never_early() {
        for (now, period, cutoff) in [
            ("2026-03-31T12:00:00Z", "1mo", "2026-02-28T12:00:00Z"),
            ("2026-03-30T12:00:00Z", "1mo", "2026-02-28T12:00:00Z"),
            ("2025-02-28T12:00:00Z", "1y", "2024-02-28T12:00:00Z"),
            ("2026-05-01T00:00:00Z", "30d", "2026-04-01T00:00:00Z"),
        ] {
            let now: Timestamp = now.parse().unwrap();
            let period = Period::parse(period).unwrap();
            assert_eq!(period.cutoff(now, &TimeZone::UTC).unwrap().to_string(), cutoff);
        }
    }
}
