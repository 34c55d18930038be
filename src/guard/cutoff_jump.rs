//! Whether the cutoff moved as time does. Pure.
//!
//! A clock that is set wrong moves it too far, and so does a long time without any run: either way somebody should look
//! before rows go. A changed period moves it as well, but that is for the rule's own approval to allow; so it is compared
//! with what the rule as it is now would have had as its cutoff then.

use forgetd_connector::Cause;
use jiff::{SignedDuration, Timestamp};

use super::{Book, Stop};
use crate::rules::Rule;

/// A cutoff may always move this far.
const LEAST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// And by so many of the rule's intervals.
const INTERVALS: i32 = 10;

pub(super) fn check(rule: &Rule, book: &Book, cutoff: Timestamp, interval: Option<SignedDuration>) -> Option<Stop> {
    let last = book.last?;
    let then = rule.keep_for.cutoff(last.at, &rule.zone()).map_or(last.cutoff, |then| then.max(last.cutoff));
    let moved = cutoff.duration_since(then);
    let most = interval.and_then(|interval| interval.checked_mul(INTERVALS)).map_or(LEAST, |most| most.max(LEAST));
    (moved > most).then(|| {
        let text = format!(
            "the cutoff {cutoff} is {} days later than that of the last run, more than {}; the last run was at {}",
            days(moved),
            days(most),
            last.at
        );
        (Cause::CutoffJump, text)
    })
}

fn days(duration: SignedDuration) -> i64 {
    duration.as_hours() / 24
}
