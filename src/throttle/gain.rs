//! Whether two lanes do more than one: told by how many rows a second each way came to.
//!
//! Two are taken first, for most runs are over before anything could be compared. Where much is left by then, one lane is tried
//! for a moment.

use std::time::Duration;

use tokio::time::Instant;

/// What goes before says nothing: sessions and caches are cold.
const SETTLES: Duration = Duration::from_millis(500);

/// So long a way of working is measured.
const MEASURED: Duration = Duration::from_secs(1);

/// What two lanes would be through with within this is not worth a comparison.
const LONG: Duration = Duration::from_secs(15);

/// Two lanes take more of the server than one. They are worth it where they do more by this factor.
const WORTH: f64 = 1.1;

/// The speeds of one lane and of two, as rows and moments tell.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// When the present way of working began.
    began: Instant,
    /// Since when it is measured, and the rows that were changed until then.
    from: (Instant, u64),
    known: Known,
}

/// What is known of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Nothing,
    /// Rows a second by two lanes.
    Two(f64),
    /// Whether two are worth it.
    Worth(bool),
}

// === impl Gain ===

impl Gain {
    /// Nothing is known yet; `rows` were changed until `now`.
    #[must_use]
    pub fn new(now: Instant, rows: u64) -> Self {
        Self { began: now, from: (now, rows), known: Known::Nothing }
    }

    /// Another number of lanes is at work from here on.
    pub fn begins(&mut self, now: Instant, rows: u64) {
        (self.began, self.from) = (now, (now, rows));
    }

    /// One lane is at work. Whether there may be two: they were not compared with one yet, or did more.
    pub fn two_lanes_may_begin(&mut self, now: Instant, rows: u64) -> bool {
        if let Known::Two(two) = self.known
            && let Some(one) = self.speed(now, rows)
        {
            self.known = Known::Worth(two >= one * WORTH);
        }
        matches!(self.known, Known::Nothing | Known::Worth(true))
    }

    /// Two lanes are at work, and about `left` rows are left. Whether one is to be tried, so that both can be
    /// compared: there is enough left for it to matter. Never said twice.
    pub fn one_lane_is_to_be_tried(&mut self, now: Instant, rows: u64, left: u64) -> bool {
        let (Known::Nothing, Some(two)) = (self.known, self.speed(now, rows)) else { return false };
        #[allow(clippy::cast_precision_loss, reason = "rows")]
        let left = left as f64;
        let long = left > two * LONG.as_secs_f64();
        if long {
            self.known = Known::Two(two);
        }
        long
    }

    fn speed(&mut self, now: Instant, rows: u64) -> Option<f64> {
        if now.saturating_duration_since(self.began) < SETTLES {
            self.from = (now, rows);
            return None;
        }
        let measured = now.saturating_duration_since(self.from.0);
        #[allow(clippy::cast_precision_loss, reason = "rows")]
        let went = rows.saturating_sub(self.from.1) as f64;
        (measured >= MEASURED).then(|| went / measured.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Gain;

    /// What is left of a run in these tests: two lanes take a quarter of an hour for it.
    const MUCH: u64 = 1_000_000;

    /// Asks ten times a second, of a way of working that changes so many rows in each: when an answer came, in tenths.
    fn asked(
        gain: &mut Gain,
        at: &mut (Instant, u64),
        rows: u64,
        ask: impl Fn(&mut Gain, Instant, u64) -> bool,
    ) -> Option<u32> {
        (1..=40).find(|_| {
            *at = (at.0 + Duration::from_millis(100), at.1 + rows);
            ask(gain, at.0, at.1)
        })
    }

    fn tried(left: u64) -> impl Fn(&mut Gain, Instant, u64) -> bool {
        move |gain, now, rows| gain.one_lane_is_to_be_tried(now, rows, left)
    }

    #[test]
    fn two_lanes_are_tried_first_and_go_on_where_they_did_more() {
        for (two, told) in [(100, None), (109, None), (112, Some(14)), (200, Some(14))] {
            let mut at = (Instant::now(), 7_000);
            let mut gain = Gain::new(at.0, at.1);
            assert!(gain.two_lanes_may_begin(at.0, at.1), "nothing was compared");
            assert_eq!(asked(&mut gain, &mut at, two, tried(MUCH)), Some(14));
            gain.begins(at.0, at.1);
            assert_eq!(asked(&mut gain, &mut at, 100, Gain::two_lanes_may_begin), told, "{two}");
            // What was found stays, and nothing is tried again.
            gain.begins(at.0, at.1);
            assert_eq!(gain.two_lanes_may_begin(at.0, at.1), told.is_some());
            assert_eq!(asked(&mut gain, &mut at, two, tried(MUCH)), None);
        }
    }

    #[test]
    fn what_is_soon_over_is_not_interrupted() {
        for (left, told) in [(1_000, None), (14_000, None), (16_000, Some(14))] {
            let mut at = (Instant::now(), 0);
            let mut gain = Gain::new(at.0, at.1);
            assert_eq!(asked(&mut gain, &mut at, 100, tried(left)), told, "{left}");
        }
    }

    #[test]
    fn the_first_moments_of_a_way_do_not_count() {
        let mut at = (Instant::now(), 0);
        let mut gain = Gain::new(at.0, at.1);
        asked(&mut gain, &mut at, 120, tried(MUCH));
        gain.begins(at.0, at.1);
        // It stands still for half a second, then does as much as two.
        at.0 += Duration::from_millis(450);
        assert!(!gain.two_lanes_may_begin(at.0, at.1));
        assert_eq!(asked(&mut gain, &mut at, 120, Gain::two_lanes_may_begin), None);
    }
}
