//! At most so many rows in a second.

use std::time::Duration;

use tokio::time::Instant;

/// Rows are changed as batches, at once; the time they were worth passes before the next ones.
#[derive(Clone, Debug)]
pub struct RowRate {
    per_second: u32,
    free: Instant,
}

// === impl RowRate ===

impl RowRate {
    /// At most `per_second` rows, at least one; the first may be changed at `now`.
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.max(1), free: now }
    }

    /// The most rows of one batch: a second's worth, so that no wait is longer.
    #[must_use]
    pub fn rows_max(&self) -> u32 {
        self.per_second
    }

    /// So many rows were changed, by `now`. Time in which nothing was changed is not made up for.
    pub fn spend(&mut self, rows: u64, now: Instant) {
        let worth = Duration::from_secs_f64(rows as f64 / f64::from(self.per_second));
        self.free = self.free.max(now) + worth;
    }

    /// How long the next batch has to wait at `now`.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        self.free.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::RowRate;

    #[test]
    fn rows_take_the_time_they_are_worth_and_rest_is_not_saved_up() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut rate = RowRate::new(1_000, began);
        assert_eq!((rate.rows_max(), rate.wait(began)), (1_000, Duration::ZERO));
        rate.spend(500, at(10));
        assert_eq!(rate.wait(at(10)), Duration::from_millis(500));
        assert_eq!(rate.wait(at(600)), Duration::ZERO);
        rate.spend(1_000, at(60_000));
        assert_eq!(rate.wait(at(60_000)), Duration::from_secs(1));
        assert_eq!(RowRate::new(0, began).rows_max(), 1);
    }

    /// Whatever the batches' sizes and durations: over any stretch no more than the rate and one batch.
    #[test]
    fn a_long_walk_keeps_the_rate() {
        let began = Instant::now();
        let mut rate = RowRate::new(5_000, began);
        let (mut now, mut rows) = (began, 0_u64);
        for n in 0..1_000_u64 {
            now += rate.wait(now);
            let batch = 1 + (n * 7_919) % 5_000;
            now += Duration::from_micros(n * 131 % 40_000);
            rate.spend(batch, now);
            rows += batch;
            let allowed = now.duration_since(began).as_secs_f64() * 5_000.0 + 5_000.0;
            assert!(rows as f64 <= allowed, "{rows} rows after {n} batches, {allowed} allowed");
        }
    }
}
