//! What moments are compared with.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::Cutoff;

/// What moments are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Over is what lies before the cutoff, a date with its last moment.
    Cutoff(Cutoff),
    /// Over is what this moment or an earlier one can write: a date of today too.
    Now(Timestamp),
}

// === impl Until ===

impl Until {
    /// The first date in `zone` that is not over.
    pub fn date(self, zone: &TimeZone) -> Date {
        match self {
            Self::Cutoff(cutoff) => cutoff.date(zone),
            Self::Now(now) => {
                let today = zone.to_datetime(now).date();
                today.tomorrow().unwrap_or(today)
            }
        }
    }

    /// The first local time in `zone` that is not over.
    pub fn naive(self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Cutoff(cutoff) => cutoff.naive(zone),
            Self::Now(_) => zone.to_datetime(self.instant()),
        }
    }

    /// The first instant that is not over.
    pub fn instant(self) -> Timestamp {
        match self {
            Self::Cutoff(cutoff) => cutoff.0,
            Self::Now(now) => now.checked_add(1.nanosecond()).unwrap_or(now),
        }
    }

    /// The first whole unit that is not over, of units of so many nanoseconds from so many before the epoch.
    pub fn unit(self, nanos: i128, origin: i128) -> i64 {
        let at = self.instant().as_nanosecond() + origin;
        let first = match self {
            Self::Cutoff(_) => at.div_euclid(nanos),
            // A unit that has begun.
            Self::Now(_) => at.div_euclid(nanos) + 1,
        };
        i64::try_from(first).unwrap_or(if first < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::Until;
    use crate::Cutoff;

    #[test]
    fn what_is_written_now_is_over_now_and_not_by_the_cutoff() {
        let moment = "2026-01-10T12:00:00Z".parse().unwrap();
        let (cutoff, now) = (Until::Cutoff(Cutoff(moment)), Until::Now(moment));
        let utc = TimeZone::UTC;
        assert_eq!((cutoff.date(&utc), now.date(&utc)), (date(2026, 1, 10), date(2026, 1, 11)));
        assert_eq!((cutoff.instant(), now.instant().as_nanosecond()), (moment, moment.as_nanosecond() + 1));
        assert_eq!(cutoff.naive(&utc), utc.to_datetime(moment));
        assert!(now.naive(&utc) > utc.to_datetime(moment));
        // Seconds, of which one begins at that very moment.
        let second = 1_000_000_000;
        assert_eq!((cutoff.unit(second, 0), now.unit(second, 0)), (moment.as_second(), moment.as_second() + 1));
        assert_eq!(cutoff.unit(second, 5 * second), moment.as_second() + 5);
    }
}
