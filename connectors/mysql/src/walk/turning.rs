//! From a walk by `since` to one by key, where rows lie scattered.

use std::time::Duration;

use forgetd_connector::layout::{Looks, as_float, share};
use forgetd_connector::walk::Position;
use tokio::time::Instant;

use super::{ENDS, Ends, Walk, Walker};

/// After so many batches the first look is taken: most runs are over by then. Where batches take long it comes earlier, before
/// the table is divided.
const FIRST: u32 = 8;
const FIRST_WITHIN: Duration = Duration::from_millis(300);

/// How finely the rows that are looked at follow the share of due ones: lookups of ends are made for many spans of one size.
pub(super) const QUARTERS: u64 = 4;

/// Scattered rows are due as often here as there. So full a batch is to be, that it is hardly ever too full.
const FULL: f64 = 0.9;

/// The most rows looked at per row that may be changed.
const FILLING_MAX: u64 = 10 * QUARTERS;

// === impl Walker ===

impl Walker {
    /// The same, which looks now and then whether its rows lie scattered. For deletes by a lane that goes to the last row.
    pub(crate) fn turning(mut self) -> Self {
        if self.walk == Walk::Since && self.query.has_neighbours() {
            self.looks = Looks::behind(FIRST, Some((Instant::now() + FIRST_WITHIN).into_std()));
        }
        self
    }

    /// Where a look is to be taken before the next batch, which may have so many rows. An order for one row is about that very row.
    pub(crate) fn looks_at(&self, position: &Position, rows_max: u32) -> Option<Position> {
        let looks = self.begun && self.walk == Walk::Since && rows_max > 1 && self.looks.now();
        looks.then(|| self.begin(position.clone()))
    }

    /// What was seen there: where rows lie scattered the walk goes by key from the first one on; what was worked on is not due any
    /// more.
    pub(crate) fn looked(&mut self, scattered: bool) {
        self.looks.looked(!scattered);
        if scattered {
            self.planned = None;
            (self.walk, self.stretch, self.ends) = (Walk::Keys, 1, Ends::new(ENDS));
        }
    }

    /// Of so many rows that were looked at so many were due: from that follows how many the next batch looks at.
    pub(super) fn fill(&mut self, due: u64, rows: u64) {
        self.filling = filling(self.filling, share(due, rows));
    }

    /// Whether rows are walked by key because they lie scattered: those of a batch are hardly neighbours.
    pub(crate) fn turned(&self) -> bool {
        (self.described, self.walk) == (Walk::Since, Walk::Keys)
    }

    /// Keeps to its walk from now on: a row was refused or passed over, and would be met and counted once more behind a turn.
    pub(crate) fn stays(&mut self) {
        self.looks = Looks::NEVER;
    }

    /// A lane that was under way goes on as it went.
    pub(super) fn resumes(&mut self, position: &Position) {
        self.begun = true;
        if *position != Position::Start {
            // What was passed over before is not known here.
            self.stays();
        }
        if matches!(position, Position::Keys { .. }) {
            self.walk = Walk::Keys;
        }
    }
}

/// How many quarters of the rows that a batch may change it looks at, where it looked at `now` of them and this share was due. It
/// stays as it is while batches are neither too full nor much emptier than they could be: what was looked up ahead is of no use to
/// another size.
fn filling(now: u64, share: f64) -> u64 {
    let wanted = FULL * as_float(QUARTERS) / share.max(0.01);
    if (as_float(now) * 0.97..as_float(now) + 1.5).contains(&wanted) {
        return now;
    }
    (QUARTERS..=FILLING_MAX).rev().find(|quarters| as_float(*quarters) <= wanted).unwrap_or(QUARTERS)
}

#[cfg(test)]
mod tests {
    use super::{FILLING_MAX, QUARTERS, filling};

    #[test]
    fn batches_become_nearly_full_and_none_too_full() {
        for (share, quarters) in
            [(1.0, 4), (0.9, 4), (0.6, 6), (0.5, 7), (0.45, 8), (0.3, 12), (0.1, 36), (0.0, FILLING_MAX)]
        {
            let found = filling(QUARTERS, share);
            assert_eq!(found, quarters, "{share}");
            // Where a share lies at the edge of two sizes, chance does not send it to and fro.
            for noise in [0.99, 1.0, 1.01] {
                assert_eq!(filling(found, share * noise), found, "{share} {noise}");
            }
        }
        // Rows that are due lie closer together from here on, or further apart.
        assert_eq!((filling(12, 0.5), filling(7, 0.3)), (7, 12));
    }
}
