//! What Prometheus reads. Gauges are made from the board at each scrape, so they say what is remembered in the home
//! database and survive a restart; counters and durations begin with the process.

mod counted;
mod names;
mod shown;
mod words;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use forgetd_connector::{Cause, Connections, FaultClass};
use prometheus::core::{Atomic, GenericCounterVec};
use prometheus::{Error, TEXT_FORMAT, TextEncoder};

use self::counted::Counted;
use self::shown::Told;
use crate::board::{Board, Pause, Role, RuleState};
use crate::run::{Report, Verdict};

pub use names::{ALL, About, Kind};
pub use words::{BatchResult, GUARDS};

/// The content type of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// Everything that is counted in this process. The loop that serves tells it what happened.
pub struct Metrics {
    counted: Counted,
    /// The run that each rule was last told about, with those of its rows that are counted, here or by the process that it
    /// was taken over from: when it ends it tells of all of them.
    told_runs: Mutex<BTreeMap<String, (String, u64)>>,
    told_databases: Mutex<BTreeMap<String, Told>>,
}

// === impl Metrics ===

impl Metrics {
    /// Nothing counted yet. Fails only for a name or a label that Prometheus does not allow, which is a defect.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { counted: Counted::new()?, told_runs: Mutex::default(), told_databases: Mutex::default() })
    }

    /// The text for Prometheus. A process that does not act shows no series of rules, and counts them from zero when
    /// it acts again.
    pub fn render(&self, board: &Board) -> Result<String, Error> {
        let rules = rules(board);
        self.counted.keep(rules, &board.databases)?;
        locked(&self.told_runs).retain(|rule, _| rules.contains_key(rule));
        let mut families = self.counted.registry.gather();
        families.extend(shown::gather(board, rules, &locked(&self.told_databases))?);
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }

    /// A run begins, or goes on, and has changed so many rows already. What this process did not see of them was counted
    /// where it happened.
    pub fn begun(&self, rule: &str, run: &str, changed: u64) {
        let mut told = locked(&self.told_runs);
        if told.get(rule).is_none_or(|(known, _)| known != run) {
            told.insert(rule.to_owned(), (run.to_owned(), changed));
        }
    }

    /// Rows were changed and committed under a rule.
    pub fn changed(&self, rule: &str, action: &str, rows: u64) {
        add(&self.counted.rows_changed, &[rule, action], rows);
        if let Some((_, counted)) = locked(&self.told_runs).get_mut(rule) {
            *counted += rows;
        }
    }

    /// A run ended. One that was interrupted and goes on is told of each time; its rows count once.
    pub fn ran(&self, report: &Report) {
        let rule = report.rule.as_str();
        add(&self.counted.runs, &[rule, report.verdict.id()], 1);
        add(&self.counted.rows_changed, &[rule, report.action], self.uncounted(report));
        for skipped in &report.skipped {
            add(&self.counted.rows_skipped, &[rule, skipped.cause.id()], skipped.n);
        }
        if let (Verdict::Blocked, Some(guard)) = (report.verdict, report.cause.filter(|cause| GUARDS.contains(cause))) {
            add(&self.counted.guard_trips, &[rule, guard.id()], 1);
        }
    }

    /// A fire time led to no run.
    pub fn skipped(&self, rule: &str, cause: Cause) {
        add(&self.counted.runs_skipped, &[rule, cause.id()], 1);
    }

    /// A batch took so long, where that is known, and this became of it.
    pub fn batch(&self, database: &str, seconds: Option<f64>, result: BatchResult) {
        add(&self.counted.batches, &[database, result.id()], 1);
        if let (Some(seconds), Ok(durations)) =
            (seconds, self.counted.batch_seconds.get_metric_with_label_values(&[database]))
        {
            durations.observe(seconds);
        }
    }

    /// No batch was started in the database for so long.
    pub fn paused(&self, database: &str, reason: Pause, seconds: f64) {
        add(&self.counted.pause_seconds, &[database, reason.id()], seconds.max(0.0));
    }

    /// Batches in the database rested for so long, to leave others room.
    pub fn rested(&self, database: &str, seconds: f64) {
        add(&self.counted.rest_seconds, &[database], seconds.max(0.0));
    }

    /// The database met an error.
    pub fn database_error(&self, database: &str, class: FaultClass) {
        add(&self.counted.errors, &[database, words::class(class)], 1);
    }

    /// How far the slowest replica of the database is behind; nothing where it cannot be told.
    pub fn replica_lag(&self, database: &str, seconds: Option<f64>) {
        locked(&self.told_databases).entry(database.to_owned()).or_default().lag = seconds;
    }

    /// Counts the open connections to the database.
    pub fn connections(&self, database: &str) -> Connections {
        locked(&self.told_databases).entry(database.to_owned()).or_default().connections.clone()
    }

    /// Entries came into the evidence log.
    pub fn appended(&self, entries: u64) {
        self.counted.entries.inc_by(entries);
    }

    /// The evidence log could not be extended.
    pub fn append_failed(&self) {
        self.counted.append_failures.inc();
    }

    /// Rows of a run that were not told of batch by batch: of a commit whose answer came late, for one.
    fn uncounted(&self, report: &Report) -> u64 {
        let mut told = locked(&self.told_runs);
        let before = match told.get(&report.rule) {
            Some((run, counted)) if *run == report.run_id => *counted,
            _ => 0,
        };
        told.insert(report.rule.clone(), (report.run_id.clone(), report.changed.max(before)));
        report.changed.saturating_sub(before)
    }
}

/// The rules whose series this process shows: only who acts knows them.
fn rules(board: &Board) -> &BTreeMap<String, RuleState> {
    static NONE: BTreeMap<String, RuleState> = BTreeMap::new();
    match board.role {
        Role::Holder { .. } | Role::Observer => &board.rules,
        Role::Starting | Role::Follower { .. } | Role::Nobody { .. } => &NONE,
    }
}

/// The labels are as many as the metric has, so nothing is ever left out.
fn add<P: Atomic>(counters: &GenericCounterVec<P>, labels: &[&str], n: P::T) {
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc_by(n);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
