//! When a schedule fires: days and times by the `cron` crate, instants by the zone.
//!
//! The crate is asked about the wall clock alone: a clock that is never changed, whose readings are counted here in
//! seconds as if it stood in UTC. What a change of the clocks does is decided here.

use chrono::DateTime;
use cron::TimeUnitSpec as _;
use jiff::{SignedDuration, Timestamp, civil::Time, tz::Offset};

use super::Schedule;

/// No zone changes its clocks as often between 1970 and 2100.
const CHANGES_MAX: usize = 1_000;

/// Days with fires that [`Schedule::interval`] looks at: every day of a leap year.
const DAYS_MAX: usize = 366;

impl Schedule {
    /// The first fire strictly after an instant; nothing when the year 2100 ends without one.
    ///
    /// The fields are read on the wall clock of the zone. Where that clock is changed:
    ///
    /// - A schedule that names hours means that many times a day. A time that the clock skips fires in the first
    ///   moment after the gap, even if that is another day, and all times in one gap fire once. A time that the clock
    ///   shows twice fires the first time.
    /// - A schedule of every hour (`0 * * * *`, `*/10 * * * *`) follows the time that passes: what the clock skips is
    ///   left out, and what it shows twice fires twice.
    pub fn after(&self, after: Timestamp) -> Option<Timestamp> {
        let every_hour = self.wall.hours().is_all();
        let mut offset = seconds(self.zone.to_offset(after));
        let mut wall = whole_second(after) + offset;
        if !every_hour && let Some(shown) = self.shown_before(after) {
            wall = wall.max(shown);
        }
        let mut changes = self.zone.following(after);
        for _ in 0..CHANGES_MAX {
            let fire = self.on_the_wall(wall)?;
            let Some(change) = changes.next() else { return instant(fire - offset) };
            let at = change.timestamp().as_second();
            if fire - offset < at {
                return instant(fire - offset);
            }
            // What the clock shows at once after the change.
            let first = at + seconds(change.offset());
            if !every_hour && fire < first {
                return instant(at);
            }
            // The crate is asked for what comes strictly after. A time shown before does not come again.
            wall = if every_hour { first - 1 } else { wall.max(first - 1) };
            offset = seconds(change.offset());
        }
        None
    }

    /// Every fire after an instant, ascending, each strictly later than the one before.
    pub fn fires(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.after(after), |fire| self.after(*fire))
    }

    /// The longest time between two fires that follow each other, over the next 366 days on which it fires; nothing
    /// when fewer than two lie ahead. A change of the clocks counts between days, but not between two times of one day.
    pub fn interval(&self, from: Timestamp) -> Option<SignedDuration> {
        let times = self.times_of_day();
        let pairs = times.windows(2).filter_map(|pair| Some(pair.last()?.duration_since(*pair.first()?)));
        let mut longest = pairs.max();
        let mut fire = self.after(from)?;
        for _ in 0..DAYS_MAX {
            // Within a day the gaps are those of its times; from its last one on the clock is looked at.
            let day = self.zone.to_datetime(fire).date();
            let end = self.zone.to_timestamp(day.to_datetime(*times.last()?)).ok()?;
            let (mut last, mut next) = (fire, self.after(fire));
            if next.is_some_and(|next| next <= end) {
                (last, next) = (end, self.after(end));
            }
            let Some(next) = next else { break };
            longest = longest.max(Some(next.duration_since(last)));
            fire = next;
        }
        longest
    }

    /// The times at which it fires on a day that it fires on, ascending.
    fn times_of_day(&self) -> Vec<Time> {
        let minutes = || self.wall.minutes().iter().filter_map(|minute| i8::try_from(minute).ok());
        let hours = self.wall.hours().iter().filter_map(|hour| i8::try_from(hour).ok());
        hours.flat_map(|hour| minutes().filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())).collect()
    }

    /// The last reading of the wall clock, in seconds, that was shown before the last change of it.
    fn shown_before(&self, now: Timestamp) -> Option<i64> {
        // One that happens right now is behind us too.
        let soon = now.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let change = self.zone.preceding(soon).next()?;
        let last = change.timestamp().checked_sub(SignedDuration::from_secs(1)).ok()?;
        Some(last.as_second() + seconds(self.zone.to_offset(last)))
    }

    /// The first reading after `wall` that the fields fit.
    fn on_the_wall(&self, wall: i64) -> Option<i64> {
        // Years before 1970 are none to the crate.
        let wall = DateTime::from_timestamp(wall.max(-1), 0)?;
        self.wall.after(&wall).next().map(|fire| fire.timestamp())
    }
}

fn seconds(offset: Offset) -> i64 {
    offset.seconds().into()
}

/// The second that an instant lies in.
fn whole_second(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

fn instant(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

#[cfg(test)]
#[path = "fire_tests.rs"]
mod tests;
