//! Whether the rule may act under its definition: approved, as good as approved, or waiting. Pure.

use forgetd_connector::Cause;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::{Book, Stop, change};
use crate::rules::{CoolOff, Period, Rule};

/// Where a rule stands with its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This very definition is approved.
    Approved,
    /// The structure shows that it makes no more rows due than the approved one.
    Narrower,
    /// It has waited long enough.
    Waited,
    /// It waits until then; for ever where the calendar ends before.
    Waits(Option<Timestamp>),
}

/// Where `rule` stands at `now`, by the home database's clock. One that was never seen before begins to wait now.
pub fn standing(rule: &Rule, book: &Book, now: Timestamp) -> Standing {
    let digest = rule.digest();
    if book.approves(&digest) {
        return Standing::Approved;
    }
    if book.approved.as_ref().is_some_and(|approved| change::narrows(&approved.definition, rule)) {
        return Standing::Narrower;
    }
    let since = book.pending.as_ref().filter(|pending| pending.digest == digest).map_or(now, |pending| pending.since);
    match wait(rule, book, since) {
        None => Standing::Waited,
        Some((_, Some(until))) if until <= now => Standing::Waited,
        Some((_, until)) => Standing::Waits(until),
    }
}

/// The longer of two waits, and when it ends: that of the definition, and that of the approved one. A change that switches
/// its own wait off waits all the same.
fn wait(rule: &Rule, book: &Book, since: Timestamp) -> Option<(Period, Option<Timestamp>)> {
    let approved = book.approved.as_ref().and_then(|approved| change::cool_off(&approved.definition));
    let own = match &rule.guard.cool_off {
        CoolOff::None => None,
        CoolOff::Lasts(period) => Some(period.clone()),
    };
    let ends = |period: Period| {
        let until = period.after(since);
        (period, until)
    };
    // An end beyond the calendar is the latest of all.
    own.into_iter().chain(approved).map(ends).max_by_key(|(_, until)| until.map_or((true, since), |at| (false, at)))
}

/// What a rule waits for, and what changed.
pub(super) fn check(rule: &Rule, book: &Book, now: Timestamp) -> Option<Stop> {
    let Standing::Waits(until) = standing(rule, book, now) else { return None };
    let what = match &book.approved {
        None => "the rule was never approved".into(),
        Some(approved) => format!("the rule changed ({})", change::shown(&approved.definition, rule)),
    };
    let approve = format!("`forgetd approve {}`", rule.name);
    let lasts = wait(rule, book, now).map_or_else(String::new, |(period, _)| period.short());
    // Only a run begins the wait.
    let begun = book.pending.as_ref().is_some_and(|pending| pending.digest == rule.digest());
    let text = match until.and_then(whole_second).filter(|_| begun) {
        Some(until) => format!("{what}; it waits until {until} (cool_off {lasts}), or for {approve}"),
        None => {
            format!("{what}; it waits for {approve}, or for {lasts} (cool_off) from the first run that finds it so")
        }
    };
    Some((Cause::CoolOff, text))
}

/// The rules, of those whose rows go along, that may not act yet: then the rows they mean do not go along either.
pub fn along(rules: &[(&Rule, Book)], now: Timestamp) -> Vec<Stop> {
    let waiting = rules.iter().filter_map(|(rule, book)| {
        let (cause, text) = check(rule, book, now)?;
        Some((cause, format!("rows of rule {} would go along: {text}", rule.name)))
    });
    waiting.collect()
}

/// Not before the wait is over.
fn whole_second(at: Timestamp) -> Option<Timestamp> {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).ok()
}
