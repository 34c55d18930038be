//! Puts what happens on the board.

use std::time::Duration;

use forgetd_connector::{Cause, Connector, Fault, FaultClass};
use jiff::Timestamp;

use super::agenda;
use super::daemon::Daemon;
use crate::board::{Pause, RuleState, Running};
use crate::config::Config;
use crate::rules::Rule;
use crate::run::standing::Standing;
use crate::run::{Report, Tenure, Verdict};
use crate::telemetry::metrics::BatchResult;
use crate::throttle::PauseReason;

impl Daemon {
    /// Something that must be mended by hand, and is no fault of a database.
    pub(super) fn broken(&self, problem: String) {
        self.broke.set(true);
        self.board.send_modify(|board| {
            board.config.valid = false;
            board.config.problems = vec![problem];
        });
    }

    /// What was to be mended by hand was mended.
    pub(super) fn mended(&self) {
        if self.broke.take() {
            self.board.send_modify(|board| {
                board.config.valid = true;
                board.config.problems.clear();
            });
        }
    }

    /// A database answered.
    pub(super) fn database_up(&self, name: &str, connector: &dyn Connector) {
        let facts = connector.facts();
        self.board.send_modify(|board| {
            let state = board.databases.entry(name.to_owned()).or_default();
            state.up = Some(true);
            state.engine = connector.engine();
            state.server = facts.server();
            state.problem = None;
            state.read_only = facts.read_only;
        });
    }

    /// A database did not answer, or not as it should.
    pub(super) fn database_fault(&self, name: &str, fault: &Fault) {
        self.metrics.database_error(name, fault.class);
        self.board.send_modify(|board| {
            let state = board.databases.entry(name.to_owned()).or_default();
            state.up = Some(!matches!(fault.class, FaultClass::Unreachable | FaultClass::Disconnected));
            state.problem = Some(fault.to_string());
            state.read_only |= fault.class == FaultClass::Blocked(Cause::ReadOnly);
        });
    }

    /// How a rule stands, and when it is served next.
    pub(super) fn show_rule(&self, rule: &Rule, standing: Standing, next: Option<Timestamp>, now: Timestamp) {
        self.board.send_modify(|board| {
            let engine = board.databases.get(&rule.database).map_or("", |database| database.engine).to_owned();
            let running = board.rules.get(&rule.name).and_then(|state| state.running);
            let state = RuleState {
                database: rule.database.clone(),
                engine,
                table: rule.table.to_string(),
                action: rule.action.word(),
                mode: rule.mode,
                keep_for: rule.keep_for.to_string(),
                schedule: rule.schedule.as_ref().map(ToString::to_string),
                interval_secs: rule.schedule.as_ref().and_then(|s| s.interval(now)).map(|long| long.as_secs()),
                next,
                running,
                drained: agenda::drained(&standing),
                standing,
            };
            board.rules.insert(rule.name.clone(), state);
        });
    }

    /// How far a rule's run has come; nothing when it ended.
    pub(super) fn running(&self, rule: &str, running: Option<Running>) {
        self.board.send_modify(|board| {
            if let Some(state) = board.rules.get_mut(rule) {
                state.running = running;
            }
        });
    }

    /// The throttle lets no batch start in a database, or lets them again.
    pub(super) fn throttled(&self, database: &str, reason: Option<&PauseReason>) {
        let found = reason.and_then(|reason| Some((Pause::of_the_throttle(reason.cause)?, reason.detail.clone())));
        self.board.send_modify(|board| board.databases.entry(database.to_owned()).or_default().throttled = found);
    }

    /// A batch was committed: it changed so many rows, and its run so many by now.
    pub(super) fn batch(&self, rule: &str, rows: u64, changed: u64, took: Duration) {
        self.changed(rule, rows);
        if let Some(database) = self.database_of(rule) {
            self.metrics.batch(&database, Some(took.as_secs_f64()), BatchResult::Committed);
        }
        self.board.send_modify(|board| {
            if let Some(running) = board.rules.get_mut(rule).and_then(|state| state.running.as_mut()) {
                running.changed = changed;
            }
        });
    }

    /// Rows were changed under a rule.
    pub(super) fn changed(&self, rule: &str, rows: u64) {
        if let Some(action) = self.board.borrow().rules.get(rule).map(|state| state.action) {
            self.metrics.changed(rule, action, rows);
        }
    }

    /// A batch was not committed.
    pub(super) fn uncommitted(&self, rule: &str, result: BatchResult) {
        if let Some(database) = self.database_of(rule) {
            self.metrics.batch(&database, None, result);
        }
    }

    fn database_of(&self, rule: &str) -> Option<String> {
        self.board.borrow().rules.get(rule).map(|state| state.database.clone())
    }

    /// Whether a run goes on in a database.
    pub(super) fn is_busy(&self, database: &str) -> bool {
        let board = self.board.borrow();
        board.rules.values().any(|state| state.database == database && state.running.is_some())
    }

    /// How many rows a run under way has changed.
    pub(super) fn changed_rows(&self, rule: &str) -> Option<u64> {
        self.board.borrow().rules.get(rule)?.running.map(|running| running.changed)
    }

    /// A run ended.
    pub(super) fn ran(&self, report: &Report) {
        self.metrics.ran(report);
        let cause = report.cause.map_or("", |cause| cause.id());
        let fix = report.cause.map_or("", |cause| cause.fix());
        let detail = report.detail.as_deref().unwrap_or_default();
        let Report { rule, run_id, verdict, due, changed, left, seconds, .. } = report;
        match verdict {
            Verdict::Clean => {
                tracing::info!(%rule, run_id, %verdict, ?due, changed, ?left, seconds, "run ended");
            }
            Verdict::Partial | Verdict::Blocked | Verdict::Blind | Verdict::Failed => {
                tracing::warn!(%rule, run_id, %verdict, cause, ?due, changed, ?left, seconds, detail, fix, "run ended");
            }
        }
    }

    /// Shows the evidence log as the holder knows it after a session: its head, how many receipts wait for it, and why it
    /// cannot be extended, if so. A database that is away says nothing about the log.
    pub(super) async fn evidence(&self, tenure: &Tenure, pending: u64, problem: Option<(Cause, String)>) {
        let (head, signed_at) = (tenure.relay().head().await, tenure.relay().signed_at().await);
        self.metrics.appended(tenure.relay().take_added());
        self.board.send_modify(|board| {
            let evidence = &mut board.evidence;
            if let Some(head) = head {
                evidence.size = Some(head.size);
                evidence.root = Some(hex::encode(head.root));
                evidence.checkpoint = signed_at;
            }
            evidence.pending = pending;
            match &problem {
                None => evidence.sound = Some(true),
                Some((Cause::Evidence | Cause::Restored, _)) => evidence.sound = Some(false),
                Some(_) => {}
            }
            (evidence.cause, evidence.problem) = problem.unzip();
            evidence.verified = tenure.trusted_at().or(evidence.verified);
        });
    }

    /// Rules of a configuration, for who has nothing written down.
    pub(super) fn forget_others(&self, config: &Config) {
        self.observed.borrow_mut().retain(|name, _| config.policy.rule(name).is_some());
        self.board.send_modify(|board| board.rules.retain(|name, _| config.policy.rule(name).is_some()));
    }
}
