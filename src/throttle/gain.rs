//! Whether two lanes do more than one: told by how many rows a second each way came to.

use std::time::Duration;

use tokio::time::Instant;

/// What goes before says nothing: batches find their size, sessions and caches are cold.
const SETTLES: Duration = Duration::from_millis(500);

/// So long a way of working is measured.
const MEASURED: Duration = Duration::from_secs(1);

/// Two lanes take more of the server than one. They are worth it where they do more by this factor.
const WORTH: f64 = 1.1;

/// The speeds of one lane and of two, as rows and moments tell.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// When the present way of working began.
    began: Instant,
    /// Since when it is measured, and the rows that were changed until then.
    from: (Instant, u64),
    /// Rows a second by one lane.
    one: Option<f64>,
    /// Whether two were found to be worth it, since they began.
    worth: bool,
}

// === impl Gain ===

impl Gain {
    /// Nothing is known yet; `rows` were changed until `now`.
    #[must_use]
    pub fn new(now: Instant, rows: u64) -> Self {
        Self { began: now, from: (now, rows), one: None, worth: false }
    }

    /// Another number of lanes is at work from here on.
    pub fn begins(&mut self, now: Instant, rows: u64) {
        (self.began, self.from, self.worth) = (now, (now, rows), false);
    }

    /// One lane is at work. Whether its speed is known, so that two can be compared with it.
    pub fn one_lane(&mut self, now: Instant, rows: u64) -> bool {
        if let Some(speed) = self.speed(now, rows) {
            self.one = Some(speed);
        }
        self.one.is_some()
    }

    /// Two lanes are at work. Whether they do no more than one did; never said twice of the same two.
    pub fn two_lanes_are_idle(&mut self, now: Instant, rows: u64) -> bool {
        let (false, Some(one), Some(two)) = (self.worth, self.one, self.speed(now, rows)) else { return false };
        self.worth = two >= one * WORTH;
        !self.worth
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

    /// Asks ten times a second, of a way of working that changes so many rows in each: when an answer came, in tenths.
    fn asked(
        gain: &mut Gain,
        at: &mut (Instant, u64),
        rows: u64,
        ask: fn(&mut Gain, Instant, u64) -> bool,
    ) -> Option<u32> {
        (1..=40).find(|_| {
            *at = (at.0 + Duration::from_millis(100), at.1 + rows);
            ask(gain, at.0, at.1)
        })
    }

    #[test]
    fn two_lanes_that_do_no_more_are_told_once_both_speeds_are_known() {
        for (two, told) in [(100, Some(14)), (109, Some(14)), (112, None), (200, None)] {
            let mut at = (Instant::now(), 7_000);
            let mut gain = Gain::new(at.0, at.1);
            assert_eq!(asked(&mut gain, &mut at, 100, Gain::one_lane), Some(14));
            gain.begins(at.0, at.1);
            assert_eq!(asked(&mut gain, &mut at, two, Gain::two_lanes_are_idle), told, "{two}");
            // What one lane does is remembered.
            gain.begins(at.0, at.1);
            assert!(gain.one_lane(at.0, at.1));
        }
    }

    #[test]
    fn the_first_moments_of_a_way_do_not_count() {
        let mut at = (Instant::now(), 0);
        let mut gain = Gain::new(at.0, at.1);
        asked(&mut gain, &mut at, 100, Gain::one_lane);
        gain.begins(at.0, at.1);
        // It stands still for half a second, then does twice as much.
        at.0 += Duration::from_millis(450);
        assert!(!gain.two_lanes_are_idle(at.0, at.1));
        assert_eq!(asked(&mut gain, &mut at, 200, Gain::two_lanes_are_idle), None);
    }

    #[test]
    fn a_speed_that_is_not_known_condemns_nobody() {
        let mut at = (Instant::now(), 0);
        let mut gain = Gain::new(at.0, at.1);
        assert_eq!(asked(&mut gain, &mut at, 0, Gain::two_lanes_are_idle), None);
    }
}
