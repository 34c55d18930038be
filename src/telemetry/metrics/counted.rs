//! What is counted while the process lives: counters and the histogram of batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    CounterVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, Result as Outcome,
};

use super::names::{self, About};
use super::words::{self, BatchResult, GUARDS};
use crate::board::{DatabaseState, Pause, RuleState};
use crate::run::Verdict;

/// Upper bounds of batch durations, in seconds: 1 ms to 10 s.
const BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The counters, and the registry that hands them out.
pub(super) struct Counted {
    pub(super) registry: Registry,
    pub(super) runs: IntCounterVec,
    pub(super) runs_skipped: IntCounterVec,
    pub(super) rows_changed: IntCounterVec,
    pub(super) rows_skipped: IntCounterVec,
    pub(super) guard_trips: IntCounterVec,
    pub(super) batches: IntCounterVec,
    pub(super) batch_seconds: HistogramVec,
    pub(super) pause_seconds: CounterVec,
    pub(super) rest_seconds: CounterVec,
    pub(super) errors: IntCounterVec,
    pub(super) entries: IntCounter,
    pub(super) append_failures: IntCounter,
}

// === impl Counted ===

impl Counted {
    pub(super) fn new() -> Outcome<Self> {
        let registry = Registry::new();
        let counters = |about: &About| added(&registry, IntCounterVec::new(options(about), about.labels)?);
        let counter = |about: &About| added(&registry, IntCounter::with_opts(options(about))?);
        let seconds = |about: &About| added(&registry, CounterVec::new(options(about), about.labels)?);
        let durations = HistogramOpts::from(options(&names::BATCH_SECONDS)).buckets(BUCKETS.to_vec());
        Ok(Self {
            runs: counters(&names::RUNS)?,
            runs_skipped: counters(&names::RUNS_SKIPPED)?,
            rows_changed: counters(&names::ROWS_CHANGED)?,
            rows_skipped: counters(&names::ROWS_SKIPPED)?,
            guard_trips: counters(&names::GUARD_TRIPS)?,
            batches: counters(&names::BATCHES)?,
            batch_seconds: added(&registry, HistogramVec::new(durations, names::BATCH_SECONDS.labels)?)?,
            pause_seconds: seconds(&names::PAUSE_SECONDS)?,
            rest_seconds: seconds(&names::REST_SECONDS)?,
            errors: counters(&names::DATABASE_ERRORS)?,
            entries: counter(&names::EVIDENCE_ENTRIES)?,
            append_failures: counter(&names::EVIDENCE_FAILURES)?,
            registry,
        })
    }

    /// Makes every series of these rules and databases, and forgets those of others.
    pub(super) fn keep(
        &self,
        rules: &BTreeMap<String, RuleState>,
        databases: &BTreeMap<String, DatabaseState>,
    ) -> Outcome<()> {
        for (rule, state) in rules {
            let rule = rule.as_str();
            for verdict in Verdict::ALL {
                self.runs.get_metric_with_label_values(&[rule, verdict.id()])?;
            }
            for cause in words::SKIP_CAUSES {
                self.runs_skipped.get_metric_with_label_values(&[rule, cause.id()])?;
            }
            self.rows_changed.get_metric_with_label_values(&[rule, state.action])?;
            for cause in words::ROW_CAUSES {
                self.rows_skipped.get_metric_with_label_values(&[rule, cause.id()])?;
            }
            for guard in GUARDS {
                self.guard_trips.get_metric_with_label_values(&[rule, guard.id()])?;
            }
        }
        for database in databases.keys().map(String::as_str) {
            self.batch_seconds.get_metric_with_label_values(&[database])?;
            for result in BatchResult::ALL {
                self.batches.get_metric_with_label_values(&[database, result.id()])?;
            }
            for reason in Pause::ALL {
                self.pause_seconds.get_metric_with_label_values(&[database, reason.id()])?;
            }
            self.rest_seconds.get_metric_with_label_values(&[database])?;
            for class in words::CLASSES {
                self.errors.get_metric_with_label_values(&[database, *class])?;
            }
        }
        let rules = rules.keys().map(String::as_str).collect();
        for counters in [&self.runs, &self.runs_skipped, &self.rows_changed, &self.rows_skipped, &self.guard_trips] {
            forget(counters, &rules)?;
        }
        let databases = databases.keys().map(String::as_str).collect();
        forget(&self.batches, &databases)?;
        forget(&self.errors, &databases)?;
        forget(&self.pause_seconds, &databases)?;
        forget(&self.rest_seconds, &databases)?;
        forget(&self.batch_seconds, &databases)
    }
}

/// Removes the series whose first label, that of a rule or a database, is none of `known`.
fn forget<B: MetricVecBuilder>(series: &MetricVec<B>, known: &BTreeSet<&str>) -> Outcome<()> {
    let families = series.collect();
    let owner = series.desc().first().and_then(|desc| desc.variable_labels.first()).cloned().unwrap_or_default();
    for metric in families.iter().flat_map(|family| family.get_metric()) {
        let labels = metric.get_label();
        if labels.iter().any(|label| label.name() == owner && !known.contains(label.value())) {
            let values: HashMap<_, _> = labels.iter().map(|label| (label.name(), label.value())).collect();
            series.remove(&values)?;
        }
    }
    Ok(())
}

fn options(about: &About) -> Opts {
    Opts::new(about.name, about.help)
}

fn added<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Outcome<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
