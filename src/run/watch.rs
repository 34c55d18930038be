//! Watches a database while batches go on: how hard it is at work, and how far its replicas are behind.

use std::time::Duration;

use forgetd_connector::{Beat, Beaten, Cause, Connector, Fault, FaultClass, Replicas, StrainAsked};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Progress, Reach, Site, veto};
use crate::config::{Throttle, Veto};
use crate::throttle::{Gate, Limits, PauseReason, Reading};

/// How often it is looked at: a quarter of how far replicas may be behind, within these bounds. What happens between two
/// looks counts as if it had happened at the first.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// What takes longer than this is as good as not read. Shorter than a reading is believed.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// How long a look may outlast the run.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Watches one database.
pub(super) struct Watcher<'a> {
    site: &'a Site<'a>,
    gate: &'a Gate,
    asked: StrainAsked,
    replicas: Vec<Replica<'a>>,
    /// Replicas that the role is not shown are told of once.
    told_hidden: bool,
}

/// A server that the operator names as a replica.
struct Replica<'a> {
    reach: &'a dyn Reach,
    /// The first is 1, as in the order of the configuration.
    number: usize,
    connector: Option<Box<dyn Connector>>,
    /// The first sign of life that was written for it: what it shows before that is older.
    first: Option<Timestamp>,
}

/// The limits of a database.
pub(super) fn limits(throttle: &Throttle) -> Limits {
    Limits {
        replica_lag_max: throttle.replica_lag_max,
        replica_lag_asked: throttle.replica_lag_asked,
        log_kept_max: Some(throttle.log_kept_max),
        active_sessions_max: throttle.active_sessions_max,
    }
}

// === impl Watcher ===

impl<'a> Watcher<'a> {
    /// Connects to nothing yet.
    pub(super) fn new(site: &'a Site<'a>, gate: &'a Gate) -> Self {
        let throttle = &site.settings.throttle;
        let veto = match &throttle.veto {
            Some(Veto::Sql(statement)) => Some(statement.clone()),
            Some(Veto::Http(_)) | None => None,
        };
        let asked = StrainAsked { active_sessions: throttle.active_sessions_max.is_some(), veto };
        let replicas = named(site.replicas);
        Self { site, gate, asked, replicas, told_hidden: false }
    }

    /// Reads again and again, for whoever looks at `readings`, and tells `progress`, until `stopped`. A look that is under way
    /// then is given a moment: cut off, it costs the connection.
    pub(super) async fn watch(
        mut self,
        readings: &watch::Sender<Option<Reading>>,
        progress: &dyn Progress,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            let ended = async {
                // Who asks is gone only with the run.
                drop(stopped.wait_for(|stopped| *stopped).await);
                sleep(ENDS_WITHIN).await;
            };
            tokio::select! {
                reading = self.look() => {
                    progress.lag(self.site.name, reading.lag);
                    readings.send_replace(Some(reading));
                }
                () = ended => return,
            }
            let every = (self.site.settings.throttle.replica_lag_max / 4).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
            if timeout(every, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
                return;
            }
        }
    }

    async fn look(&mut self) -> Reading {
        let at = Instant::now();
        let read = timeout(ANSWERS_WITHIN, self.ask()).await;
        read.unwrap_or_else(|_| {
            let detail = format!("{}: the load was not told within {} s", self.site.name, ANSWERS_WITHIN.as_secs());
            paused(at, PauseReason::new(Cause::SignalUnread, detail))
        })
    }

    async fn ask(&mut self) -> Reading {
        let at = Instant::now();
        if let Some(Veto::Http(address)) = &self.site.settings.throttle.veto
            && let Err(no) = veto::asked(address).await
        {
            return paused(at, no);
        }
        let strain = match self.site.connector.strain(&self.asked).await {
            Ok(strain) => strain,
            Err(fault) => return paused(at, PauseReason::new(Cause::SignalUnread, fault.to_string())),
        };
        let lags = self.lags().await;
        if strain.replicas == Replicas::Hidden && !self.told_hidden {
            self.told_hidden = true;
            let fix = Cause::SignalUnread.fix();
            tracing::warn!(
                database = self.site.name,
                fix,
                "standbys are there, and the role is not shown how far they are behind"
            );
        }
        self.gate.read(at, &strain, &lags)
    }

    /// How far each named replica is behind: a sign of life is written on the server and looked for on them.
    async fn lags(&mut self) -> Vec<Result<Duration, PauseReason>> {
        if self.replicas.is_empty() {
            return vec![];
        }
        let beat = match beat(self.site.connector).await {
            Ok(beat) => beat,
            Err(fault) => return vec![Err(PauseReason::new(Cause::SignalUnread, fault.to_string()))],
        };
        let ours = self.site.connector.facts().identity.as_str();
        join_all(self.replicas.iter_mut().map(|replica| replica.behind(&beat, ours))).await
    }
}

/// What would hold every batch back, as far as it is known before one: replicas that the database names and that cannot be
/// asked, or are none of it. Writes nothing.
pub async fn unwatched(connector: &dyn Connector, replicas: &[Box<dyn Reach>]) -> Vec<PauseReason> {
    let Some(hearts) = connector.heartbeats().filter(|_| !replicas.is_empty()) else { return vec![] };
    // Without control tables there is nothing to be seen anywhere, and that is said elsewhere.
    let Ok(Beaten { generation, at }) = hearts.beaten().await else { return vec![] };
    // Replicas that show no sign of life yet are asked for the oldest one there could be.
    let beat = Beat { generation, at: at.unwrap_or(Timestamp::MIN) };
    let ours = connector.facts().identity.as_str();
    let mut named = named(replicas);
    let asked = join_all(named.iter_mut().map(|replica| timeout(ANSWERS_WITHIN, replica.behind(&beat, ours)))).await;
    let unanswered = |n| {
        let detail = format!("replica {n}: no answer within {} s", ANSWERS_WITHIN.as_secs());
        PauseReason::new(Cause::ReplicaUnreachable, detail)
    };
    let told = asked.into_iter().enumerate().map(|(n, asked)| asked.unwrap_or_else(|_| Err(unanswered(n + 1))));
    told.filter_map(Result::err).collect()
}

fn named(replicas: &[Box<dyn Reach>]) -> Vec<Replica<'_>> {
    replicas.iter().enumerate().map(|(n, reach)| Replica::new(n, reach.as_ref())).collect()
}

async fn beat(connector: &dyn Connector) -> Result<Beat, Fault> {
    let place = connector.facts().product.clone();
    let none =
        || Fault::new(FaultClass::Internal, "beat", place).with_detail("the engine has no signs of life for replicas");
    connector.heartbeats().ok_or_else(none)?.beat().await
}

fn paused(at: Instant, reason: PauseReason) -> Reading {
    Reading { at, lag: None, pause: Some(reason) }
}

// === impl Replica ===

impl<'a> Replica<'a> {
    /// By its place in the configuration, from 0. Not connected to yet.
    fn new(n: usize, reach: &'a dyn Reach) -> Self {
        Self { reach, number: n + 1, connector: None, first: None }
    }

    /// How long before `beat` the one was written that it shows. `ours` is the server it was written on. A replica that lost
    /// its connection is connected to anew at the next look.
    async fn behind(&mut self, beat: &Beat, ours: &str) -> Result<Duration, PauseReason> {
        let first = *self.first.get_or_insert(beat.at);
        let seen = self.seen().await;
        let itself = self.connector.as_ref().is_some_and(|connector| connector.facts().identity == ours);
        if seen.is_err() {
            self.connector = None;
        }
        let named = |what: &str| format!("replica {}: {what}", self.number);
        let not_mine = |what: &str| PauseReason::new(Cause::NotMyReplica, named(what));
        match seen {
            Ok(_) if itself => Err(not_mine("it is the server itself")),
            Ok(seen) if seen.generation == beat.generation => {
                let behind = beat.at.duration_since(seen.at.unwrap_or(first).min(beat.at));
                Ok(behind.try_into().unwrap_or(Duration::ZERO))
            }
            Ok(_) => Err(not_mine("its control tables are others")),
            Err(fault) if matches!(fault.class, FaultClass::Blocked(Cause::ControlTables | Cause::TableMissing)) => {
                Err(not_mine("it has no control tables, or shows none to the role"))
            }
            Err(fault) => Err(PauseReason::new(Cause::ReplicaUnreachable, named(&fault.to_string()))),
        }
    }

    async fn seen(&mut self) -> Result<Beaten, Fault> {
        let connector = match &mut self.connector {
            Some(connector) => connector,
            none => none.insert(self.reach.connect().await?),
        };
        let place = connector.facts().product.clone();
        let none = || Fault::new(FaultClass::Internal, "look for a beat", place);
        connector.heartbeats().ok_or_else(none)?.beaten().await
    }
}
