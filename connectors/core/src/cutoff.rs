//! The cutoff, in the shapes that columns come in.
//!
//! Nobody may be purged early: where a column says less than an instant does, the later reading counts.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The frozen instant of a run. A row is due when its `since` is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoff(pub Timestamp);

// === impl Cutoff ===

impl Cutoff {
    /// The first local time in `zone` that is *not* due. A column value of a naive type is due when it is before this.
    ///
    /// A local time that happened twice (the hour that summer time gives back) counts as the later of the two: while
    /// the cutoff lies in the first pass, none of that hour is due.
    pub fn naive(self, zone: &TimeZone) -> DateTime {
        let local = zone.to_datetime(self.0);
        match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, after } if zone.to_offset(self.0) == before => {
                // The second pass of the fold starts where the clock was set back: at the first local time that the
                // later offset shows.
                match zone.following(self.0).next() {
                    Some(transition) => after.to_datetime(transition.timestamp()),
                    None => local,
                }
            }
            _ => local,
        }
    }

    /// The first date in `zone` that is *not* due. A date counts until its last moment.
    ///
    /// Where clocks are set back over midnight, the day before comes once more, and is not over until then.
    pub fn date(self, zone: &TimeZone) -> Date {
        self.naive(zone).date()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};
    use jiff::tz::TimeZone;

    use super::Cutoff;

    #[test]
    fn a_folded_hour_counts_as_its_later_pass() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        // 2026-10-25: 03:00 summer time becomes 02:00 winter time at 01:00 UTC.
        let cases = [
            ("2026-10-24T23:59:00Z", datetime(2026, 10, 25, 1, 59, 0, 0)),
            ("2026-10-25T00:30:00Z", datetime(2026, 10, 25, 2, 0, 0, 0)),
            ("2026-10-25T01:30:00Z", datetime(2026, 10, 25, 2, 30, 0, 0)),
            ("2026-10-25T02:30:00Z", datetime(2026, 10, 25, 3, 30, 0, 0)),
        ];
        for (instant, first_kept) in cases {
            assert_eq!(Cutoff(instant.parse().unwrap()).naive(&zone), first_kept, "{instant}");
        }
    }

    #[test]
    fn a_date_is_due_only_when_its_last_moment_passed() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        // 23:30 UTC is already the next day in Stockholm: the day before is over there.
        assert_eq!(Cutoff("2026-01-09T23:30:00Z".parse().unwrap()).date(&zone), date(2026, 1, 10));
        assert_eq!(Cutoff("2026-01-09T22:30:00Z".parse().unwrap()).date(&zone), date(2026, 1, 9));
    }

    #[test]
    fn a_date_that_comes_back_is_not_due_before_it_is_over_for_good() {
        // 2010-11-07 in St John's: 00:01 became 23:01 of the day before, at 02:31 UTC.
        let zone = TimeZone::get("America/St_Johns").unwrap();
        for (instant, first_kept) in [
            ("2010-11-07T02:29:59Z", date(2010, 11, 6)),
            ("2010-11-07T02:30:30Z", date(2010, 11, 6)),
            ("2010-11-07T03:29:59Z", date(2010, 11, 6)),
            ("2010-11-07T03:30:00Z", date(2010, 11, 7)),
        ] {
            assert_eq!(Cutoff(instant.parse().unwrap()).date(&zone), first_kept, "{instant}");
        }
    }
}
