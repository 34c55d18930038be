//! Watches a database while batches go on: how hard it is at work, and how far its replicas are behind.

use std::pin::Pin;
use std::time::Duration;

use forgetd_connector::{
    Beaten, Cause, Company, Connector, Course, Fault, FaultClass, Generation, Replicas, StrainAsked,
};
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

/// The same of a replica, within a look.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// The same where nobody waits with a batch: a program that makes a URL may take its time.
const CHECKED_WITHIN: Duration = Duration::from_secs(15);

/// How long a look may outlast the run.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Watches one database.
pub(super) struct Watcher<'a> {
    site: &'a Site<'a>,
    gate: &'a Gate,
    asked: StrainAsked,
    replicas: Vec<Replica<'a>>,
    /// Signs of life that were written.
    beats: Course<Timestamp>,
    /// Whether it was said that replicas are not watched.
    warned: bool,
}

/// A server that the operator names as a replica.
struct Replica<'a> {
    reach: &'a dyn Reach,
    /// The first is 1, as in the order of the configuration.
    number: usize,
    connector: Option<Box<dyn Connector>>,
    /// The connection that is being made.
    connecting: Option<Connecting<'a>>,
}

/// A connection on its way.
type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Connector>, Fault>> + 'a>>;

/// The limits of a database.
pub(super) fn limits(throttle: &Throttle) -> Limits {
    Limits {
        replica_lag_max: throttle.replica_lag_max,
        replica_lag_asked: throttle.replica_lag_asked,
        log_kept_max: throttle.log_kept_max,
        active_sessions_max: throttle.active_sessions_max,
        veto_asked: matches!(throttle.veto, Some(Veto::Sql(_))),
    }
}

// === impl Watcher ===

impl<'a> Watcher<'a> {
    /// Connects to nothing yet.
    pub(super) fn new(site: &'a Site<'a>, gate: &'a Gate) -> Self {
        let (asked, replicas) = (asked(&site.settings.throttle), named(site.replicas));
        Self { site, gate, asked, replicas, beats: Course::default(), warned: false }
    }

    /// Reads again and again, for whoever looks at `readings`, and tells `progress`, until `stopped`. A look that is under way
    /// then is given a moment: cut off, it costs the connection.
    pub(super) async fn watch(
        mut self,
        readings: &watch::Sender<Option<Reading>>,
        progress: &dyn Progress,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut first = true;
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
            // What passed between two looks is told by the second, which therefore comes soon.
            let every =
                if std::mem::take(&mut first) { LOOK_EVERY.0 } else { self.site.settings.throttle.replica_lag_max / 4 };
            let every = every.clamp(LOOK_EVERY.0, LOOK_EVERY.1);
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
        tracing::debug!(database = self.site.name, ?strain, "looked at the load");
        let lags = self.lags().await;
        self.warn_once(strain.replicas);
        self.gate.read(at, &strain, &lags)
    }

    /// How far each named replica is behind: a sign of life is written on the server and looked for on them.
    async fn lags(&mut self) -> Vec<Result<Duration, PauseReason>> {
        if self.replicas.is_empty() {
            return vec![];
        }
        let Some(hearts) = self.site.connector.heartbeats() else { return vec![Err(heartless())] };
        let beat = match hearts.beat().await {
            Ok(beat) => beat,
            Err(fault) => return vec![Err(PauseReason::new(Cause::SignalUnread, fault.to_string()))],
        };
        self.beats.note(Instant::now().into_std(), beat.at);
        let seen = self.replicas.iter_mut().map(|replica| replica.seen(&beat.generation, hearts.server(), SEEN_WITHIN));
        let seen = join_all(seen).await;
        let now = Instant::now().into_std();
        let lags = seen.iter().map(|seen| seen.clone().map(|at| behind(&self.beats, beat.at, at, now))).collect();
        // While one shows nothing every beat may still be asked for: nothing is less than any.
        if let Some(slowest) = seen.iter().map(|seen| seen.as_ref().ok().copied().flatten()).min().flatten() {
            self.beats.forget(slowest);
        }
        lags
    }

    /// Says once that a limit is not watched as the operator may think.
    fn warn_once(&mut self, replicas: Replicas) {
        let asked = self.site.settings.throttle.replica_lag_asked;
        let what = match replicas {
            Replicas::Hidden => "standbys are there, and the role is not shown how far they are behind",
            Replicas::Unknown if asked && self.replicas.is_empty() => {
                "`replica_lag_secs_max` watches nothing: this server does not know its replicas, and `replicas` names none"
            }
            _ => return,
        };
        if !self.warned {
            self.warned = true;
            tracing::warn!(database = self.site.name, fix = Cause::SignalUnread.fix(), "{what}");
        }
    }
}

/// What would keep every batch from starting, as far as it is known before one: signals that cannot be read, and replicas
/// that cannot be asked or are none of the database. Writes nothing.
pub async fn unwatched(
    throttle: &Throttle,
    connector: &dyn Connector,
    replicas: &[Box<dyn Reach>],
) -> Vec<PauseReason> {
    let unread = |fault: Fault| PauseReason::new(Cause::SignalUnread, fault.to_string());
    let mut found = match connector.strain(&asked(throttle)).await {
        Ok(strain) => Gate::new(limits(throttle)).read(Instant::now(), &strain, &[]).pause.into_iter().collect(),
        Err(fault) => vec![unread(fault)],
    };
    // How busy a server is at this moment is no finding.
    found.retain(|reason: &PauseReason| reason.cause == Cause::SignalUnread);
    if replicas.is_empty() {
        return found;
    }
    let Some(hearts) = connector.heartbeats() else {
        found.push(heartless());
        return found;
    };
    // Without control tables there is nothing to be seen anywhere, and that is said elsewhere.
    let Ok(ours) = hearts.beaten().await else { return found };
    let mut named = named(replicas);
    let seen =
        join_all(named.iter_mut().map(|replica| replica.seen(&ours.generation, hearts.server(), CHECKED_WITHIN))).await;
    found.extend(seen.into_iter().filter_map(Result::err));
    found
}

/// How long a replica has been behind that shows the sign of life of this moment last, where the newest is `beat`: by our own
/// clock since the first that it does not show, and by the server's clock, which knows of the time before we looked. Neither
/// alone: clocks are set.
fn behind(beats: &Course<Timestamp>, beat: Timestamp, seen: Option<Timestamp>, now: std::time::Instant) -> Duration {
    let by_server = seen.map_or(Duration::ZERO, |seen| beat.duration_since(seen).try_into().unwrap_or_default());
    beats.behind(now, seen).at_least.max(by_server)
}

fn heartless() -> PauseReason {
    PauseReason::new(Cause::SignalUnread, "the engine has no replicas that can be watched: take `replicas` out")
}

/// What a server is asked beside what it always tells.
fn asked(throttle: &Throttle) -> StrainAsked {
    let veto = match &throttle.veto {
        Some(Veto::Sql(statement)) => Some(statement.clone()),
        Some(Veto::Http(_)) | None => None,
    };
    StrainAsked { active_sessions: throttle.active_sessions_max.is_some(), veto }
}

fn named(replicas: &[Box<dyn Reach>]) -> Vec<Replica<'_>> {
    replicas.iter().enumerate().map(|(n, reach)| Replica::new(n, reach.as_ref())).collect()
}

fn paused(at: Instant, reason: PauseReason) -> Reading {
    Reading { at, lag: None, pause: Some(reason), company: Company::Hidden }
}

// === impl Replica ===

impl<'a> Replica<'a> {
    /// By its place in the configuration, from 0. Not connected to yet.
    fn new(n: usize, reach: &'a dyn Reach) -> Self {
        Self { reach, number: n + 1, connector: None, connecting: None }
    }

    /// When the sign of life was written that it shows; nothing: it shows none yet. `ours` are the control tables of the server, whose
    /// name among servers is `server`. A replica that lost its connection is connected to anew at the next look, and a
    /// connection that takes longer than `within` goes on being made then.
    async fn seen(
        &mut self,
        ours: &Generation,
        server: &str,
        within: Duration,
    ) -> Result<Option<Timestamp>, PauseReason> {
        let number = self.number;
        let reason = |cause, what: &str| PauseReason::new(cause, format!("replica {number}: {what}"));
        let Ok(seen) = timeout(within, self.ask(server)).await else {
            let what = format!("no answer within {} s", within.as_secs());
            return Err(reason(Cause::ReplicaUnreachable, &what));
        };
        if seen.is_err() {
            self.connector = None;
        }
        match seen {
            Ok(None) => Err(reason(Cause::NotMyReplica, "it is the server itself")),
            Ok(Some(seen)) if seen.generation == *ours => Ok(seen.at),
            Ok(Some(_)) => Err(reason(Cause::NotMyReplica, "its control tables are others")),
            Err(fault) if matches!(fault.class, FaultClass::Blocked(Cause::ControlTables | Cause::TableMissing)) => {
                Err(reason(Cause::NotMyReplica, "it has no control tables, or shows none to the role"))
            }
            Err(fault) => Err(reason(Cause::ReplicaUnreachable, &fault.to_string())),
        }
    }

    /// What it shows; nothing where it is the server called so.
    async fn ask(&mut self, server: &str) -> Result<Option<Beaten>, Fault> {
        let connector = match &mut self.connector {
            Some(connector) => connector,
            none => {
                let connected = self.connecting.get_or_insert_with(|| self.reach.connect()).await;
                self.connecting = None;
                none.insert(connected?)
            }
        };
        let place = connector.facts().product.clone();
        let other =
            || Fault::new(FaultClass::Internal, "look for a beat", place).with_detail("it is of another engine");
        let hearts = connector.heartbeats().ok_or_else(other)?;
        if hearts.server() == server {
            return Ok(None);
        }
        hearts.beaten().await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use forgetd_connector::Course;
    use jiff::{SignedDuration, Timestamp};

    use super::behind;

    fn server(secs: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs)
    }

    #[test]
    fn a_replica_is_behind_since_the_first_beat_that_it_does_not_show() {
        let (began, mut beats) = (Instant::now(), Course::default());
        for n in 0..10 {
            beats.note(began + Duration::from_secs(n), server(n.try_into().unwrap()));
        }
        let now = began + Duration::from_secs(9);
        let behind = |seen: Option<i64>| behind(&beats, server(9), seen.map(server), now).as_secs();
        assert_eq!([Some(9), Some(8), Some(5), Some(0)].map(behind), [0, 1, 4, 9]);
        assert_eq!(behind(None), 9, "none was ever there");
        assert_eq!(behind(Some(-600)), 609, "it hung before we looked");
    }

    /// Beats bear rising times whatever the server's clock says: a clock set back makes them rise by nothing.
    #[test]
    fn a_clock_that_was_set_back_hides_no_replica_that_hangs() {
        let (began, mut beats) = (Instant::now(), Course::default());
        let beat = |n: u64| server(0) + SignedDuration::from_micros(n.try_into().unwrap());
        for n in 0..60 {
            beats.note(began + Duration::from_secs(n), beat(n));
        }
        let behind = behind(&beats, beat(59), Some(beat(0)), began + Duration::from_secs(59));
        assert_eq!(behind.as_secs(), 58);
    }
}
