//! Guards: what stops a run with zero rows changed. Pure. A guard that cannot be decided stops the run.
//!
//! One file a guard. The rule's approval is the first of them; a change of the tables, a jump of the cutoff and a whole
//! table that is due are always looked for; limits on rows only where the policy sets them.

mod book;
mod catalog;
mod change;
mod clock;
mod cool_off;
mod cutoff_jump;
mod floor;
mod marked;
mod once;
mod rows;
mod share;
mod whole_table;

use forgetd_connector::{Cause, Measure};
use jiff::{SignedDuration, Timestamp};

use crate::rules::{Mode, Rule};

pub use book::{Book, Clean, Marked, Once};
pub use clock::skew;
pub use cool_off::{Standing, along, standing};
pub use floor::{Known, Reach, floor, sweep_is_due};
pub use once::HOLDS;

/// Why a run is stopped: the cause, and the numbers in words.
pub type Stop = (Cause, String);

/// Everything that the guards of one run look at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What is remembered about it.
    pub book: &'a Book,
    /// What is due.
    pub measure: &'a Measure,
    /// The run's frozen instant.
    pub cutoff: Timestamp,
    /// Digest of what the rule depends on in the described tables.
    pub catalog: &'a str,
    /// The home database's clock.
    pub now: Timestamp,
}

/// Everything that stops the run; nothing: it may begin. What was approved for the next run stops it no more, as far as
/// that approval reaches.
pub fn check(seen: &Seen<'_>) -> Vec<Stop> {
    let mut stops = tripped(seen);
    let Some(once) = &seen.book.once else { return stops };
    let short = once.falls_short(seen);
    stops.retain_mut(|(cause, text)| {
        let approved = once.causes.contains(cause);
        if let (true, Some(why)) = (approved, &short) {
            text.push_str(&format!("; what was approved does not reach as far: {why}"));
        }
        !approved || short.is_some()
    });
    stops
}

/// The same, whatever was approved for the next run.
pub fn tripped(seen: &Seen<'_>) -> Vec<Stop> {
    let Seen { rule, book, measure, cutoff, catalog, now } = seen;
    // What only looks needs nobody's approval.
    let (approval, tables) = match rule.mode {
        Mode::Observe => (None, None),
        Mode::Enforce => (cool_off::check(rule, book, *now), catalog::check(book, standing(rule, book, *now), catalog)),
    };
    [
        approval,
        tables,
        cutoff_jump::check(rule, book, *cutoff, seen.interval()),
        marked::check(rule, book),
        whole_table::check(measure),
        rows::max(rule, measure.due),
        share::max(rule, measure),
        rows::times_usual(rule, book, measure.due),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How many due rows have to be counted before every guard can be decided; nothing: all of them.
pub fn rows_needed(rule: &Rule, book: &Book) -> Option<u64> {
    if rule.guard.share_max.is_some() {
        return None;
    }
    let limits = [rule.guard.rows_max, rows::most_usual(rule, book), book.once.as_ref().map(Once::due_max)];
    Some(limits.into_iter().flatten().max().map_or(0, |most| most.saturating_add(1)))
}

// === impl Seen ===

impl Seen<'_> {
    /// The longest time between two firings of the rule.
    fn interval(&self) -> Option<SignedDuration> {
        self.rule.schedule.as_ref()?.interval(self.now)
    }
}

#[cfg(test)]
mod tests;
