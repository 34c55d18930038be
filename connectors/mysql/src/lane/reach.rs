//! Whether the next batch takes its rows as one range of neighbours.

/// How many batches go by key before neighbours are looked for again: the first time, and at the most.
const REST: u32 = 16;
const REST_MAX: u32 = 512;

/// What was met so far.
pub(crate) struct Reach {
    possible: bool,
    /// How many batches still go by key.
    left: u32,
    rest: u32,
}

// === impl Reach ===

impl Reach {
    pub(crate) const fn new(possible: bool) -> Self {
        Self { possible, left: 0, rest: REST }
    }

    /// Whether the next batch shall.
    pub(crate) const fn takes(&self) -> bool {
        self.possible && self.left == 0
    }

    /// The rows of a span were no neighbours. Its next attempts go by key.
    pub(crate) fn apart(&mut self) {
        self.left = self.rest;
        self.rest = (self.rest * 2).min(REST_MAX);
    }

    /// A batch went through; as one range?
    pub(crate) fn went(&mut self, reached: bool) {
        if reached {
            self.rest = REST;
        }
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn neighbours_are_looked_for_less_and_less_often() {
        let mut reach = Reach::new(true);
        let mut by_key = vec![];
        for _ in 0..8 {
            assert!(reach.takes());
            reach.apart();
            let mut batches = 0;
            while !reach.takes() {
                reach.went(false);
                batches += 1;
            }
            by_key.push(batches);
        }
        assert_eq!(by_key, [16, 32, 64, 128, 256, 512, 512, 512]);
        reach.went(true);
        reach.apart();
        assert_eq!(reach.left, 16);
        assert!(!Reach::new(false).takes());
    }
}
