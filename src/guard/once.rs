//! What a person approved for the next run, and how far that reaches. Pure.

use jiff::SignedDuration;

use super::{Once, Seen};

/// How long such an approval holds.
pub const HOLDS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// By how much more the run may find than was approved: a tenth, and so many rows.
const MORE_ROWS: u64 = 100;

/// How much later the cutoff may be, at the least.
const LATER: SignedDuration = SignedDuration::from_hours(24);

// === impl Once ===

impl Once {
    /// The most due rows that it covers.
    pub fn due_max(&self) -> u64 {
        self.due.saturating_add(self.due / 10).saturating_add(MORE_ROWS)
    }

    /// Why it does not reach as far as this run; nothing: it does.
    pub(super) fn falls_short(&self, seen: &Seen<'_>) -> Option<String> {
        if self.digest != seen.rule.digest() {
            return Some("the rule has changed since".into());
        }
        if self.catalog != seen.catalog {
            return Some("the table has changed since".into());
        }
        if seen.now > self.expires {
            return Some(format!("it ended at {}", self.expires));
        }
        let later = seen.interval().map_or(LATER, |interval| interval.max(LATER));
        if seen.cutoff.duration_since(self.cutoff) > later {
            return Some(format!("it was given for a cutoff of {}", self.cutoff));
        }
        match seen.measure.due {
            forgetd_connector::Count::Exact(due) if due <= self.due_max() => None,
            _ => Some(format!("it was given for {} rows and covers at most {}", self.due, self.due_max())),
        }
    }
}
