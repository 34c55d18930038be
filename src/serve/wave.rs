//! One wave: everything is connected anew, what is due runs, and the connections go.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use forgetd_connector::{Cause, Fault, FaultClass};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::{self, Asked};
use super::daemon::Daemon;
use super::hold::Held;
use crate::board::Running;
use crate::config::Config;
use crate::keys::EvidenceKey;
use crate::rules::Rule;
use crate::run::standing::Standing;
use crate::run::{Begun, Databases, Firing, Progress, Refused, Report, Session, Sites, Tenure, Told, Turn};
use crate::telemetry::metrics::BatchResult;
use crate::throttle::PauseReason;
use crate::{app, clock, preflight};

/// How often a wave looks whether rules of other databases are due.
const LOOK_AT_OTHERS_EVERY: Duration = Duration::from_secs(5);

/// One rule of a wave.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// The rule.
    pub(super) rule: String,
    /// The fire time it is about, if it is about one.
    pub(super) fire: Option<Timestamp>,
    /// Whether a person asked for it.
    pub(super) asked: bool,
    /// What is done.
    pub(super) turn: Turn,
}

/// Serves what is due, and what was asked for. An error is one of the home database: the wave cannot even be written
/// down.
pub(super) async fn wave(
    held: &mut Held<'_>,
    config: &Rc<Config>,
    key: &EvidenceKey,
    due: &[Served],
    asked: &Asked,
) -> Result<Vec<Report>, Fault> {
    let (daemon, home, tenure) = (held.daemon, held.home, held.tenure);
    let hearing = Hearing { daemon };
    let (stop, stopped) = watch::channel(false);
    let run = Box::pin(run(daemon, config, key, tenure, due, &hearing, stopped));
    let asked = answer::listen(daemon, config, home, tenure, asked);
    let others = others(daemon, held.upcoming(config, due));
    let ran = Box::pin(ending(&stop, run, daemon.to_end(config), asked, others)).await;
    held.read().await?;
    let reports = match ran {
        Ok(reports) => reports,
        Err(Refused::Unavailable(fault) | Refused::Locked(fault)) => held.refused(config, due, &fault).await,
        Err(Refused::NotHolder(lease)) => {
            tracing::warn!(holder = lease.holder, term = lease.term, "another process acts");
            tenure.claim().lose();
            return Ok(vec![]);
        }
        Err(Refused::Evidence(fault)) => {
            tracing::error!(error = %fault, "the evidence log cannot be named");
            vec![]
        }
    };
    for served in due {
        held.show(config, &served.rule);
    }
    Ok(reports)
}

impl Held<'_> {
    /// No session could be opened: every rule of the wave failed, and is tried again later.
    async fn refused(&mut self, config: &Config, due: &[Served], fault: &Fault) -> Vec<Report> {
        self.tenure.doubt();
        self.refused = true;
        if due.is_empty() {
            tracing::warn!(error = %fault, "how the evidence log and the databases stand is not known yet");
        }
        let mut reports = vec![];
        for served in due.iter().filter(|served| served.turn == Turn::Run) {
            let Some(rule) = config.policy.rule(&served.rule) else { continue };
            let report = Report::refused(rule, fault);
            self.daemon.ran(&report);
            self.standings.entry(rule.name.clone()).or_default().ran(&report, served.fire, clock::now());
            if let Err(fault) = self.save(&rule.name).await {
                tracing::warn!(rule = %rule.name, error = %fault, "how the rule stands could not be written down");
            }
            reports.push(report);
        }
        reports
    }
}

async fn run(
    daemon: &Daemon,
    config: &Config,
    key: &EvidenceKey,
    tenure: &Rc<Tenure>,
    due: &[Served],
    hearing: &Hearing<'_>,
    stopped: watch::Receiver<bool>,
) -> Result<Vec<Report>, Refused> {
    let databases = match app::connect_counted(config, |name| daemon.metrics.connections(name)).await {
        Ok(databases) => databases,
        Err(problems) => {
            let fault = Fault::new(FaultClass::Unreachable, "connect", "databases");
            return Err(Refused::Unavailable(fault.with_detail(problems.to_string())));
        }
    };
    if daemon.databases(&databases) {
        // What comes back may have been put back.
        tenure.doubt();
    }
    let sites = Sites::survey(config, &databases).await;
    let session = Session::on(config, &sites, key, Rc::clone(tenure), stopped, hearing);
    let firings = firings(config, &sites, due).await;
    let reports = tokio::select! {
        reports = session.wave(&firings, hearing) => reports,
        never = databases.cancel_when_late(daemon.stop.clone()) => match never {},
    };
    let mut pending = 0;
    for (_, control) in sites.controls() {
        pending += control.pending_count().await.unwrap_or(0);
    }
    let problem = match &reports {
        Err(Refused::Evidence(fault)) => Some((fault.cause, fault.to_string())),
        Err(Refused::Unavailable(fault) | Refused::Locked(fault)) => Some((fault.cause(), fault.to_string())),
        Err(Refused::NotHolder(_)) | Ok(_) => session.evidence_problem().map(|fault| (fault.cause, fault.to_string())),
    };
    daemon.evidence(tenure, pending, problem).await;
    databases.close().await;
    reports
}

/// Returns when the time of a rule has come that is not in this wave, and no run goes on in its database: a purge of
/// hours in one database must not keep the others' rules from firing.
async fn others(daemon: &Daemon, upcoming: Vec<(Timestamp, String)>) {
    loop {
        sleep(LOOK_AT_OTHERS_EVERY).await;
        let now = clock::now();
        if upcoming.iter().any(|(at, database)| *at <= now && !daemon.is_busy(database)) {
            return;
        }
    }
}

/// Lets the work end at its next batch when something else is to be done first.
async fn ending<T>(
    stop: &watch::Sender<bool>,
    work: impl Future<Output = T>,
    changed: impl Future<Output = ()>,
    asked: impl Future<Output = ()>,
    others: impl Future<Output = ()>,
) -> T {
    let end = async {
        tokio::select! {
            () = changed => {}
            () = asked => {}
            () = others => {}
        }
        stop.send_replace(true);
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        done = work => done,
        never = end => match never {},
    }
}

/// The rules of a wave, in the order in which rules of one table run.
async fn firings<'a>(config: &'a Config, sites: &Sites<'_>, due: &[Served]) -> Vec<Firing<'a>> {
    let rules: Vec<&Rule> = due.iter().filter_map(|served| config.policy.rule(&served.rule)).collect();
    let rules = preflight::ordered(&rules, |name| sites.site(name).ok().map(|site| site.connector)).await;
    let served = |rule: &Rule| due.iter().find(|served| served.rule == rule.name);
    rules
        .into_iter()
        .filter_map(|rule| served(rule).map(|s| Firing { rule, turn: s.turn, fire: s.fire, asked: s.asked }))
        .collect()
}

/// Hears how far runs have come, and shows it.
struct Hearing<'a> {
    daemon: &'a Daemon,
}

impl Told for Hearing<'_> {
    fn ended(&self, rule: &Rule, report: &Report, standing: &Standing) {
        self.daemon.ran(report);
        self.daemon.show_rule(rule, standing.clone(), None, clock::now());
    }

    fn skipped(&self, rule: &Rule, cause: Cause) {
        self.daemon.metrics.skipped(&rule.name, cause);
    }
}

impl Progress for Hearing<'_> {
    fn begin(&self, rule: &str, begun: &Begun<'_>) {
        let Begun { run, due, exact, changed } = *begun;
        self.daemon.metrics.begun(rule, run, changed);
        self.daemon.running(rule, Some(Running { due, exact, changed }));
    }

    fn batch(&self, rule: &str, rows: u64, changed: u64, took: Duration) {
        self.daemon.batch(rule, rows, changed, took);
    }

    fn adopted(&self, rule: &str, rows: u64) {
        self.daemon.changed(rule, rows);
    }

    fn uncommitted(&self, rule: &str, result: BatchResult) {
        self.daemon.uncommitted(rule, result);
    }

    fn lag(&self, database: &str, behind: Option<Duration>) {
        self.daemon.metrics.replica_lag(database, behind.map(|behind| behind.as_secs_f64()));
    }

    fn rested(&self, database: &str, time: Duration) {
        self.daemon.metrics.rested(database, time.as_secs_f64());
    }

    fn paused(&self, database: &str, reason: Option<&PauseReason>) {
        self.daemon.throttled(database, reason);
    }

    fn end(&self, rule: &str) {
        self.daemon.running(rule, None);
    }

    fn appended(&self, entries: u64) {
        self.daemon.metrics.appended(entries);
    }

    fn append_failed(&self) {
        self.daemon.metrics.append_failed();
    }
}

impl Daemon {
    /// Shows which databases answer. Whether one does again that did not.
    pub(super) fn databases(&self, databases: &Databases) -> bool {
        let mut back = false;
        for (name, connector) in databases.iter() {
            match connector {
                Ok(connector) => {
                    back |= self.board.borrow().databases.get(name).is_some_and(|state| state.up == Some(false));
                    self.database_up(name, connector);
                }
                Err(fault) => self.database_fault(name, fault),
            }
        }
        back
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::others;
    use crate::board::Running;
    use crate::clock;
    use crate::rules::testing::rule;
    use crate::run::standing::Standing;
    use crate::serve::daemon::Daemon;
    use crate::telemetry::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_rule_whose_database_is_idle_is_not_kept_waiting() {
        let (_asked, stop) = watch::channel(false);
        let daemon = Daemon::new(stop, Metrics::new().unwrap());
        let now = clock::now();
        daemon.show_rule(&rule("old", "t"), Standing::default(), None, now);
        let hour = SignedDuration::from_hours(1);
        let (past, future) = (now.checked_sub(hour).unwrap(), now.checked_add(hour).unwrap());
        let comes = async |at, database: &str| {
            timeout(Duration::from_secs(600), others(&daemon, vec![(at, database.to_owned())])).await.is_ok()
        };
        assert!(comes(past, "crm").await, "nothing runs there");
        assert!(!comes(future, "crm").await, "its time has not come");
        daemon.running("old", Some(Running::default()));
        assert!(!comes(past, "crm").await, "it comes when that run has ended");
        assert!(comes(past, "shop").await, "another database");
    }
}
