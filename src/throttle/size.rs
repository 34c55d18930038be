//! How many rows a batch takes, so that its transaction lasts about as long as its target.

use std::time::Duration;

/// The size of the first batch, whatever the target: small enough for any server, large enough to tell something.
const FIRST: u32 = 1_000;

/// No duration makes batches smaller than this. What a batch costs beside its rows is all that is left to measure there,
/// and a server that is slow for another reason would make the run endless.
const LEAST: u32 = 100;

/// A size grows and shrinks by these factors at most, from one batch to the next. Far from its target it grows faster, up to
/// half of it.
const GROWTH_MAX: f64 = 1.5;
const LEAP_MAX: f64 = 4.0;
const SHRINK_MAX: f64 = 0.5;

/// Fewer rows that still take too long, and more than this share of the time: what a batch costs beside its rows is most of
/// it, and smaller batches would only cost it more often.
const NO_GAIN: f64 = 0.75;

/// So many batches of the smaller size tell whether it was of use, by the shortest of them: beside others' work batches of
/// one size differ by half, and one that had to wait says nothing of the rest.
const TRIED: u32 = 8;

/// After so many batches at a size that smaller ones did not better, smaller ones are tried again: the server may have been
/// slow for a reason that is over.
const AGAIN_AFTER: u32 = 256;

/// Durations are noisy. Within this share of the target the size rests, or it never would.
const DEAD_BAND: f64 = 0.25;

/// The size of a lane's batches: begins at 1,000 rows, or at 100, and follows the duration of the batches before.
///
/// It changes behind two batches in a row that were too short, or too long: a single stall of the server, a checkpoint say,
/// tells nothing of the size. It grows by half at most, or to half of its target at once, and only behind batches that were at
/// least half full: the last rows of a lane say nothing, but where many rows share one moment no batch is quite full. An order
/// may be on its way before the duration of the batch before is known, so each change is taken from the size that was measured.
///
/// It does not shrink for nothing: where batches of half the rows take almost as long, by a slow disk or a long way to the
/// server, it goes back and rests there, however long they last.
#[derive(Clone, Debug)]
pub struct BatchSize {
    rows: u32,
    most: u32,
    target: Duration,
    /// The last batch that was at least half full, and how long it took.
    last: Option<(u32, Duration)>,
    streak: Streak,
    /// The size before it shrank, and how long the shortest batch of that size took.
    before: Option<(u32, Duration)>,
    /// The size below which shrinking was of no use, and for how many more batches that is believed.
    floor: Option<(u32, u32)>,
}

/// Batches in a row that lay alike to their target, since the size or the target changed.
#[derive(Clone, Copy, Debug)]
struct Streak {
    fit: Fit,
    batches: u32,
    shortest: Duration,
}

/// How a batch's duration lies to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Short,
    Fits,
    Long,
}

/// What the last smaller size came to.
enum Gain {
    Some,
    /// Nothing: the size before was as good.
    None(u32),
    Unknown,
}

// === impl BatchSize ===

impl BatchSize {
    /// Batches of at most `most` rows that shall last `target`.
    #[must_use]
    pub fn new(most: u32, target: Duration) -> Self {
        let most = most.max(1);
        Self { rows: most.min(FIRST), most, target, last: None, streak: Streak::NONE, before: None, floor: None }
    }

    /// The same with a first batch as small as batches get, where even that one holds everybody up for as long as it lasts.
    #[must_use]
    pub fn carefully(mut self) -> Self {
        self.rows = self.most.min(LEAST);
        self
    }

    /// Batches shall last so long from now on. Shorter ones are taken from the last batch at once: whoever came does not
    /// wait until several have told that they are long. Longer ones follow what is measured.
    pub fn aim(&mut self, target: Duration) {
        if self.target == target {
            return;
        }
        if target < self.target
            && let Some((rows, took)) = self.last
        {
            let fitting = scaled(rows, target.as_secs_f64() / took.as_secs_f64().max(1e-6));
            self.rows = self.rows.min(fitting.max(self.least()));
        }
        (self.target, self.streak, self.before) = (target, Streak::NONE, None);
    }

    /// The most rows of the next batch; at least one.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// A batch that might have had `asked` rows was ended because it took far too long. The next one has a quarter of them, and
    /// sizes grow again where those are short.
    pub fn overran(&mut self, asked: u32) {
        self.rows = self.rows.min((asked / 4).max(1));
        (self.streak, self.before, self.floor) = (Streak::NONE, None, None);
    }

    /// A batch that might have had `asked` rows changed `changed` and lasted `took`.
    pub fn took(&mut self, asked: u32, changed: u64, took: Duration) {
        let half_full = changed >= u64::from(asked / 2);
        if half_full {
            self.last = Some((asked, took));
        }
        let ratio = self.target.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let fit = if ratio < 1.0 - DEAD_BAND {
            Fit::Long
        } else if ratio > 1.0 + DEAD_BAND && half_full {
            Fit::Short
        } else {
            Fit::Fits
        };
        self.floor = self.floor.and_then(|(rows, batches)| Some((rows, batches.checked_sub(1)?)));
        if fit != Fit::Long {
            self.before = None;
        }
        self.streak.add(fit, took);
        if self.streak.batches < 2 {
            return;
        }
        let leap = (ratio / 2.0).clamp(GROWTH_MAX, LEAP_MAX);
        let proposed = scaled(asked, ratio.clamp(SHRINK_MAX, leap));
        self.rows = match fit {
            Fit::Short => proposed.max(self.rows).min(self.most),
            Fit::Long => match self.gain(asked) {
                Gain::Some => self.shrunk(asked, proposed),
                Gain::None(rows) => {
                    (self.before, self.floor) = (None, Some((rows, AGAIN_AFTER)));
                    rows
                }
                Gain::Unknown => return,
            },
            Fit::Fits => return,
        };
        self.streak = Streak::NONE;
    }

    /// Whether batches became shorter when the size shrank the last time.
    fn gain(&self, asked: u32) -> Gain {
        match self.before.filter(|(rows, _)| asked < *rows) {
            None => Gain::Some,
            Some((_, longer)) if self.streak.shortest <= longer.mul_f64(NO_GAIN) => Gain::Some,
            Some(_) if self.streak.batches < TRIED => Gain::Unknown,
            Some((rows, _)) => Gain::None(rows),
        }
    }

    fn least(&self) -> u32 {
        self.floor.map_or(LEAST, |(rows, _)| rows).min(self.most)
    }

    fn shrunk(&mut self, asked: u32, proposed: u32) -> u32 {
        let rows = proposed.min(self.rows).max(self.least().min(self.rows));
        self.before = (rows < asked).then_some((asked, self.streak.shortest));
        rows
    }
}

// === impl Streak ===

impl Streak {
    const NONE: Self = Self { fit: Fit::Fits, batches: 0, shortest: Duration::MAX };

    fn add(&mut self, fit: Fit, took: Duration) {
        if self.fit != fit {
            *self = Self { fit, ..Self::NONE };
        }
        (self.batches, self.shortest) = (self.batches + 1, self.shortest.min(took));
    }
}

/// Sizes stay far below 2^32, and fractions of a row do not matter.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and saturating is right")]
fn scaled(rows: u32, factor: f64) -> u32 {
    (f64::from(rows) * factor).round() as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BatchSize, FIRST, LEAST};

    /// A server whose batches cost something each and something a row, and which is up to `noise` slower or faster.
    struct Server {
        batch: f64,
        row: f64,
        noise: f64,
        seed: u64,
    }

    impl Server {
        fn took(&mut self, rows: u32) -> Duration {
            // Knuth's constants of a linear congruential generator (MMIX).
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let dice = f64::from((self.seed >> 40) as u32) / f64::from(1_u32 << 24);
            let noise = 1.0 + self.noise * (2.0 * dice - 1.0);
            Duration::from_secs_f64((self.batch + self.row * f64::from(rows)) * noise)
        }
    }

    /// Works `batches` of them, each ordered before the duration of the one before is known; says the sizes.
    fn work(size: &mut BatchSize, server: &mut Server, batches: usize) -> Vec<u32> {
        let mut sizes = Vec::new();
        let mut asked = size.rows();
        for _ in 0..batches {
            let next = size.rows();
            size.took(asked, u64::from(asked), server.took(asked));
            sizes.push(asked);
            asked = next;
        }
        sizes
    }

    const TARGET: Duration = Duration::from_millis(25);

    #[test]
    fn batches_come_to_last_as_long_as_their_target_and_rest_there() {
        for (batch, row) in [(0.002, 10e-6), (0.001, 3e-6), (0.0, 100e-6), (0.010, 20e-6)] {
            for seed in 0..20 {
                let mut size = BatchSize::new(50_000, TARGET);
                let mut server = Server { batch, row, noise: 0.15, seed };
                work(&mut size, &mut server, 60);
                let rested = work(&mut size, &mut server, 200);
                let ideal = (0.025 - batch) / row;
                for rows in &rested {
                    let share = f64::from(*rows) / ideal;
                    assert!((0.5..=1.5).contains(&share), "{batch} {row}: {rows} of {ideal}");
                }
                let changes = rested.windows(2).filter(|pair| pair[0] != pair[1]).count();
                assert!(changes <= 10, "{batch} {row}: {changes} changes in 200 batches: {rested:?}");
            }
        }
    }

    #[test]
    fn one_stall_changes_nothing_and_a_slow_server_halves_the_size() {
        let mut size = BatchSize::new(10_000, TARGET);
        let before = size.rows();
        size.took(before, u64::from(before), TARGET * 20);
        size.took(before, u64::from(before), TARGET);
        assert_eq!(size.rows(), before);
        size.took(before, u64::from(before), TARGET * 20);
        size.took(before, u64::from(before), TARGET * 20);
        assert_eq!(size.rows(), before / 2);
    }

    #[test]
    fn sizes_follow_another_target() {
        for seed in 0..20 {
            let mut size = BatchSize::new(50_000, TARGET);
            let mut server = Server { batch: 0.002, row: 10e-6, noise: 0.15, seed };
            for target in [TARGET, TARGET * 3, TARGET] {
                size.aim(target);
                work(&mut size, &mut server, 60);
                let ideal = (target.as_secs_f64() - 0.002) / 10e-6;
                let share = f64::from(size.rows()) / ideal;
                assert!((0.5..=1.5).contains(&share), "{} of {ideal}", size.rows());
            }
        }
    }

    #[test]
    fn whoever_comes_meets_short_batches_at_once() {
        let mut size = BatchSize::new(10_000, TARGET * 6);
        let mut server = Server { batch: 0.002, row: 10e-6, noise: 0.15, seed: 1 };
        work(&mut size, &mut server, 60);
        assert_eq!(size.rows(), 10_000);
        size.took(10_000, 10_000, TARGET * 4);
        size.aim(TARGET / 10);
        assert_eq!(size.rows(), 250);
        size.aim(TARGET * 6);
        assert_eq!(size.rows(), 250, "what is longer is measured first");
        size.took(250, 250, TARGET / 20);
        size.aim(TARGET / 10);
        assert_eq!(size.rows(), 250, "it is short enough");
        size.aim(TARGET / 1_000);
        assert_eq!(size.rows(), LEAST);
    }

    #[test]
    fn what_took_far_too_long_is_a_quarter_until_shorter_ones_are_seen() {
        let mut size = BatchSize::new(10_000, TARGET);
        size.overran(1_000);
        assert_eq!(size.rows(), 250);
        for _ in 0..2 {
            size.took(250, 250, TARGET * 400);
        }
        assert_eq!(size.rows(), 125);
        for _ in 0..2 {
            size.took(125, 125, TARGET / 50);
        }
        assert_eq!(size.rows(), 500);
        for wanted in [125, 31, 7, 1, 1] {
            size.overran(size.rows());
            assert_eq!(size.rows(), wanted);
        }
        for _ in 0..2 {
            size.took(1, 1, TARGET / 50);
        }
        assert_eq!(size.rows(), 4);
    }

    /// What each batch costs beside its rows is more than the target: a slow disk, or a server far away.
    #[test]
    fn smaller_batches_that_take_as_long_are_not_worked_with() {
        for seed in 0..20 {
            let mut size = BatchSize::new(10_000, TARGET);
            let mut server = Server { batch: 0.060, row: 3e-6, noise: 0.1, seed };
            let sizes = work(&mut size, &mut server, 2_000);
            let mean = sizes.iter().map(|rows| f64::from(*rows)).sum::<f64>() / sizes.len() as f64;
            assert!(mean > 900.0, "{mean} rows a batch: {:?}", &sizes[..50]);
            // When the disk is fast again batches become what they would have been.
            server.batch = 0.002;
            work(&mut size, &mut server, 60);
            assert!(size.rows() > 4_000, "{}", size.rows());
        }
    }

    /// Beside others at work the same rows take up to twice as long as at other times, and the target is a tenth.
    #[test]
    fn noise_does_not_keep_batches_long() {
        for seed in 0..50 {
            let mut size = BatchSize::new(10_000, TARGET / 10);
            let mut server = Server { batch: 0.0005, row: 8e-6, noise: 0.4, seed };
            work(&mut size, &mut server, 60);
            let rested = work(&mut size, &mut server, 400);
            let over = rested.iter().filter(|rows| **rows > 500).count();
            assert!(over < 40, "seed {seed}: {over} of {}: {:?}", rested.len(), &rested[..50]);
        }
    }

    /// Rows that take long, on a server that is slow or with many children, are what smaller batches are for.
    #[test]
    fn a_server_with_slow_rows_gets_small_batches() {
        for seed in 0..20 {
            let mut size = BatchSize::new(10_000, TARGET);
            let mut server = Server { batch: 0.004, row: 100e-6, noise: 0.15, seed };
            work(&mut size, &mut server, 40);
            let rested = work(&mut size, &mut server, 400);
            let over = rested.iter().filter(|rows| **rows > 400).count();
            assert!(over < 20, "{over} of {}: {:?}", rested.len(), &rested[..50]);
        }
    }

    #[test]
    fn a_batch_that_was_not_full_says_nothing_of_a_larger_one() {
        let mut size = BatchSize::new(10_000, TARGET);
        for changed in [FIRST, FIRST / 2 - 1, FIRST, FIRST / 2 - 1] {
            size.took(FIRST, u64::from(changed), TARGET / 10);
        }
        assert_eq!(size.rows(), FIRST);
        // Where hundreds of rows share one moment a batch ends before the moment that does not fit.
        size.took(FIRST, u64::from(FIRST - 200), TARGET / 2);
        size.took(FIRST, u64::from(FIRST - 200), TARGET / 2);
        assert_eq!(size.rows(), FIRST + FIRST / 2);
    }

    #[test]
    fn far_from_its_target_a_size_grows_to_half_of_it_at_once() {
        for (part, times) in [(2, 1.5), (3, 1.5), (4, 2.0), (6, 3.0), (8, 4.0), (100, 4.0)] {
            let mut size = BatchSize::new(100_000, TARGET);
            size.took(FIRST, u64::from(FIRST), TARGET / part);
            assert_eq!(size.rows(), FIRST, "one batch says nothing");
            size.took(FIRST, u64::from(FIRST), TARGET / part);
            assert!((f64::from(size.rows()) / f64::from(FIRST) - times).abs() < 0.01, "{part}: {}", size.rows());
        }
    }

    #[test]
    fn a_careful_first_batch_is_small_and_grows_like_any() {
        assert_eq!(BatchSize::new(50, TARGET).carefully().rows(), 50);
        let mut size = BatchSize::new(10_000, TARGET).carefully();
        assert_eq!(size.rows(), LEAST);
        for _ in 0..2 {
            size.took(size.rows(), u64::from(size.rows()), TARGET / 2);
        }
        assert_eq!(size.rows(), LEAST + LEAST / 2);
    }

    #[test]
    fn sizes_stay_between_their_bounds() {
        for (most, highest, lowest) in [(10, 10, 10), (1, 1, 1), (0, 1, 1), (5_000, 5_000, LEAST)] {
            let mut size = BatchSize::new(most, TARGET);
            for _ in 0..50 {
                size.took(size.rows(), u64::from(size.rows()), Duration::ZERO);
            }
            assert_eq!(size.rows(), highest, "{most}");
            for _ in 0..50 {
                size.took(size.rows(), u64::from(size.rows()), TARGET * size.rows());
            }
            assert_eq!(size.rows(), lowest, "{most}");
        }
    }
}
