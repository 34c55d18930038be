//! Whether two clocks agree. Pure.

use forgetd_connector::{Cause, Finding, Severity};
use jiff::{SignedDuration, Timestamp};

/// Further apart than this nothing is deleted.
const SKEW_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Further apart than this somebody should know.
const SKEW_NOTED: SignedDuration = SignedDuration::from_secs(30);

/// What is wrong with a database's clock, read between two looks at ours. A slow answer is no wrong clock.
pub fn skew(place: &str, database: Timestamp, before: Timestamp, after: Timestamp) -> Option<Finding> {
    let ahead = database.duration_since(after);
    let (apart, word) =
        if ahead.is_positive() { (ahead, "ahead of") } else { (before.duration_since(database), "behind") };
    if apart <= SKEW_NOTED {
        return None;
    }
    let message = format!("the database's clock ({database}) is {} s {word} ours", apart.as_secs());
    let finding = Finding::blocks(Cause::ClockSkew, place, message);
    if apart > SKEW_MAX {
        return Some(finding);
    }
    let fix = "keep the clocks of servers and machines together, with NTP for example".into();
    Some(Finding { severity: Severity::Warning, fix, ..finding })
}
