//! How one rule is shown: a row, and what opens below it.

use forgetd_connector::Cause;
use jiff::Timestamp;

use super::chart::{self, Chart};
use super::words::{self, Moment, Piece};
use crate::board::RuleState;
use crate::rules::Mode;
use crate::run::Verdict;

/// A fire time may pass this often before its rows are called late: they become due in between.
const INTERVALS_LATE: i64 = 2;

/// The same, in seconds, for a rule without a schedule.
const LATE_SECS: i64 = 2 * 86_400;

/// What a rule is sorted and coloured by. What needs a person first, then what runs, then the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Something broke.
    Failed,
    /// The role cannot see.
    Blind,
    /// It may not, or cannot, act.
    Blocked,
    /// A run is under way.
    Running,
    /// It looks on while rows are due.
    Observing,
    /// Rows are left for a reason that does not pass by itself.
    Partial,
    /// Rows are left that the next runs take.
    Draining,
    /// A person wants it to rest.
    Paused,
    /// It never ran.
    Waiting,
    /// Nothing that is due is left.
    Clean,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) state: State,
    pub(super) observes: bool,
    /// The id of the cause, where there is one.
    pub(super) cause: &'static str,
    /// How many rows are due.
    pub(super) due: String,
    /// What that number is.
    pub(super) due_note: String,
    /// The age of the oldest of them beside the period: `32 d of 30 d`.
    pub(super) oldest: Option<Oldest>,
    pub(super) spark: Option<String>,
    pub(super) last: Option<Moment>,
    /// What came of it.
    pub(super) last_note: String,
    pub(super) next: Next,
    pub(super) progress: Option<Progress>,
    pub(super) chart: Option<Chart>,
    /// When the backlog will be worked off.
    pub(super) drained: Option<Moment>,
    /// What is left to say, as pairs.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) fix: Vec<Piece>,
    pub(super) command: Option<String>,
}

/// The oldest due row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Oldest {
    pub(super) age: String,
    pub(super) keep_for: String,
    /// By how much it is later than it should be, if by too much.
    pub(super) late: Option<String>,
}

/// When it runs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    At(Moment),
    Never(&'static str),
}

/// A run under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// From 0 to 100; nothing where what is due was not counted to its end.
    pub(super) percent: Option<u64>,
    pub(super) text: String,
}

/// What the rule is sorted by.
pub(super) fn state(rule: &RuleState) -> State {
    let standing = &rule.standing;
    if rule.running.is_some() {
        return State::Running;
    }
    let Some(last) = &standing.last else {
        return match (&standing.paused, standing.blocked) {
            (Some(_), _) => State::Paused,
            (None, Some(_)) => State::Blocked,
            (None, None) => State::Waiting,
        };
    };
    match last.verdict {
        // Whoever paused it knows what is left.
        Verdict::Partial | Verdict::Clean if standing.paused.is_some() => State::Paused,
        Verdict::Failed => State::Failed,
        Verdict::Blind => State::Blind,
        Verdict::Blocked => State::Blocked,
        Verdict::Partial => match last.cause {
            Some(Cause::Observe) => State::Observing,
            Some(cause) if cause == Cause::Cap || cause.goes_on() => State::Draining,
            _ => State::Partial,
        },
        Verdict::Clean => State::Clean,
    }
}

/// Why it is not clean.
pub(super) fn cause(rule: &RuleState) -> Option<Cause> {
    let standing = &rule.standing;
    standing.last.as_ref().and_then(|last| last.cause).or(standing.blocked.map(|blocked| blocked.cause))
}

/// What observing comes to: never said softly.
pub(super) fn would_have(rule: &RuleState) -> String {
    let last = rule.standing.last.as_ref();
    let due = last.and_then(|last| last.due).or(rule.standing.measured.map(|measured| measured.due));
    let more = if last.is_some_and(|last| last.due.is_some() && !last.due_exact) { "at least " } else { "" };
    let done = if rule.action == "transform" { "transformed" } else { "deleted" };
    format!("would have {done} {more}{} rows", words::count(due.unwrap_or_default()))
}

// === impl State ===

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Blind => "blind",
            Self::Blocked => "blocked",
            Self::Running => "running",
            Self::Observing => "observing",
            Self::Partial => "partial",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::Waiting => "not run yet",
            Self::Clean => "clean",
        }
    }

    /// The class of its looks.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Failed | Self::Blind | Self::Blocked => "bad",
            Self::Observing | Self::Partial => "warn",
            Self::Running | Self::Draining => "busy",
            Self::Paused | Self::Waiting => "idle",
            Self::Clean => "good",
        }
    }
}

// === impl Row ===

impl Row {
    pub(super) fn of(name: &str, rule: &RuleState, now: Timestamp) -> Self {
        let (standing, state) = (&rule.standing, state(rule));
        let cause = match state {
            // What was is of no use while it runs.
            State::Clean | State::Running => None,
            State::Paused => Some(Cause::Paused),
            _ => cause(rule),
        };
        let fix = cause.map_or("", Cause::fix);
        let draining = standing.measured.is_some_and(|measured| measured.due > 0);
        Self {
            name: name.into(),
            place: format!("{}.{}", rule.database, rule.table),
            state,
            observes: rule.mode == Mode::Observe,
            cause: cause.map_or("", Cause::id),
            due: due(rule),
            due_note: due_note(rule),
            oldest: oldest(rule, now),
            spark: chart::small(rule),
            last: standing.last.as_ref().map(|last| words::moment(last.at, now)),
            last_note: last_note(rule),
            next: next(rule, now),
            progress: progress(rule),
            chart: chart::of(rule),
            drained: rule.drained.filter(|_| draining).map(|at| words::moment(at, now)),
            facts: facts(rule, now),
            fix: words::prose(fix),
            command: words::command(fix, name),
        }
    }

    /// Whether a person would look at how its backlog goes.
    pub(super) fn has_backlog(&self) -> bool {
        self.drained.is_some() && self.chart.is_some()
    }
}

fn due(rule: &RuleState) -> String {
    match rule.standing.measured {
        Some(measured) => format!("{}{}", words::count(measured.due), if measured.capped { "+" } else { "" }),
        None => "\u{2013}".into(),
    }
}

fn due_note(rule: &RuleState) -> String {
    let due = rule.standing.measured.map_or(0, |measured| measured.due);
    let observes = rule.mode == Mode::Observe && due > 0;
    match (rule.action, observes) {
        ("transform", true) => "would be transformed".into(),
        (_, true) => "would be deleted".into(),
        _ => String::new(),
    }
}

fn oldest(rule: &RuleState, now: Timestamp) -> Option<Oldest> {
    let oldest = rule.standing.measured?.oldest?;
    let allowed = rule.interval_secs.map_or(LATE_SECS, |interval| interval.saturating_mul(INTERVALS_LATE));
    let late = words::late(oldest, &rule.keep_for, now).map(|late| late.as_secs()).filter(|late| *late > allowed);
    Some(Oldest { age: words::since(oldest, now), keep_for: rule.keep_for.clone(), late: late.map(words::long) })
}

fn last_note(rule: &RuleState) -> String {
    let Some(last) = &rule.standing.last else { return String::new() };
    if rule.mode == Mode::Observe {
        return "looked only".into();
    }
    match last.changed {
        0 => "no rows".into(),
        rows => format!("{} in {}", words::count(rows), words::took(last.seconds)),
    }
}

fn next(rule: &RuleState, now: Timestamp) -> Next {
    match (rule.next, &rule.standing.paused) {
        (_, Some(_)) => Next::Never("paused"),
        (Some(at), None) => Next::At(words::moment(at, now)),
        (None, None) => Next::Never("when asked"),
    }
}

fn progress(rule: &RuleState) -> Option<Progress> {
    let running = rule.running?;
    let changed = words::count(running.changed);
    let percent = running.changed.saturating_mul(100).checked_div(running.due);
    let text = match running.exact {
        true => format!("{changed} of {}", words::count(running.due)),
        false => format!("{changed} of at least {}", words::count(running.due)),
    };
    Some(Progress { percent: percent.filter(|_| running.exact).map(|percent| percent.min(100)), text })
}

/// What there is no room for in a row.
fn facts(rule: &RuleState, now: Timestamp) -> Vec<(&'static str, String)> {
    let standing = &rule.standing;
    let mut facts = vec![];
    if let Some(paused) = &standing.paused {
        let why = if paused.reason.is_empty() { String::new() } else { format!(": {}", paused.reason) };
        facts.push(("Paused", format!("by {} since {}{why}", paused.who, words::since(paused.since, now))));
    }
    if let Some(blocked) = standing.blocked {
        facts.push(("Blocked", format!("{} since {}", blocked.cause, words::since(blocked.since, now))));
    }
    if standing.failures > 1 {
        facts.push(("Failures", format!("{} in a row", standing.failures)));
    }
    let engine = if rule.engine.is_empty() { String::new() } else { format!(" on {}", rule.engine) };
    facts.push(("Does", format!("{}{engine}, kept for {}", rule.action, rule.keep_for)));
    facts.push(("Schedule", rule.schedule.clone().unwrap_or_else(|| "none: it runs when it is asked to".into())));
    if let Some(clean) = standing.last_clean {
        facts.push(("Last clean", format!("{} ({} ago)", words::exact(clean), words::since(clean, now))));
    }
    if let Some(last) = &standing.last {
        facts.push(("Last run", format!("{}, {}", words::exact(last.at), words::took(last.seconds))));
        facts.extend(last.detail.clone().map(|detail| ("Detail", detail)));
        facts.extend(last.cutoff.map(|cutoff| ("Cutoff", words::exact(cutoff))));
        facts.extend(last.due.map(|due| ("Due then", at_least(due, last.due_exact))));
        facts.push(("Changed", words::count(last.changed)));
        facts.extend(last.left.map(|left| ("Left", words::count(left))));
        facts.push(("Run", if last.run_id.is_empty() { "did not begin".into() } else { last.run_id.clone() }));
    }
    if let Some(measured) = standing.measured {
        facts.push(("Counted", words::exact(measured.at)));
    }
    facts
}

fn at_least(n: u64, exact: bool) -> String {
    format!("{}{}", if exact { "" } else { "at least " }, words::count(n))
}
