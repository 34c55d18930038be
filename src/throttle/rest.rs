//! Rest between batches, where others are at work: each batch is followed by as much time without one as makes its share of
//! the whole what it may be.

use std::time::Duration;

use tokio::time::Instant;

/// No rest is longer: a batch that took very long was held up, and did not work all that time.
const REST_MAX: Duration = Duration::from_secs(2);

/// When the next batch may start beside others.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The share of the time in which batches may be under way, above 0 and at most 1.
    share_max: f64,
    until: Instant,
}

// === impl Rest ===

impl Rest {
    /// Batches may be under way in this share of the time; the first may start at `now`.
    #[must_use]
    pub fn new(share_max: f64, now: Instant) -> Self {
        Self { share_max: share_max.clamp(0.001, 1.0), until: now }
    }

    /// A batch that took so long ended at `now`.
    pub fn worked(&mut self, took: Duration, now: Instant) {
        self.until = now + self.after(took);
    }

    /// How long the next batch has to wait at `now`.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// How much rest is behind a batch that takes so long.
    #[must_use]
    pub fn after(&self, took: Duration) -> Duration {
        took.mul_f64(1.0 / self.share_max - 1.0).min(REST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{REST_MAX, Rest};

    #[test]
    fn batches_keep_their_share_of_the_time() {
        let began = Instant::now();
        for share in [0.05, 0.1, 0.5, 1.0] {
            let mut rest = Rest::new(share, began);
            let (mut now, mut worked) = (began, Duration::ZERO);
            for n in 0..500_u64 {
                now += rest.wait(now);
                let took = Duration::from_micros(500 + n * 7_919 % 30_000);
                now += took;
                worked += took;
                rest.worked(took, now);
            }
            now += rest.wait(now);
            let got = worked.as_secs_f64() / now.duration_since(began).as_secs_f64();
            assert!((got / share - 1.0).abs() < 1e-3, "{got} of the time, {share} allowed");
        }
    }

    #[test]
    fn rest_that_passed_while_something_else_was_waited_for_is_not_taken_again_and_none_is_endless() {
        let began = Instant::now();
        let mut rest = Rest::new(0.1, began);
        rest.worked(Duration::from_millis(10), began);
        assert_eq!(rest.wait(began), Duration::from_millis(90));
        assert_eq!(rest.wait(began + Duration::from_millis(200)), Duration::ZERO);
        rest.worked(Duration::from_secs(3_600), began);
        assert_eq!(rest.wait(began), REST_MAX);
    }
}
