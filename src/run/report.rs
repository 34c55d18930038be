//! The result of a run, as people and programs read it.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Verdict;
use super::close::verdict_of;
use crate::rules::Rule;

/// The result of one run of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The rule.
    pub rule: String,
    /// What it does: `delete` or `transform`.
    pub action: &'static str,
    /// What changed rows have been then, for people.
    #[serde(skip)]
    pub done: &'static str,
    /// The run's ULID; empty for a run that never began.
    pub run_id: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it is not clean.
    pub cause: Option<Cause>,
    /// Where and what, for a person: names and codes, never a value.
    pub detail: Option<String>,
    /// The frozen instant, once there was one.
    pub cutoff: Option<Timestamp>,
    /// Rows due at the start.
    pub due: Option<u64>,
    /// Whether that number is exact; counting stops early where nothing needs the rest.
    pub due_exact: bool,
    /// The moment that the oldest of them counts from, where it is known.
    pub oldest: Option<Timestamp>,
    /// Rows changed.
    pub changed: u64,
    /// Due rows recounted at the end.
    pub left: Option<u64>,
    /// Rows passed over, by cause.
    pub skipped: Vec<Skipped>,
    /// Batches with a receipt.
    pub batches: u64,
    /// How many lanes this process had them in: two where a second one worked beside the first for a while.
    pub lanes: u32,
    /// The largest batch.
    pub batch_rows_max: u64,
    /// The longest transaction.
    pub longest_tx_ms: u64,
    /// The whole run.
    pub seconds: f64,
}

/// Rows passed over for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Why.
    pub cause: Cause,
    /// How many.
    pub n: u64,
}

// === impl Report ===

impl Report {
    /// A report of a run that has not done anything yet.
    pub fn new(rule: &Rule, run_id: String) -> Self {
        Self {
            rule: rule.name.clone(),
            action: rule.action.word(),
            done: rule.action.done(),
            run_id,
            verdict: Verdict::Failed,
            cause: None,
            detail: None,
            cutoff: None,
            due: None,
            due_exact: false,
            oldest: None,
            changed: 0,
            left: None,
            skipped: vec![],
            batches: 0,
            lanes: 0,
            batch_rows_max: 0,
            longest_tx_ms: 0,
            seconds: 0.0,
        }
    }

    /// A report of a run that could not even begin.
    pub fn refused(rule: &Rule, fault: &Fault) -> Self {
        let report = Self::new(rule, String::new());
        report.ended(verdict_of(fault), Some(fault.cause()), Some(fault.to_string()))
    }

    /// The same with how it ended.
    #[must_use]
    pub fn ended(mut self, verdict: Verdict, cause: Option<Cause>, detail: Option<String>) -> Self {
        self.verdict = verdict;
        self.cause = cause;
        self.detail = detail;
        self
    }

    /// The verdict as exit codes and requests see it: observing with rows due is no failure.
    pub fn verdict(&self) -> Verdict {
        if self.cause == Some(Cause::Observe) { Verdict::Clean } else { self.verdict }
    }

    /// The result for people: one line, and one below it for each thing to know.
    pub fn text(&self) -> String {
        let cause = self.cause.map_or(String::new(), |cause| format!(": {cause}"));
        let left = self.left.map_or_else(|| "unknown".into(), |left| left.to_string());
        let mut lines = vec![format!(
            "{}: {}{cause}  {} rows {}, {left} left, {} batches, {:.1} s",
            self.rule, self.verdict, self.changed, self.done, self.batches, self.seconds
        )];
        for skipped in &self.skipped {
            lines.push(format!("  {} rows skipped: {}; {}", skipped.n, skipped.cause, skipped.cause.fix()));
        }
        lines.extend(self.detail.iter().map(|detail| format!("  {detail}")));
        lines.extend(self.cause.map(|cause| format!("  {}", cause.fix())));
        lines.join("\n")
    }

    /// The skipped rows as a map.
    pub(super) fn skipped_map(&self) -> BTreeMap<Cause, u64> {
        self.skipped.iter().map(|skipped| (skipped.cause, skipped.n)).collect()
    }
}
