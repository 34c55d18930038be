//! How the rows of a table lie, and when a lane looks. Pure.

use std::time::Instant;

/// So many batches lie between two looks.
const EVERY: u32 = 256;

/// How few rows that follow each other say nothing.
const NEXT_MIN: usize = 200;

/// Keys that are further apart seldom share a page.
const APART: u128 = 100;

/// Where more than this share of rows lie apart, a walk in their order jumps over the table.
const APART_MIN: f64 = 0.25;

/// Above this share of due rows, going through the whole table once is cheaper than jumping over it.
pub const SHARE_MIN: f64 = 0.1;

/// When a lane looks next.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    /// In so many batches; absent: never again.
    batches: Option<u32>,
    /// Or behind the next batch after this.
    at: Option<Instant>,
}

// === impl Looks ===

impl Looks {
    /// Never.
    pub const NEVER: Self = Self { batches: None, at: None };

    /// The first time behind so many batches, or behind the one that ends at `at` or later.
    pub fn behind(batches: u32, at: Option<Instant>) -> Self {
        Self { batches: Some(batches), at }
    }

    /// A batch ended at `now`.
    pub fn went(&mut self, now: Instant) {
        let soon = self.at.is_some_and(|at| now >= at);
        self.batches = self.batches.map(|batches| if soon { 0 } else { batches.saturating_sub(1) });
    }

    /// Whether a look is to be taken before the next batch.
    pub fn now(&self) -> bool {
        self.batches == Some(0)
    }

    /// One was taken. Whether there is another one.
    pub fn looked(&mut self, again: bool) {
        *self = Self { batches: again.then_some(EVERY), at: None };
    }

    /// There is none any more. Whether there was one to come.
    pub fn end(&mut self) -> bool {
        self.batches.take().is_some()
    }
}

/// Whether rows with these keys, which follow each other in another order, lie on pages of their own. Few rows do not.
pub fn lie_apart(mut keys: Vec<i128>) -> bool {
    if keys.len() < NEXT_MIN {
        return false;
    }
    keys.sort_unstable();
    let apart = keys.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) > APART).count();
    share(apart as u64, keys.len() as u64) > APART_MIN
}

/// How much of `all` a part is; nothing of nothing.
pub fn share(part: u64, all: u64) -> f64 {
    as_float(part) / as_float(all.max(1))
}

/// A number for a guess, which needs no exact ones.
#[allow(clippy::cast_precision_loss, reason = "a guess needs no exact numbers")]
pub fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{EVERY, Looks, lie_apart, share};

    #[test]
    fn rows_lie_apart_where_most_are_on_pages_of_their_own() {
        assert!(lie_apart((0..500).map(|n| n * 7_919 % 100_000).collect()));
        assert!(!lie_apart((0..500).map(|n| n * 2).collect()), "every other one");
        assert!(!lie_apart((0..500).map(|n| n + n / 10 * 1_000).collect()), "ten at a time");
        assert!(!lie_apart((0..199).map(|n| n * 7_919).collect()), "too few to tell");
        let ends = |n: i128| if n % 2 == 0 { i128::from(i64::MIN) + n * 300 } else { i128::from(u64::MAX) - n * 300 };
        assert!(lie_apart((0..500).map(ends).collect()));
        assert!((share(0, 0), share(1, 4)) == (0.0, 0.25));
    }

    #[test]
    fn a_lane_looks_early_and_then_rarely() {
        let began = Instant::now();
        let batches_until = |looks: &mut Looks, each: Duration| {
            let mut batches = 0;
            while !looks.now() && batches < 1_000 {
                batches += 1;
                looks.went(began + each * batches);
            }
            batches
        };
        let (fast, slow) = (Duration::from_millis(5), Duration::from_millis(200));
        let first = || Looks::behind(8, Some(began + Duration::from_millis(300)));
        assert_eq!(batches_until(&mut first(), fast), 8);
        assert_eq!(batches_until(&mut first(), slow), 2, "sooner where batches take long");
        let behind = |again| {
            let mut looks = first();
            looks.looked(again);
            batches_until(&mut looks, slow)
        };
        assert_eq!((behind(true), behind(false)), (EVERY, 1_000));
        assert_eq!(batches_until(&mut Looks::behind(4, None), slow), 4);
        let mut looks = first();
        assert!(looks.end() && !looks.end());
        assert_eq!(batches_until(&mut looks, slow), 1_000);
        assert_eq!(batches_until(&mut { Looks::NEVER }, slow), 1_000);
    }
}
