//! How one rule stands: what was done about its fire times, and how it went. Kept in the home database as JSON, so
//! that a process that starts anew, or takes over, knows what the one before knew.

use forgetd_connector::{Cause, Commit, Control, Fault, FaultClass, StandingRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Report, Skipped, Verdict, resume};
use crate::clock;
use crate::rules::{QuietWindows, Rule};

/// So many points of the backlog's course are kept.
const COURSE_MAX: usize = 90;

/// Points closer together than this replace each other.
const COURSE_EVERY_SECS: i64 = 3600;

/// How one rule stands. No value of the user's tables is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Fire times up to here were served: by a run, or by an entry that says why there was none.
    pub served: Option<Timestamp>,
    /// Its last run, whatever came of it.
    pub last: Option<LastRun>,
    /// The last one that ended clean.
    pub last_clean: Option<Timestamp>,
    /// The cause for which it has not acted since, and the first time it did not.
    pub blocked: Option<Blocked>,
    /// How many runs in a row failed; the next attempt waits longer with each.
    pub failures: u32,
    /// Set while a person wants it to rest.
    pub paused: Option<Paused>,
    /// What was due when somebody last looked.
    pub measured: Option<Measured>,
    /// How much was left after runs, oldest first: the course of a backlog.
    pub course: Vec<(Timestamp, u64)>,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it ended, by our clock.
    pub at: Timestamp,
    /// Its ULID; empty for a run that never began.
    pub run_id: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it is not clean.
    pub cause: Option<Cause>,
    /// Where and what, for a person.
    pub detail: Option<String>,
    /// The frozen instant.
    pub cutoff: Option<Timestamp>,
    /// Rows due at its start.
    pub due: Option<u64>,
    /// Whether that number is exact.
    pub due_exact: bool,
    /// Rows changed.
    pub changed: u64,
    /// Due rows recounted at the end.
    pub left: Option<u64>,
    /// Rows passed over, by cause.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Batches with a receipt.
    #[serde(default)]
    pub batches: u64,
    /// The largest of them.
    #[serde(default)]
    pub batch_rows_max: u64,
    /// The longest transaction.
    #[serde(default)]
    pub longest_tx_ms: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// A rule that may not, or cannot, act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Why.
    pub cause: Cause,
    /// Since when, by our clock; another cause begins anew.
    pub since: Timestamp,
}

/// A person's wish that the rule rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// Who.
    pub who: String,
    /// Why, in that person's words; may be empty.
    pub reason: String,
}

/// What was due at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// When, by our clock.
    pub at: Timestamp,
    /// Rows due.
    pub due: u64,
    /// Whether counting stopped there: there may be more.
    pub capped: bool,
    /// The moment the oldest of them counts from, where it is known.
    pub oldest: Option<Timestamp>,
}

// === impl Standing ===

impl Standing {
    /// What is left of a text that an older or newer version wrote. What cannot be read is as if nothing was known: the
    /// rule fires at its next time.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Notes a run that ended at `at` and serves fire times up to `fire`; none for one that a person asked for. What is left
    /// after a run that worked may be younger than what was oldest at its begin: the older moment stands until the next look,
    /// as does what was known before where a run that broke off did not find it.
    pub fn ran(&mut self, report: &Report, fire: Option<Timestamp>, at: Timestamp) {
        if !will_go_on(report) {
            self.served = self.served.max(fire);
        }
        self.failures = if report.verdict == Verdict::Failed { self.failures.saturating_add(1) } else { 0 };
        self.blocked = match (report.verdict, report.cause) {
            (Verdict::Blocked | Verdict::Blind, Some(cause)) => {
                let since = self.blocked.filter(|before| before.cause == cause).map_or(at, |before| before.since);
                Some(Blocked { cause, since })
            }
            // Nothing was found out about why it is blocked.
            (Verdict::Failed, _) => self.blocked,
            _ => None,
        };
        if report.verdict == Verdict::Clean {
            self.last_clean = Some(at);
        }
        let before = self.measured.filter(|_| will_go_on(report)).and_then(|before| before.oldest);
        let known = report.oldest.or(before);
        if let Some(left) = report.left {
            self.measured = Some(Measured {
                at,
                due: left,
                capped: report.cause == Some(Cause::Observe) && !report.due_exact,
                oldest: known.filter(|_| left > 0),
            });
            self.note_course(at, left);
        } else if let Some(due) = report.due {
            self.measured = Some(Measured { at, due, capped: !report.due_exact, oldest: known.filter(|_| due > 0) });
        }
        self.last = Some(LastRun {
            at,
            run_id: report.run_id.clone(),
            verdict: report.verdict,
            cause: report.cause,
            detail: report.detail.clone(),
            cutoff: report.cutoff,
            due: report.due,
            due_exact: report.due_exact,
            changed: report.changed,
            left: report.left,
            skipped: report.skipped.clone(),
            batches: report.batches,
            batch_rows_max: report.batch_rows_max,
            longest_tx_ms: report.longest_tx_ms,
            seconds: report.seconds,
        });
    }

    /// Whether the rule's run for a fire time began, waits to go on, and is not too old for it.
    pub fn goes_on(&self, rule: &Rule, quiet: &QuietWindows, fire: Timestamp, now: Timestamp) -> bool {
        self.last.as_ref().is_some_and(|last| {
            last.at >= fire
                && !last.run_id.is_empty()
                && last.cause.is_some_and(Cause::goes_on)
                && resume::is_young(rule, quiet, last.at, now)
        })
    }

    /// As it is kept.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The last run came to another end than was noted: its evidence could not be relayed.
    pub fn amend(&mut self, report: &Report) {
        if let Some(last) = self.last.as_mut().filter(|last| last.run_id == report.run_id) {
            (last.verdict, last.cause) = (report.verdict, report.cause);
            last.detail.clone_from(&report.detail);
            if self.last_clean == Some(last.at) && report.verdict != Verdict::Clean {
                // When it was clean before is not known any more; the next run says.
                self.last_clean = None;
            }
        }
    }

    /// Lets the rule rest, or work again. What to say about it.
    pub fn rest(&mut self, rule: &str, paused: Option<Paused>, now: Timestamp) -> String {
        let was = self.paused.is_some();
        if paused.is_none() && was {
            // Fire times that passed while it rested were told; it does not catch up with the last of them.
            self.served = self.served.max(Some(now));
        }
        self.paused = paused;
        match (self.paused.is_some(), was) {
            (true, _) => format!("{rule}: paused"),
            (false, true) => format!("{rule}: resumed"),
            (false, false) => format!("{rule}: was not paused"),
        }
    }

    fn note_course(&mut self, at: Timestamp, left: u64) {
        let near = |before: &(Timestamp, u64)| at.duration_since(before.0).as_secs() < COURSE_EVERY_SECS;
        // The newest point moves until an hour lies between it and the one before.
        if let [.., before, last] = self.course.as_mut_slice()
            && near(before)
        {
            *last = (at, left);
            return;
        }
        self.course.push((at, left));
        let over = self.course.len().saturating_sub(COURSE_MAX);
        self.course.drain(..over);
    }
}

/// Lets a rule rest, or work again, where nobody serves; the fence holds `term`. What to say about it.
pub async fn rest(control: &dyn Control, term: u64, rule: &str, paused: Option<Paused>) -> Result<String, Fault> {
    let rows = control.standings().await?;
    let mut standing =
        rows.iter().find(|row| row.rule == rule).map(|row| Standing::read(&row.body)).unwrap_or_default();
    let said = standing.rest(rule, paused, clock::now());
    let row = StandingRow { rule: rule.into(), body: standing.text() };
    written(control.keep_standing(&row, term).await).map(|()| said)
}

/// The same row again changes nothing, so an unknown outcome is an error like others: it is written again next time.
pub(crate) fn written(commit: Commit) -> Result<(), Fault> {
    match commit {
        Commit::Committed => Ok(()),
        Commit::Fenced => Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "keep standing", "home database")),
        Commit::RolledBack(fault) | Commit::Unknown(fault) => Err(fault),
    }
}

/// Whether the run's fire time is still to be served: it broke off, and is tried again before the next one.
pub fn will_go_on(report: &Report) -> bool {
    report.verdict == Verdict::Failed || report.cause.is_some_and(Cause::goes_on)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Cause;
    use jiff::Timestamp;

    use super::Standing;
    use crate::rules::testing::rule;
    use crate::run::{Report, Verdict};

    #[test]
    fn a_run_that_broke_off_leaves_what_is_oldest_as_it_was_known() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (noon, older) = (at("2026-06-30T12:00:00Z"), at("2026-04-01T00:00:00Z"));
        let mut report = Report::new(&rule("sessions", "session"), "A".into());
        (report.due, report.oldest) = (Some(500), Some(older));
        let mut standing = Standing::default();
        standing.ran(&report.clone().ended(Verdict::Partial, Some(Cause::Cap), None), None, noon);
        let oldest = |standing: &Standing| standing.measured.unwrap().oldest;
        assert_eq!(oldest(&standing), Some(older));

        (report.left, report.oldest) = (Some(200), None);
        standing.ran(&report.clone().ended(Verdict::Partial, Some(Cause::Interrupted), None), None, noon);
        assert_eq!(oldest(&standing), Some(older), "200 rows are left");
        report.left = None;
        standing.ran(&report.clone().ended(Verdict::Failed, Some(Cause::Unreachable), None), None, noon);
        assert_eq!(oldest(&standing), Some(older), "nobody knows how many are left");

        report.left = Some(0);
        standing.ran(&report.clone().ended(Verdict::Partial, Some(Cause::Interrupted), None), None, noon);
        assert_eq!(oldest(&standing), None, "none is left");
    }
}
