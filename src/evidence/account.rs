//! Keeps account of what the entries of a log say: canonical, gapless, and adding up. Fed entry by entry, in any order
//! inside a lane, because lanes commit and are adopted out of order.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::account_approvals::{self, Signers};
use super::account_keys::KeyAccount;
use super::canonical_check::is_canonical;
use super::walk::{PROBLEMS_MAX, Problem, ProblemKind};

/// The parts of an entry that have to agree with other entries.
#[derive(Debug, Deserialize)]
pub(super) struct EntryView<'a> {
    pub(super) v: u64,
    #[serde(borrow, rename = "type")]
    pub(super) kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub(super) instance: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub(super) generation: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub(super) rule: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub(super) lane: std::borrow::Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow, default)]
    pub(super) run: std::borrow::Cow<'a, str>,
    #[serde(default)]
    pub(super) changed: u64,
    #[serde(default)]
    pub(super) batches: u64,
}

/// The account of one log.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// How many entries there are of each type.
    pub(super) kinds: BTreeMap<String, u64>,
    /// The log goes on where another one ended: its first entry is a recovery.
    continued: bool,
    /// By instance, generation, rule and lane.
    lanes: BTreeMap<[String; 4], Lane>,
    runs: BTreeMap<String, Run>,
    keys: KeyAccount,
    /// Whose good signatures there are.
    pub(super) signers: Signers,
    problems: Vec<Problem>,
}

/// The sequences seen in one lane: all up to `through`, and the few beyond it.
#[derive(Debug, Default)]
struct Lane {
    through: u64,
    beyond: std::collections::BTreeSet<u64>,
}

/// What batches of a run add up to, and what its end says.
#[derive(Debug, Default)]
struct Run {
    changed: u64,
    batches: u64,
    started: bool,
    finished: Option<(u64, u64, u64)>,
}

// === impl Account ===

impl Account {
    /// Takes the entry at `index`.
    pub(super) fn enter(&mut self, index: u64, entry: &[u8]) {
        let place = || format!("entry {index}");
        if !is_canonical(entry) {
            return self.problem(ProblemKind::Tampered, place(), "it is not canonical JSON");
        }
        let Ok(view) = serde_json::from_slice::<EntryView<'_>>(entry) else {
            return self.problem(ProblemKind::Tampered, place(), "it lacks what every entry has");
        };
        if view.v != u64::from(super::entry::VERSION) {
            return self.problem(ProblemKind::Tampered, place(), "it has a version that is not known here");
        }
        *self.kinds.entry(view.kind.to_string()).or_default() += 1;
        let lane = [&view.instance, &view.generation, &view.rule, &view.lane].map(ToString::to_string);
        if !self.lanes.entry(lane).or_default().take(view.sequence) {
            self.problem(ProblemKind::Tampered, place(), "its sequence is in the log already");
        }
        if let Some(found) = self.keys.enter(&view.kind, entry) {
            self.problem(ProblemKind::Tampered, place(), &found);
        }
        if let Some(found) = account_approvals::enter(&mut self.signers, &view.kind, entry) {
            self.problem(ProblemKind::Tampered, place(), &found);
        }
        self.continued |= index == 0 && view.kind == "recovery";
        if view.kind == "run.started" {
            self.runs.entry(view.run.to_string()).or_default().started = true;
        } else if view.kind == "batch" {
            let run = self.runs.entry(view.run.to_string()).or_default();
            (run.changed, run.batches) = (run.changed.saturating_add(view.changed), run.batches + 1);
        } else if view.kind == "run.finished" {
            let run = self.runs.entry(view.run.to_string()).or_default();
            if run.finished.replace((index, view.changed, view.batches)).is_some() {
                self.problem(ProblemKind::Tampered, place(), "its run had ended already");
            }
        }
    }

    /// Everything that does not add up, at most [`PROBLEMS_MAX`].
    pub(super) fn close(mut self) -> Vec<Problem> {
        for ([_, generation, rule, lane], mut seen) in std::mem::take(&mut self.lanes) {
            // The lanes and runs of a log that goes on began in the one before.
            if self.continued && seen.through == 0 {
                seen.skip_to_first();
            }
            if let Some(next) = seen.beyond.first() {
                let found = format!("sequences {} to {} are not in the log", seen.through + 1, next - 1);
                self.problem(ProblemKind::Missing, format!("{generation}/{rule}/{lane}"), &found);
            }
        }
        for (run, sums) in std::mem::take(&mut self.runs) {
            let Some((index, changed, batches)) = sums.finished else { continue };
            let elsewhere = self.continued && !sums.started;
            if !elsewhere && (changed, batches) != (sums.changed, sums.batches) {
                let found = format!(
                    "run {run} ended with {changed} rows in {batches} batches; its batches in the log are {} with {} rows",
                    sums.batches, sums.changed
                );
                self.problem(ProblemKind::Missing, format!("entry {index}"), &found);
            }
        }
        self.problems
    }

    fn problem(&mut self, kind: ProblemKind, place: String, found: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { kind, place, found: found.into() });
        }
    }
}

// === impl Lane ===

impl Lane {
    /// False: the sequence was seen before, or is 0.
    fn take(&mut self, sequence: u64) -> bool {
        if sequence <= self.through || !self.beyond.insert(sequence) {
            return false;
        }
        self.close_up();
        true
    }

    fn skip_to_first(&mut self) {
        self.through = self.beyond.pop_first().unwrap_or_default();
        self.close_up();
    }

    fn close_up(&mut self) {
        while self.beyond.remove(&(self.through + 1)) {
            self.through += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, ProblemKind};

    fn entry(kind: &str, lane: &str, sequence: u64, more: &str) -> Vec<u8> {
        let (before, after) =
            if more < "\"generation" { (format!("{more},"), String::new()) } else { (String::new(), more.into()) };
        format!(r#"{{{before}"generation":"g","instance":"i","lane":"{lane}",{after}"rule":"r","run":"u","sequence":{sequence},"type":"{kind}","v":1}}"#)
            .into_bytes()
    }

    fn problems(entries: &[Vec<u8>]) -> Vec<(ProblemKind, String)> {
        let mut account = Account::default();
        for (index, entry) in (0..).zip(entries) {
            account.enter(index, entry);
        }
        account.close().into_iter().map(|problem| (problem.kind, problem.found)).collect()
    }

    #[test]
    fn what_adds_up_is_no_problem_in_any_order_of_a_lane() {
        let batch = |sequence| entry("batch", "0", sequence, r#""changed":10"#);
        let finished = entry("run.finished", "-", 1, r#""batches":3,"changed":30"#);
        assert_eq!(problems(&[finished, batch(1), batch(3), batch(2)]), []);
    }

    #[test]
    fn what_cannot_be_true_of_a_key_is_a_problem() {
        let created = entry("key.created", "-", 1, r#""fingerprint":"ab""#);
        let created = String::from_utf8(created).unwrap().replace(r#""lane""#, r#""kind":"plain","lane""#).into_bytes();
        let destroyed = r#""destroyed_at":"2026-11-25T10:00:00Z","fingerprint":"ab""#;
        let found = problems(&[created, entry("key.destroyed", "-", 2, destroyed)]);
        assert_eq!(found, [(ProblemKind::Tampered, "key ab is called destroyed, and was plain".into())]);
    }

    #[test]
    fn a_log_that_goes_on_may_begin_in_the_middle() {
        let batch = |sequence| entry("batch", "0", sequence, r#""changed":10"#);
        let finished = entry("run.finished", "-", 9, r#""batches":3,"changed":30"#);
        let recovery = entry("recovery", "-", 8, "\"found\":\"lost\"");
        assert_eq!(problems(&[recovery.clone(), finished, batch(7), batch(8)]), []);
        assert_eq!(problems(&[recovery, batch(7), batch(9)])[0].1, "sequences 8 to 8 are not in the log");
    }

    #[test]
    fn gaps_doubles_and_wrong_sums_are_named() {
        let batch = |sequence| entry("batch", "0", sequence, r#""changed":10"#);
        let found = problems(&[batch(1), batch(4), batch(4)]);
        assert_eq!(found[0], (ProblemKind::Tampered, "its sequence is in the log already".into()));
        assert_eq!(found[1], (ProblemKind::Missing, "sequences 2 to 3 are not in the log".into()));
        let found = problems(&[batch(1), entry("run.finished", "-", 1, r#""batches":2,"changed":20"#)]);
        assert_eq!(found[0].0, ProblemKind::Missing);
        assert!(found[0].1.contains("ended with 20 rows in 2 batches; its batches in the log are 1 with 10 rows"));
        assert_eq!(problems(&[b"{}".to_vec()])[0].1, "it lacks what every entry has");
        assert_eq!(problems(&[b"{ }".to_vec()])[0].1, "it is not canonical JSON");
        assert_eq!(problems(&[entry("batch", "0", 0, r#""changed":1"#)])[0].1, "its sequence is in the log already");
    }
}
