//! What needs a person, worst first: each with what to do about it.

use std::collections::BTreeMap;

use forgetd_connector::Cause;
use jiff::Timestamp;

use super::rule::{self, State};
use super::words::{self, Piece};
use crate::board::{Board, DatabaseState, Pause, Role, RuleState};
use crate::run::Verdict;

/// So many rules are listed for one cause; the others wait behind them.
const RULES_SHOWN: usize = 6;

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matter {
    /// Whether somebody should come now, or soon.
    pub(super) level: Level,
    /// What it is, in few words.
    pub(super) title: String,
    /// The id of the cause, where there is one.
    pub(super) cause: &'static str,
    /// More about it, line by line.
    pub(super) lines: Vec<String>,
    /// What to do.
    pub(super) fix: Vec<Piece>,
    /// The rules it is about.
    pub(super) rules: Vec<Item>,
    /// Those that there is no room for.
    pub(super) more: Vec<Item>,
}

/// One rule of a matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) rule: String,
    /// Where and what.
    pub(super) detail: String,
    /// Since when.
    pub(super) since: String,
    /// What to type.
    pub(super) command: Option<String>,
}

/// How much it presses. The worse first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It does not do what it should.
    Bad,
    /// It waits for somebody, or does only a part.
    Warn,
}

/// Everything that needs a person.
pub(super) fn all(board: &Board, now: Timestamp) -> Vec<Matter> {
    let mut matters = vec![];
    matters.extend(config(board));
    matters.extend(nobody(board));
    matters.extend(evidence(board));
    matters.extend(board.databases.iter().filter_map(|(name, state)| database(name, state, board, now)));
    matters.extend(rules(board, now));
    matters.extend(split(board, now));
    matters.sort_by_key(|matter| matter.level);
    matters
}

fn config(board: &Board) -> Option<Matter> {
    let problems = &board.config.problems;
    (!problems.is_empty()).then(|| Matter {
        title: match board.config.loaded {
            Some(_) => "The configuration files are refused; the ones before go on".into(),
            None => "The configuration files are refused; nothing runs".into(),
        },
        lines: problems.clone(),
        fix: words::prose("correct the files: they are read again by themselves; `forgetd check` says the same"),
        ..Matter::new(Level::Bad)
    })
}

/// Why the lease is free and nobody takes it.
fn nobody(board: &Board) -> Option<Matter> {
    let Role::Nobody { cause } = board.role else { return None };
    let home = board.databases.values().find(|state| state.home);
    Some(Matter {
        title: "Nobody acts: the lease cannot be taken in the home database".into(),
        cause: cause.id(),
        lines: home.and_then(|home| home.problem.clone()).into_iter().collect(),
        fix: words::prose(cause.fix()),
        ..Matter::new(Level::Bad)
    })
}

fn evidence(board: &Board) -> Option<Matter> {
    let evidence = &board.evidence;
    if evidence.problem.is_none() && evidence.sound != Some(false) {
        return None;
    }
    Some(Matter {
        title: match evidence.sound {
            Some(false) => "The evidence log is not what it was".into(),
            _ => "The evidence log cannot be extended".into(),
        },
        lines: evidence.problem.iter().cloned().collect(),
        cause: evidence.cause.map_or("", Cause::id),
        fix: words::prose(evidence.cause.unwrap_or(Cause::Evidence).fix()),
        ..Matter::new(Level::Bad)
    })
}

/// Processes with different policies: which, since when, and what waits.
fn split(board: &Board, now: Timestamp) -> Option<Matter> {
    let since = words::since(board.split?, now);
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let mut lines = vec![format!("for {since}; this process has policy {}", short(&board.config.policy_digest))];
    let mut rules = vec![];
    for (digest, policy) in &board.policies {
        lines.push(format!("another one has {}, for {}", short(digest), words::since(policy.since, now)));
        rules.extend(policy.waits.iter().map(|rule| Item {
            rule: rule.clone(),
            detail: format!("waits for its approval, as policy {} has it", short(digest)),
            since: String::new(),
            command: words::command(Cause::PolicySplit.fix(), rule),
        }));
    }
    let more = rules.split_off(RULES_SHOWN.min(rules.len()));
    Some(Matter {
        title: "Processes of the instance have different policies".into(),
        cause: Cause::PolicySplit.id(),
        lines,
        fix: words::prose(Cause::PolicySplit.fix()),
        rules,
        more,
        ..Matter::new(Level::Warn)
    })
}

/// With the rules that failed for it: they are no matters of their own.
fn database(name: &str, state: &DatabaseState, board: &Board, now: Timestamp) -> Option<Matter> {
    let is_down = is_down(state);
    let cause = match state.paused {
        _ if is_down => Cause::Unreachable,
        Some(Pause::EvidenceBacklog) => Cause::EvidenceBacklog,
        // Nothing of this mends itself.
        Some(reason @ (Pause::NotMyReplica | Pause::ReplicaUnreachable | Pause::SignalUnread | Pause::LogKept)) => {
            reason.cause()
        }
        _ => return None,
    };
    let mut rules: Vec<_> = board
        .rules
        .iter()
        .filter(|(_, rule)| is_down && rule.database == name && failed_for_it(rule))
        .map(|(name, rule)| item(name, rule, Some(cause), now))
        .collect();
    let more = rules.split_off(RULES_SHOWN.min(rules.len()));
    Some(Matter {
        title: match cause {
            Cause::Unreachable => format!("Database {name} does not answer"),
            Cause::EvidenceBacklog => format!("Nothing is started in {name}: too many receipts wait for the relay"),
            _ => format!("Batches wait in {name}"),
        },
        cause: cause.id(),
        lines: state.problem.iter().chain(state.throttled.as_ref().map(|(_, found)| found)).cloned().collect(),
        fix: words::prose(cause.fix()),
        rules,
        more,
        ..Matter::new(Level::Bad)
    })
}

fn is_down(state: &DatabaseState) -> bool {
    state.up == Some(false) || state.paused == Some(Pause::Unreachable)
}

fn failed_for_it(rule: &RuleState) -> bool {
    rule::state(rule) == State::Failed && rule::cause(rule) == Some(Cause::Unreachable)
}

/// Rules that ended alike are one matter.
fn rules(board: &Board, now: Timestamp) -> Vec<Matter> {
    let mut groups: BTreeMap<(Level, State, Option<Cause>), Vec<Item>> = BTreeMap::new();
    for (name, state) in &board.rules {
        if failed_for_it(state) && board.databases.get(&state.database).is_some_and(is_down) {
            continue;
        }
        let how = rule::state(state);
        let level = match how {
            State::Failed | State::Blind | State::Blocked => Level::Bad,
            State::Observing | State::Partial => Level::Warn,
            State::Running | State::Draining | State::Paused | State::Waiting | State::Clean => continue,
        };
        let cause = rule::cause(state);
        groups.entry((level, how, cause)).or_default().push(item(name, state, cause, now));
    }
    groups.into_iter().map(|((level, how, cause), items)| group(level, how, cause, items)).collect()
}

fn group(level: Level, how: State, cause: Option<Cause>, mut rules: Vec<Item>) -> Matter {
    let (is, observes) = if rules.len() == 1 { ("is", "observes") } else { ("are", "observe") };
    let n = words::counted(rules.len(), "rule");
    let title = match how {
        State::Failed => format!("{n} failed"),
        State::Partial => format!("{n} left rows that are due"),
        State::Observing => format!("{n} only {observes}, and rows are due"),
        how => format!("{n} {is} {}", how.word()),
    };
    let more = rules.split_off(RULES_SHOWN.min(rules.len()));
    let fix = cause.map_or_else(Vec::new, |cause| words::prose(cause.fix()));
    Matter { title, cause: cause.map_or("", Cause::id), fix, rules, more, ..Matter::new(level) }
}

fn item(name: &str, state: &RuleState, cause: Option<Cause>, now: Timestamp) -> Item {
    let last = state.standing.last.as_ref();
    let blocked = state.standing.blocked.filter(|blocked| Some(blocked.cause) == cause);
    let since = blocked.map(|blocked| blocked.since).or_else(|| last.map(|last| last.at));
    let detail = match last {
        Some(last) if cause == Some(Cause::Observe) && last.verdict == Verdict::Partial => rule::would_have(state),
        last => last.and_then(|last| last.detail.clone()).unwrap_or_default(),
    };
    Item {
        rule: name.into(),
        detail,
        since: since.map_or_else(String::new, |since| words::since(since, now)),
        command: cause.and_then(|cause| words::command(cause.fix(), name)),
    }
}

// === impl Matter ===

impl Matter {
    fn new(level: Level) -> Self {
        Self { level, title: String::new(), cause: "", lines: vec![], fix: vec![], rules: vec![], more: vec![] }
    }
}

// === impl Level ===

impl Level {
    /// The class of its looks.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
        }
    }
}
