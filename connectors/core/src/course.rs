//! Where something stood at moments of the past, so that it can be said for how long who follows it has been behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many places are remembered.
const REMEMBERED_MAX: usize = 600;

/// Places in their order, each with the looks that found it there. Bounded: where it is full the oldest places stay, which
/// say for how long somebody hangs, and the newest, which says where he has to come to.
#[derive(Clone, Debug)]
pub struct Course<P> {
    places: VecDeque<Stood<P>>,
}

#[derive(Clone, Copy, Debug)]
struct Stood<P> {
    place: P,
    /// The first look that found it there, and the last.
    seen: (Instant, Instant),
}

/// For how long somebody has been behind, as looks tell that are some time apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Since the first look that found the first place which was not reached.
    pub at_least: Duration,
    /// Since the last look that found the last place which was reached.
    pub at_most: Duration,
}

// === impl Course ===

impl<P> Default for Course<P> {
    fn default() -> Self {
        Self { places: VecDeque::new() }
    }
}

impl<P: Copy + Ord> Course<P> {
    /// It stands there at `now`. Places never go back.
    pub fn note(&mut self, now: Instant, place: P) {
        if let Some(last) = self.places.back_mut().filter(|last| last.place == place) {
            last.seen.1 = now;
            return;
        }
        if self.places.len() >= REMEMBERED_MAX {
            self.places.pop_back();
        }
        self.places.push_back(Stood { place, seen: (now, now) });
    }

    /// For how long somebody has been behind who has reached this place; nothing: none yet. What was before the first look is
    /// not known, and not counted.
    pub fn behind(&self, now: Instant, reached: Option<P>) -> Behind {
        let first_missing = self.places.partition_point(|stood| reached.is_some_and(|reached| stood.place <= reached));
        let Some(missing) = self.places.get(first_missing) else { return Behind::default() };
        let at_least = now.saturating_duration_since(missing.seen.0);
        let last_reached = first_missing.checked_sub(1).and_then(|n| self.places.get(n));
        let at_most = last_reached.map_or(at_least, |reached| now.saturating_duration_since(reached.seen.1));
        Behind { at_least, at_most }
    }

    /// Nobody has to be told of places before the last one that everybody has reached.
    pub fn forget(&mut self, reached: P) {
        while self.places.get(1).is_some_and(|next| next.place <= reached) {
            self.places.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Behind, Course, REMEMBERED_MAX};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn somebody_is_behind_since_between_two_looks() {
        let mut course = Course::default();
        let began = Instant::now();
        let mut behind = |at: u32, place, reached| {
            let now = began + SECOND * at;
            course.note(now, place);
            course.forget(reached);
            let Behind { at_least, at_most } = course.behind(now, Some(reached));
            (at_least.as_secs(), at_most.as_secs())
        };
        assert_eq!(behind(0, 100, 100), (0, 0));
        assert_eq!(behind(1, 100, 100), (0, 0));
        assert_eq!(behind(2, 200, 150), (0, 1));
        assert_eq!(behind(4, 300, 150), (2, 3));
        assert_eq!(behind(5, 400, 250), (1, 3));
        // It goes no further, and somebody hangs.
        assert_eq!(behind(9, 400, 250), (5, 7));
        assert_eq!(behind(10, 400, 400), (0, 0));
        assert_eq!(behind(11, 500, 450), (0, 1));
    }

    #[test]
    fn who_hangs_for_long_is_never_taken_for_one_who_follows() {
        let mut course = Course::default();
        let began = Instant::now();
        let looks = u32::try_from(REMEMBERED_MAX).unwrap() * 3;
        for n in 0..looks {
            course.note(began + SECOND * n, n);
            let since = SECOND * n;
            assert_eq!(course.behind(began + since, None), Behind { at_least: since, at_most: since });
        }
        assert!(course.places.len() <= REMEMBERED_MAX);
    }

    /// What was reached makes room: the moment from which on somebody hangs is there however long he followed before.
    #[test]
    fn who_hangs_after_he_followed_for_long_is_seen_at_once() {
        let mut course = Course::default();
        let began = Instant::now();
        let followed = u32::try_from(REMEMBERED_MAX).unwrap() * 2;
        for n in 0..=followed {
            course.note(began + SECOND * n, n);
            course.forget(n);
        }
        for n in followed + 1..followed + 100 {
            course.note(began + SECOND * n, n);
            let behind = course.behind(began + SECOND * n, Some(followed));
            assert_eq!(behind.at_least, SECOND * (n - followed - 1));
        }
    }
}
