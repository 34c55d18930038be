//! What the board says, as gauges. They are made anew for each look, so that nothing outlives what it speaks of.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Connections};
use jiff::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts, Registry, Result as Outcome};

use super::names::{self, About};
use crate::board::{Board, Pause, Role, RuleState};
use crate::rules::Mode;
use crate::run::Verdict;

/// What the loop said of a database beside the board.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) lag: Option<f64>,
    pub(super) connections: Connections,
}

/// The gauges of one look.
struct Sheet<'a> {
    registry: Registry,
    board: &'a Board,
    rules: &'a BTreeMap<String, RuleState>,
    told: &'a BTreeMap<String, Told>,
}

/// Every gauge that there is a value for.
pub(super) fn gather(
    board: &Board,
    rules: &BTreeMap<String, RuleState>,
    told: &BTreeMap<String, Told>,
) -> Outcome<Vec<MetricFamily>> {
    let sheet = Sheet { registry: Registry::new(), board, rules, told };
    sheet.process()?;
    sheet.rules()?;
    sheet.states()?;
    sheet.databases()?;
    sheet.evidence()?;
    Ok(sheet.registry.gather())
}

// === impl Sheet ===

impl Sheet<'_> {
    fn process(&self) -> Outcome<()> {
        let Board { config, role, version, .. } = self.board;
        let term = match role {
            Role::Holder { term, .. } | Role::Follower { term, .. } => *term,
            Role::Starting | Role::Observer | Role::Nobody { .. } => 0,
        };
        self.vector(&names::BUILD_INFO)?.get_metric_with_label_values(&[version])?.set(1.0);
        self.single(&names::CONFIG_VALID, truth(config.valid))?;
        self.single(&names::CONFIG_LOADED, seconds(config.loaded))?;
        let policy = self.vector(&names::POLICY_INFO)?;
        if !config.policy_digest.is_empty() {
            policy.get_metric_with_label_values(&[&config.policy_digest])?.set(1.0);
        }
        self.single(&names::POLICY_SPLIT, truth(self.board.split.is_some()))?;
        self.single(&names::HOLDER, truth(matches!(role, Role::Holder { .. })))?;
        self.single(&names::LEASE_TERM, number(term))
    }

    fn rules(&self) -> Outcome<()> {
        let info = self.vector(&names::RULE_INFO)?;
        for (rule, state) in self.rules {
            let labels = [rule, &state.database, &state.engine, &state.table, state.action, mode(state.mode)];
            info.get_metric_with_label_values::<&str>(&labels)?.set(1.0);
        }
        self.each_rule(&names::RULE_INTERVAL, |rule| rule.interval_secs.map_or(0.0, |seconds| seconds as f64))?;
        self.each_rule(&names::RULE_NEXT_RUN, |rule| seconds(rule.next))?;
        let measured = |rule: &RuleState| rule.standing.measured;
        self.each_rule(&names::RULE_OLDEST_DUE, |rule| seconds(measured(rule).and_then(|at| at.oldest)))?;
        self.each_rule(&names::RULE_DUE, |rule| measured(rule).map_or(0.0, |at| number(at.due)))?;
        self.each_rule(&names::RULE_DUE_CAPPED, |rule| truth(measured(rule).is_some_and(|at| at.capped)))?;
        self.each_rule(&names::RULE_MEASURED, |rule| seconds(measured(rule).map(|measured| measured.at)))?;
        let last = |rule: &RuleState| rule.standing.last.clone();
        self.each_rule(&names::RULE_LAST_RUN, |rule| seconds(last(rule).map(|last| last.at)))?;
        self.each_rule(&names::RULE_LAST_CLEAN, |rule| seconds(rule.standing.last_clean))?;
        self.each_rule(&names::RULE_LAST_SECONDS, |rule| last(rule).map_or(0.0, |last| last.seconds))?;
        self.each_rule(&names::RULE_BLOCKED_SINCE, |rule| seconds(rule.standing.blocked.map(|why| why.since)))?;
        self.each_rule(&names::RUN_IN_PROGRESS, |rule| truth(rule.running.is_some()))?;
        self.each_rule(&names::ROWS_HELD, |_| 0.0)
    }

    /// What is one of a closed set: 1 for that one, 0 for the others.
    fn states(&self) -> Outcome<()> {
        let verdicts = self.vector(&names::RULE_LAST_VERDICT)?;
        let blocked = self.vector(&names::RULE_BLOCKED)?;
        for (rule, state) in self.rules {
            let last = state.standing.last.as_ref().map(|last| last.verdict);
            for verdict in Verdict::ALL {
                let is = truth(last == Some(*verdict));
                verdicts.get_metric_with_label_values(&[rule.as_str(), verdict.id()])?.set(is);
            }
            let why = state.standing.blocked.map(|blocked| blocked.cause);
            for cause in Cause::ALL {
                blocked.get_metric_with_label_values(&[rule.as_str(), cause.id()])?.set(truth(why == Some(*cause)));
            }
        }
        let paused = self.vector(&names::PAUSED)?;
        for (database, state) in &self.board.databases {
            for reason in Pause::ALL {
                let is = truth(state.paused == Some(*reason));
                paused.get_metric_with_label_values(&[database.as_str(), reason.id()])?.set(is);
            }
        }
        Ok(())
    }

    fn databases(&self) -> Outcome<()> {
        let told = |name: &str| self.told.get(name).cloned().unwrap_or_default();
        let (up, lag) = (self.vector(&names::DATABASE_UP)?, self.vector(&names::REPLICA_LAG)?);
        let connections = self.vector(&names::CONNECTIONS)?;
        for (database, state) in &self.board.databases {
            up.get_metric_with_label_values(&[database])?.set(known(state.up));
            lag.get_metric_with_label_values(&[database])?.set(told(database).lag.unwrap_or(f64::NAN));
            connections.get_metric_with_label_values(&[database])?.set(number(told(database).connections.open()));
        }
        Ok(())
    }

    fn evidence(&self) -> Outcome<()> {
        let evidence = &self.board.evidence;
        self.single(&names::EVIDENCE_PENDING, number(evidence.pending))?;
        self.single(&names::EVIDENCE_CHECKPOINT, seconds(evidence.checkpoint))?;
        self.single(&names::EVIDENCE_OK, known(evidence.sound))?;
        self.single(&names::EVIDENCE_VERIFIED, seconds(evidence.verified))
    }

    fn each_rule(&self, about: &About, value: impl Fn(&RuleState) -> f64) -> Outcome<()> {
        let gauges = self.vector(about)?;
        for (rule, state) in self.rules {
            gauges.get_metric_with_label_values(&[rule])?.set(value(state));
        }
        Ok(())
    }

    fn single(&self, about: &About, value: f64) -> Outcome<()> {
        self.vector(about)?.get_metric_with_label_values::<&str>(&[])?.set(value);
        Ok(())
    }

    fn vector(&self, about: &About) -> Outcome<GaugeVec> {
        let gauges = GaugeVec::new(Opts::new(about.name, about.help), about.labels)?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }
}

/// Unix seconds; 0 for never.
fn seconds(at: Option<Timestamp>) -> f64 {
    at.map_or(0.0, |at| at.as_millisecond() as f64 / 1000.0)
}

const fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn known(is: Option<bool>) -> f64 {
    is.map_or(f64::NAN, truth)
}

fn number(n: u64) -> f64 {
    n as f64
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}
