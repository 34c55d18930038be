//! Room for other writers of the same file, which SQLite keeps in no queue.

use std::time::{Duration, Instant};

/// How long after another writer's commit a lane still counts on company.
const COMPANY: Duration = Duration::from_millis(500);

/// A lane that knows of no company leaves room once its transactions followed each other closely for so long: somebody who
/// came meanwhile is not seen before a first commit.
const ALONE_MAX: Duration = Duration::from_millis(100);

/// How long whoever finds the file locked sleeps before each further look, by SQLite's own busy handler (`sqliteDefaultBusyCallback`,
/// main.c); then the last of them again and again.
const SLEEPS_MS: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// A sleep lasts longer than it was asked to, and the look behind it takes its time too.
const LATE: Duration = Duration::from_millis(2);

/// What a lane knows of other writers.
#[derive(Default)]
pub(super) struct Company {
    /// What it saw when it last had the lock.
    seen: Option<Seen>,
    /// Whether another connection was opened since, which counts its states anew.
    reopened: bool,
    /// When another writer was last seen to have committed.
    met: Option<Instant>,
    /// Since when the file was ours, but for pauses that nobody was seen to use, and until when.
    busy: Option<(Instant, Instant)>,
}

/// The state of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// SQLite's number for it (`pragma data_version`): another connection's commit changes it, ours does not.
    pub(super) version: i64,
    /// How many control writes of this process there were by then.
    pub(super) written: u64,
}

// === impl Company ===

impl Company {
    /// A transaction of ours had the lock from then to then.
    pub(super) fn held(&mut self, since: Instant, until: Instant) {
        let since = self.busy.map_or(since, |(busy, _)| busy);
        self.busy = Some((since, until));
    }

    /// How long after `now` the lock is still to be left alone, so that whoever asked for it meanwhile finds it free. A shorter
    /// pause is no use to anybody: each of those sleeps is longer than a moment between two transactions.
    ///
    /// Another writer's commit shows that the pause was found. Without one the next is longer, up to the longest sleep that
    /// there is: a control write of ours may have had it, or two who waited met in it. Where nobody is known to be there one is
    /// enough.
    pub(super) fn rest(&mut self, now: Instant) -> Duration {
        let Some((since, until)) = self.busy else { return Duration::ZERO };
        let held = until - since;
        let sleep = longest_sleep(held);
        let left = (sleep + LATE).saturating_sub(now.saturating_duration_since(until));
        let beside = self.met.is_some_and(|met| now.saturating_duration_since(met) < COMPANY);
        if !left.is_zero() && !beside && held < ALONE_MAX {
            return Duration::ZERO;
        }
        if !beside || left.is_zero() || sleep == LONGEST_SLEEP {
            self.busy = None;
        }
        left
    }

    /// The file was seen so, while nobody could write: SQLite does not say who waits, but who has written waits again. At first
    /// somebody may: others can show themselves only where they are left room.
    pub(super) fn look_around(&mut self, seen: Seen, now: Instant) {
        let comparable = !std::mem::take(&mut self.reopened);
        let moved = |last: Seen| comparable && last.version != seen.version && last.written == seen.written;
        if self.seen.is_none_or(moved) {
            (self.met, self.busy) = (Some(now), None);
        }
        self.seen = Some(seen);
    }

    /// Another connection counts its states anew.
    pub(super) fn reopened(&mut self) {
        self.reopened = true;
    }
}

/// The longest sleep of anybody who found the file locked while it was so for that long, and asked again and again.
fn longest_sleep(locked: Duration) -> Duration {
    let mut began = Duration::ZERO;
    let mut longest = 0;
    for ms in SLEEPS_MS {
        if began > locked {
            break;
        }
        longest = ms;
        began += Duration::from_millis(ms);
    }
    Duration::from_millis(longest)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ALONE_MAX, Company, LATE, SLEEPS_MS, Seen, longest_sleep};

    #[test]
    fn the_lock_is_left_alone_as_long_as_somebody_sleeps() {
        for (locked, sleep) in
            [(0, 1), (1, 2), (2, 2), (3, 5), (7, 5), (8, 10), (17, 10), (18, 15), (33, 20), (100, 25)]
        {
            assert_eq!(longest_sleep(Duration::from_millis(locked)), Duration::from_millis(sleep), "{locked} ms");
        }
        assert_eq!(longest_sleep(Duration::from_secs(5)), Duration::from_millis(100));
    }

    /// Whenever somebody asked first, one of the looks falls into the pause behind the transaction.
    #[test]
    fn whoever_asked_meanwhile_finds_it_free() {
        for locked in 1..400_u64 {
            let pause = longest_sleep(Duration::from_millis(locked)).as_millis();
            for asked in 0..locked {
                let (mut look, mut sleeps) = (asked, SLEEPS_MS.iter());
                while look < locked {
                    look += sleeps.next().unwrap_or(&100);
                }
                assert!(u128::from(look - locked) <= pause, "asked at {asked} of {locked} ms, found it at {look}");
            }
        }
    }

    #[test]
    fn a_lane_rests_beside_others_and_now_and_then() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let seen = |version, written| Seen { version, written };
        let rest = |ms| Duration::from_millis(ms) + LATE;
        let mut company = Company::default();
        assert_eq!(company.rest(at(0)), Duration::ZERO, "nothing was held yet");
        for (from, now, rests, why) in [
            (0, seen(1, 0), rest(10), "nobody can have shown himself yet"),
            (600, seen(1, 0), Duration::ZERO, "nobody came"),
            (650, seen(2, 1), Duration::ZERO, "a control write of ours is no company"),
            (700, seen(3, 1), rest(10), "somebody wrote"),
            (1_199, seen(3, 1), rest(10), "lately"),
            (1_201, seen(3, 1), Duration::ZERO, "long ago"),
            (1_300, seen(9, 1), Duration::ZERO, "by another connection"),
            (1_350, seen(10, 1), rest(10), "somebody wrote again"),
        ] {
            company.busy = None;
            if from == 1_300 {
                company.reopened();
            }
            company.look_around(now, at(from));
            company.held(at(from - from.min(10)), at(from));
            assert_eq!(company.rest(at(from)), if from == 0 { rest(1) } else { rests }, "{why}");
        }
        company.busy = None;
        company.look_around(seen(11, 1), at(2_000));
        company.held(at(2_000), at(2_010));
        assert_eq!(company.rest(at(2_015)), rest(10).saturating_sub(Duration::from_millis(5)), "a part of it is over");
        assert_eq!(company.rest(at(2_030)), Duration::ZERO, "others had time enough");
        company.held(at(2_030), at(2_031));
        assert_eq!(company.rest(at(2_031)), rest(2), "and it begins anew");
    }

    #[test]
    fn pauses_grow_until_one_is_seen_to_be_used() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let rest = |ms| Duration::from_millis(ms) + LATE;
        let seen = |version| Seen { version, written: 0 };
        let mut company = Company::default();
        company.look_around(seen(1), at(0));
        for (from, until, pause, why) in [
            (0, 10, 10, "the first"),
            (22, 32, 15, "nobody wrote"),
            (49, 60, 25, "still"),
            (90, 130, 50, "and longer"),
            (185, 235, 100, "whoever waits since the beginning wakes within it"),
            (340, 350, 10, "nobody waits that long"),
        ] {
            company.held(at(from), at(until));
            assert_eq!(company.rest(at(until)), rest(pause), "{why}");
        }
        company.look_around(seen(2), at(365));
        company.held(at(365), at(375));
        assert_eq!(company.rest(at(375)), rest(10), "somebody wrote");
    }

    /// What others can do with the moments between transactions that follow each other closely is chance.
    #[test]
    fn a_lane_that_sees_nobody_leaves_room_now_and_then() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut alone = Company::default();
        let rests: Vec<u64> = (0..10)
            .filter(|n| {
                alone.held(at(n * 20), at(n * 20 + 19));
                alone.rest(at(n * 20 + 20)) > Duration::ZERO
            })
            .collect();
        assert_eq!(rests, [5], "behind 119 ms");
        let mut slow = Company::default();
        slow.held(at(0), at(60));
        assert_eq!(slow.rest(at(100)), Duration::ZERO, "long enough by itself");
        slow.held(at(100), at(160));
        assert_eq!(slow.rest(at(160)), Duration::ZERO, "and began anew");
        assert!(ALONE_MAX > Duration::from_millis(60));
    }
}
