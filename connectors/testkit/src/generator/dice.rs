//! Random choices that can be made again.

/// SplitMix64: every seed gives a stream of its own, neighbouring seeds too.
#[derive(Clone, Debug)]
pub struct Dice(u64);

// === impl Dice ===

impl Dice {
    /// Dice that fall the same way for the same seed and number.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed);
        let mut dice = Self(dice.next() ^ number);
        // Far from where its neighbours begin: their streams would be this one, a few steps further.
        Self(dice.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not with, `below`.
    pub fn below(&mut self, below: usize) -> usize {
        let below = below.max(1) as u64;
        (self.next() >> 11).checked_rem(below).unwrap_or(0) as usize
    }

    /// A number from `from` to `to`, both possible.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(usize::try_from(to - from + 1).expect("from is not above to")) as i64
    }

    /// True this many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for n in (1..things.len()).rev() {
            things.swap(n, self.below(n + 1));
        }
    }
}
