//! `plan --diff OLD NEW`: what a change of the policy makes due, and what it no longer does. Changes nothing.
//!
//! Both policies are planned at one moment of each database, and the difference of their selections is counted by the
//! engine: rows that the one means and the other does not.

use std::{collections::BTreeSet, path::Path};

use forgetd_connector::{Atomicity, Connector, Count, Except, Fault, Finding, RowCap, Step};
use jiff::Timestamp;
use serde_json::json;

use super::markdown;
use crate::{
    app,
    cli::{
        check::{Opened, atomicity, open, reach},
        complain, load, print, report,
    },
    config::Config,
    plan, preflight,
    rules::{Change, Policy, Rule, changes},
};

/// Counting stops here unless all is asked for.
const COUNT_MAX: u64 = 1_000_000;

/// How the answer is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) json: bool,
    pub(super) md: bool,
    pub(super) exact: bool,
    pub(super) detailed_exitcode: bool,
}

/// What becomes of one rule.
#[derive(Clone, Debug)]
pub(super) struct RuleDiff {
    pub(super) rule: String,
    pub(super) table: String,
    /// `added`, `removed`, `changed` or `same`.
    pub(super) status: &'static str,
    pub(super) changes: Vec<Change>,
    /// Rows that the new rule means and the old one does not.
    pub(super) becomes_due: Option<Count>,
    /// Rows that the old rule means and the new one does not.
    pub(super) no_longer_due: Option<Count>,
    /// What keeps one of the two from being counted.
    pub(super) findings: Vec<Finding>,
}

/// Compares and prints. The exit code is the command's: 78 for a broken configuration, 69 where a database does not
/// answer, 4 where a rule cannot be planned, 2 where a row's fate changes and that was asked for.
pub(super) async fn run(old: &Path, new: &Path, asked: Asked) -> u8 {
    let (old, new) = match (load(old), load(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let databases = match app::connect(&new).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let compared = compare(&old, &new, &open(&new, &databases), asked.exact).await;
    databases.close().await;
    let diffs = match compared {
        Ok(diffs) => diffs,
        Err(fault) => {
            super::say(format_args!("{fault}; {}", fault.cause().fix()));
            return app::exit_code(&fault);
        }
    };
    if asked.json {
        diffs.iter().for_each(|diff| print(diff.json()));
    } else if asked.md {
        print(as_markdown(&diffs));
    } else {
        print(as_text(&diffs));
    }
    exit_code(&diffs, asked.detailed_exitcode)
}

async fn compare(old: &Config, new: &Config, opened: &Opened<'_>, exact: bool) -> Result<Vec<RuleDiff>, Fault> {
    let cap = RowCap((!exact).then_some(COUNT_MAX));
    let runs = |config: &Config| -> BTreeSet<String> {
        config.policy.rules.iter().filter(|rule| rule.runs()).map(|rule| rule.name.clone()).collect()
    };
    let mut diffs = vec![];
    for name in runs(old).union(&runs(new)) {
        let running = |policy: &Policy| policy.rule(name).filter(|rule| rule.runs()).cloned();
        let sides = (running(&old.policy), running(&new.policy));
        let Some(rule) = sides.1.as_ref().or(sides.0.as_ref()) else { continue };
        let connector = reach(opened, &rule.database)?;
        let atomicity = new.database(&rule.database).map_or(Atomicity::Atomic, |entry| atomicity(entry, connector));
        let at = At { connector, now: connector.now().await?, atomicity, cap };
        diffs.push(at.diff(sides, &old.policy, &new.policy).await?);
    }
    Ok(diffs)
}

/// Where and when both sides are planned.
struct At<'a> {
    connector: &'a dyn Connector,
    now: Timestamp,
    atomicity: Atomicity,
    cap: RowCap,
}

impl At<'_> {
    async fn diff(
        &self,
        (old, new): (Option<Rule>, Option<Rule>),
        old_policy: &Policy,
        new_policy: &Policy,
    ) -> Result<RuleDiff, Fault> {
        let mut findings = vec![];
        let before = self.step(old.as_ref(), old_policy, &mut findings).await?;
        let after = self.step(new.as_ref(), new_policy, &mut findings).await?;
        let named = new.as_ref().or(old.as_ref());
        let changes = match (&old, &new) {
            (Some(old), Some(new)) => changes(&old.definition(), &new.definition()),
            _ => vec![],
        };
        let status = match (&old, &new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ if changes.is_empty() => "same",
            _ => "changed",
        };
        let comparable = findings.is_empty();
        let (becomes_due, no_longer_due) = if comparable {
            (
                Some(self.beyond(after.as_ref(), before.as_ref()).await?),
                Some(self.beyond(before.as_ref(), after.as_ref()).await?),
            )
        } else {
            (None, None)
        };
        let place = named.map_or_else(String::new, |rule| format!("{}.{}", rule.database, rule.table));
        for count in [becomes_due, no_longer_due].into_iter().flatten() {
            if let Count::Blind(cause) = count {
                findings.push(Finding::blocks(
                    cause,
                    &place,
                    "rows cannot be counted, so nobody can tell what changes",
                ));
            }
        }
        Ok(RuleDiff {
            rule: named.map_or_else(String::new, |rule| rule.name.clone()),
            table: named.map_or_else(String::new, |rule| format!("{}.{}", rule.database, rule.table)),
            status,
            changes,
            becomes_due,
            no_longer_due,
            findings,
        })
    }

    /// The step of one side; nothing where there is no rule or the plan refuses, which is a finding.
    async fn step(
        &self,
        rule: Option<&Rule>,
        policy: &Policy,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Step>, Fault> {
        let Some(rule) = rule else { return Ok(None) };
        let catalog = preflight::describe(rule, policy, self.connector).await?;
        match plan::step(rule, &catalog, &rule.database, self.now, self.atomicity, policy) {
            Ok(step) => Ok(Some(step)),
            Err(found) => {
                findings.extend(found);
                Ok(None)
            }
        }
    }

    /// How many rows `one` means and `other` does not.
    async fn beyond(&self, one: Option<&Step>, other: Option<&Step>) -> Result<Count, Fault> {
        let Some(one) = one else { return Ok(Count::Exact(0)) };
        let mut step = one.clone();
        if let Some(other) = other.filter(|other| other.selection.table == one.selection.table) {
            step.selection.except.push(Except::Due(Box::new(other.selection.clone())));
            step.others.extend(other.others.iter().cloned());
        }
        Ok(self.connector.measure(&step, self.cap).await?.due)
    }
}

fn exit_code(diffs: &[RuleDiff], detailed: bool) -> u8 {
    let moved = |count: Option<Count>| count.and_then(Count::rows).is_some_and(|rows| rows > 0);
    if diffs.iter().any(|diff| !diff.findings.is_empty()) {
        4
    } else if detailed && diffs.iter().any(|diff| moved(diff.becomes_due) || moved(diff.no_longer_due)) {
        2
    } else {
        0
    }
}

const HEAD: [&str; 6] = ["rule", "table", "status", "becomes due", "no longer due", "changes"];

fn as_text(diffs: &[RuleDiff]) -> String {
    let mut table = report::table();
    table.set_header(HEAD);
    for diff in diffs {
        table.add_row(diff.row());
    }
    let mut parts = vec![report::text(&table)];
    let findings: Vec<Finding> = diffs.iter().flat_map(|diff| diff.findings.clone()).collect();
    if !findings.is_empty() {
        parts.push(report::findings(&findings));
    }
    parts.join("\n\n")
}

fn as_markdown(diffs: &[RuleDiff]) -> String {
    let mut lines = vec!["### forgetd: what this change makes due".to_owned(), String::new()];
    lines.extend(markdown::table(&HEAD.map(str::to_owned), diffs.iter().map(RuleDiff::row)));
    lines.join("\n")
}

// === impl RuleDiff ===

impl RuleDiff {
    fn row(&self) -> [String; 6] {
        let count = |count: Option<Count>| count.map_or("unknown".into(), report::count);
        let mut changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        changes.extend(self.findings.iter().map(|finding| format!("{}: {}", finding.id, finding.message)));
        [
            self.rule.clone(),
            self.table.clone(),
            self.status.into(),
            count(self.becomes_due),
            count(self.no_longer_due),
            changes.join("; "),
        ]
    }

    fn json(&self) -> String {
        let rows = |count: Option<Count>| count.and_then(Count::rows);
        let exact = |count: Option<Count>| matches!(count, Some(Count::Exact(_)));
        json!({
            "rule": self.rule,
            "table": self.table,
            "status": self.status,
            "changes": self.changes,
            "becomes_due": rows(self.becomes_due),
            "no_longer_due": rows(self.no_longer_due),
            "exact": exact(self.becomes_due) && exact(self.no_longer_due),
            "findings": self.findings,
        })
        .to_string()
    }
}
