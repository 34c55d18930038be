//! Quiet windows: hours in which nothing is started in a database, read on the wall clock of a zone.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use thiserror::Error;

use super::ScheduleError;
use super::schedule::weekdays;

/// Windows that follow each other without a gap are looked through up to here: a week and a day.
const REACH: SignedDuration = SignedDuration::from_hours(8 * 24);

/// A window that begins on some day of the week begins on one of so many days.
const REACH_DAYS: usize = 9;

/// One window: from a time to another one, on some days of the week.
#[derive(Clone, PartialEq)]
pub struct QuietWindow {
    from: Time,
    /// Nothing: the day's end.
    to: Option<Time>,
    /// Whether it begins on this day; Sunday first.
    days: [bool; 7],
    zone: TimeZone,
}

/// All windows of one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuietWindows(Vec<QuietWindow>);

/// Why something is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuietError {
    /// A text that is no time of the day.
    #[error("has a time that cannot be read; write hours and minutes, for example \"08:00\", up to \"24:00\"")]
    Time,
    /// The window has no length.
    #[error("begins and ends at the same time; write \"00:00\" to \"24:00\" for a whole day")]
    Empty,
    /// Days that cannot be read.
    #[error("has days that cannot be read; write them as in a schedule, for example mon-fri or sat,sun")]
    Days,
    /// The windows leave no time at all.
    #[error("leave no moment of a week open; shorten them, or use `forgetd pause`")]
    Always,
}

// === impl QuietWindow ===

impl QuietWindow {
    /// A window from one time of the day to another one, which is on the next day where it is not later. `days` are those
    /// on which it begins, as in a schedule.
    pub fn parse(from: &str, to: &str, days: &str, zone: TimeZone) -> Result<Self, QuietError> {
        let (from, to) = (time(from)?.ok_or(QuietError::Time)?, time(to)?);
        if to == Some(from) {
            return Err(QuietError::Empty);
        }
        let named = weekdays(days).map_err(|_: ScheduleError| QuietError::Days)?;
        let mut days = [false; 7];
        for day in named {
            *days.get_mut(usize::from(day)).ok_or(QuietError::Days)? = true;
        }
        Ok(Self { from, to, days, zone })
    }

    /// The end of the window that is open at a moment; nothing where none is.
    fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(at).date();
        let days = [today.yesterday().ok(), Some(today)];
        days.into_iter().flatten().find_map(|day| {
            let (begin, end) = self.on(day)?;
            (begin <= at && at < end).then_some(end)
        })
    }

    /// When the window begins next behind a moment; nothing where it does not within [`REACH`].
    fn begins(&self, after: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(after).date();
        let days = std::iter::successors(Some(today), |day| day.tomorrow().ok()).take(REACH_DAYS);
        days.filter_map(|day| self.on(day)).map(|(begin, _)| begin).find(|begin| *begin > after)
    }

    /// Begin and end of the window that begins on a day. Where clocks are changed it is never shorter than its times say:
    /// of two readings the earlier one begins it, and the later one ends it.
    fn on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let weekday = day.weekday().to_sunday_zero_offset();
        if !*self.days.get(usize::try_from(weekday).ok()?)? {
            return None;
        }
        let last = match self.to {
            Some(to) if to > self.from => day.to_datetime(to),
            Some(to) => day.tomorrow().ok()?.to_datetime(to),
            None => day.tomorrow().ok()?.to_datetime(Time::midnight()),
        };
        let begin = self.zone.to_ambiguous_timestamp(day.to_datetime(self.from)).earlier().ok()?;
        Some((begin, self.zone.to_ambiguous_timestamp(last).later().ok()?))
    }
}

// === impl QuietWindows ===

impl QuietWindows {
    /// These windows. An error: they leave no time in which anything may start.
    pub fn new(windows: Vec<QuietWindow>) -> Result<Self, QuietError> {
        let windows = Self(windows);
        // A Monday in a week in which hardly any clock is changed.
        let monday = Date::constant(2026, 1, 12);
        let monday = TimeZone::UTC.to_timestamp(monday.to_datetime(Time::midnight()));
        let open = monday.ok().is_none_or(|monday| {
            (0..7 * 24 * 60)
                .any(|minute| windows.0.iter().all(|window| window.until(monday + minute.minutes()).is_none()))
        });
        if open { Ok(windows) } else { Err(QuietError::Always) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the quiet that lies over a moment ends, windows that follow each other taken together; nothing where it is
    /// not quiet then.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let mut end = None;
        let mut reached = at;
        while let Some(later) = self.0.iter().filter_map(|window| window.until(reached)).max() {
            (end, reached) = (Some(later), later);
            if later.duration_since(at) > REACH {
                break;
            }
        }
        end
    }

    /// How much of the time between two moments is not quiet; nothing where the second is not later. Counting stops at
    /// `most`, or soon behind it.
    pub fn open_between(&self, from: Timestamp, to: Timestamp, most: SignedDuration) -> SignedDuration {
        let (mut open, mut reached) = (SignedDuration::ZERO, from);
        while reached < to && open < most {
            if let Some(end) = self.until(reached) {
                reached = end;
                continue;
            }
            let begin = self.0.iter().filter_map(|window| window.begins(reached)).min();
            let end = begin.map_or(to, |begin| begin.min(to));
            open += end.duration_since(reached);
            reached = end;
        }
        open
    }
}

impl fmt::Debug for QuietWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.map_or_else(|| "24:00".into(), |to| to.to_string());
        write!(f, "{} to {to} {:?} {}", self.from, self.days, self.zone.iana_name().unwrap_or("UTC"))
    }
}

/// A time of the day; nothing is its end.
fn time(text: &str) -> Result<Option<Time>, QuietError> {
    let (hour, minute) = text.trim().split_once(':').ok_or(QuietError::Time)?;
    let number = |part: &str| match part.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => part.parse::<i8>().map_err(|_| QuietError::Time),
        _ => Err(QuietError::Time),
    };
    match (number(hour)?, number(minute)?) {
        (24, 0) => Ok(None),
        (hour, minute) => Time::new(hour, minute, 0, 0).map(Some).map_err(|_| QuietError::Time),
    }
}

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod tests;
