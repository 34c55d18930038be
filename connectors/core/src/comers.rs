//! Sessions that came and went between two looks: an application that connects for each of its requests is never met at work.

use std::time::{Duration, Instant};

/// A count that is older says nothing of now.
const RECENT: Duration = Duration::from_secs(5);

/// What the last look counted.
#[derive(Clone, Debug, Default)]
pub struct Comers {
    last: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    /// Sessions that ever began, by the server.
    all: u64,
    /// Those of them that are ours.
    ours: u64,
}

// === impl Comers ===

impl Comers {
    /// How many sessions of others began since the look before; nothing where there was none, or too long ago, or on another
    /// server. `all` is the server's count of sessions that ever began, `ours` how many of them this connector ever opened.
    pub fn since_the_look_before(&mut self, at: Instant, all: u64, ours: u64) -> Option<u64> {
        let before = self.last.replace(Counted { at, all, ours })?;
        if at.saturating_duration_since(before.at) > RECENT {
            return None;
        }
        Some(all.checked_sub(before.all)?.saturating_sub(ours.saturating_sub(before.ours)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Comers, RECENT};

    #[test]
    fn others_are_what_the_server_counted_beside_ours() {
        let (mut comers, began) = (Comers::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(comers.since_the_look_before(at(0), 100, 2), None, "there was no look before");
        assert_eq!(comers.since_the_look_before(at(1), 100, 2), Some(0));
        assert_eq!(comers.since_the_look_before(at(2), 103, 5), Some(0), "all three are ours");
        assert_eq!(comers.since_the_look_before(at(3), 107, 6), Some(3));
        assert_eq!(comers.since_the_look_before(at(4), 107, 7), Some(0), "ours was counted here before it was there");
    }

    #[test]
    fn a_count_of_long_ago_or_of_another_server_says_nothing() {
        let (mut comers, began) = (Comers::default(), Instant::now());
        comers.since_the_look_before(began, 100, 2);
        let late = began + RECENT + Duration::from_secs(1);
        assert_eq!(comers.since_the_look_before(late, 900, 2), None);
        assert_eq!(comers.since_the_look_before(late, 7, 3), None, "a server that began again");
        assert_eq!(comers.since_the_look_before(late, 9, 3), Some(2));
    }
}
