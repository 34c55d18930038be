//! What is to be done about a rule, and when. Pure: knows no database and no clock.

use std::time::Duration;

use forgetd_connector::Cause;
use jiff::{SignedDuration, Timestamp};

use crate::rules::{QuietWindows, Rule};
use crate::run::Turn;
use crate::run::standing::Standing;

/// The first and the longest pause after failed runs; it doubles with each.
const RETRY_SECS: std::ops::RangeInclusive<u64> = 10..=1_800;

/// A fire time that passed longer ago than this was missed: nobody was there. It is caught up once, spread over
/// [`CATCH_UP_SECS_MAX`] so that instances that start together do not work together.
const MISSED_SECS: i64 = 90;

/// The longest that catching up waits, in seconds.
const CATCH_UP_SECS_MAX: u64 = 60;

/// When something is to be done about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The fire time it is about.
    pub fire: Timestamp,
    /// When to do it: then, or later where the fire time was missed or runs failed.
    pub at: Timestamp,
    /// What.
    pub turn: Turn,
}

/// What is to be done next about a rule; nothing for one without a schedule, or whose schedule is over.
///
/// `spread` is this process's share of the catch-up time, from 0 to 1. A rule that nobody has served yet counts from
/// `seen`, the moment it was first seen. Where its database is quiet it waits for the end of that.
pub fn next(
    rule: &Rule,
    standing: &Standing,
    quiet: &QuietWindows,
    seen: Timestamp,
    now: Timestamp,
    spread: f64,
) -> Option<Next> {
    let schedule = rule.schedule.as_ref()?;
    // A clock that was once ahead must not silence the rule until it is reached again.
    let fire = schedule.after(standing.served.unwrap_or(seen).min(now))?;
    let turn = match &standing.paused {
        Some(_) => Turn::Skip(Cause::Paused),
        None if schedule.is_late(fire, now) && !standing.goes_on(rule, quiet, fire, now) => {
            Turn::Skip(Cause::StartingDeadline)
        }
        None => Turn::Run,
    };
    let mut at = fire;
    if turn == Turn::Run {
        if now.duration_since(fire).as_secs() > MISSED_SECS && standing.failures == 0 {
            // The wait counts from when the rule was seen, so that it passes.
            let spread = Duration::from_secs(CATCH_UP_SECS_MAX).mul_f64(spread.clamp(0.0, 1.0));
            let latest = schedule.deadline().and_then(|deadline| fire.checked_add(deadline).ok());
            at = at.max(later(seen, spread)).min(latest.unwrap_or(Timestamp::MAX));
        }
        if let (1.., Some(last)) = (standing.failures, &standing.last) {
            at = at.max(later(last.at.min(now), retry(standing.failures)));
        }
        // The throttle paused it for longer than a run waits: it looks again whether it may go on.
        if let Some(last) = standing.last.as_ref().filter(|last| last.cause.is_some_and(Cause::is_of_the_throttle)) {
            at = at.max(later(last.at.min(now), retry(1)));
        }
        if let Some(end) = quiet.until(at.max(now)) {
            at = end;
        }
    }
    Some(Next { fire, at, turn })
}

/// How long to wait after so many failures in a row.
pub fn retry(failures: u32) -> Duration {
    let doubled = RETRY_SECS.start().saturating_mul(1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX));
    Duration::from_secs(doubled.min(*RETRY_SECS.end()))
}

/// When a backlog that is worked off in caps will be done: as fast as the last points of its course say. Nothing where
/// it does not shrink.
pub fn drained(standing: &Standing) -> Option<Timestamp> {
    let course: Vec<_> = standing.course.iter().rev().take(8).collect();
    let ((newest, left), (oldest, before)) = (course.first()?, course.last()?);
    if *left == 0 || before <= left {
        return None;
    }
    let seconds = newest.duration_since(*oldest).as_secs_f64() * (*left as f64) / ((before - left) as f64);
    newest.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
