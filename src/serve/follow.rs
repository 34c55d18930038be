//! Who acts: one look at the lease, and what follows from it.

use std::rc::Rc;
use std::time::Duration;

use forgetd_connector::{ControlState, Fault, FaultClass};
use tokio::time::timeout;

use super::daemon::Daemon;
use super::home::Home;
use super::{hold, observe};
use crate::board::Role;
use crate::config::{Config, Coordination};
use crate::keys::EvidenceKey;
use crate::run::{Refused, Tenure, signing_key};

/// The first and the longest pause between tries to reach the home database; it doubles with each.
const AWAY_SECS: std::ops::RangeInclusive<u64> = 1..=60;

/// The home database may take at least this long to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait where something must be mended by hand.
const MEND: Duration = Duration::from_secs(30);

/// One look at the lease. Returns when there is reason for another one: after a pause, or when acting ended.
pub(super) async fn follow(daemon: &Daemon, config: Rc<Config>) {
    let name = config.home().map_or("", |home| home.name.as_str());
    let home = Home::new(Rc::clone(&config), daemon.metrics.connections(name));
    let key = match signing_key(&config) {
        Ok(key) => key,
        Err(problem) => {
            tracing::error!(%problem, "nothing runs: the evidence key cannot be read");
            daemon.broken(problem.to_string());
            daemon.pause(MEND).await;
            return;
        }
    };
    daemon.mended();
    let pause = match look(daemon, &config, &home, &key).await {
        Ok(Looked::Acted) => Duration::ZERO,
        Ok(Looked::Wait(pause)) => {
            daemon.away.set(0);
            pause
        }
        Err(fault) => {
            let name = config.home().map_or("", |home| home.name.as_str());
            tracing::warn!(error = %fault, fix = fault.cause().fix(), "the home database cannot be worked with");
            // Whether the lease is free is not known any more.
            daemon.free_since.set(None);
            daemon.database_fault(name, &fault);
            daemon.away_pause()
        }
    };
    home.close().await;
    daemon.pause(pause).await;
}

/// What a look came to.
enum Looked {
    /// This process acted, and does no more.
    Acted,
    /// Look again after this.
    Wait(Duration),
}

async fn look(daemon: &Daemon, config: &Rc<Config>, home: &Home, key: &EvidenceKey) -> Result<Looked, Fault> {
    // A connection that says nothing is as good as none, and the call's own limit is longer than most leases.
    let patience = patience(config);
    let (connector, state) = answered(patience, async {
        let connector = home.get().await?;
        let state = connector.control().inspect().await?;
        Ok((connector, state))
    })
    .await?;
    daemon.database_up(config.home().map_or("", |home| home.name.as_str()), connector.as_ref());
    if !matches!(state, ControlState::Ready(_)) {
        daemon.role(Role::Observer);
        return Ok(Looked::Wait(observe::round(daemon, config).await));
    }
    // Looked at first: a follower takes nothing, and waits for no lock.
    if let Coordination::Lease(_) = config.coordination
        && let Some(lease) = answered(patience, connector.control().lease()).await?.filter(|lease| lease.alive)
    {
        daemon.free_since.set(None);
        daemon.role(Role::Follower { holder: lease.holder.clone(), term: lease.term });
        if let Err(fault) = answered(patience, daemon.say_policy(config, connector.as_ref(), &lease)).await {
            tracing::warn!(error = %fault, "the holder could not be told which policy this process has");
        }
        return Ok(Looked::Wait(daemon.spread_pause(Duration::from_millis(lease.left_ms))));
    }
    if let Some(pause) = answered(patience, daemon.stands_back(config, connector.as_ref())).await? {
        return Ok(Looked::Wait(daemon.spread_pause(pause)));
    }
    let take = Tenure::take(config, connector.as_ref(), key, Duration::ZERO, Some(&daemon.own));
    match answered(patience, async { Ok(take.await) }).await? {
        Ok(tenure) => {
            daemon.free_since.set(None);
            drop(connector);
            let tenure = Rc::new(tenure);
            hold::hold(daemon, Rc::clone(config), home, key, Rc::clone(&tenure)).await?;
            match (tenure.claim().alive(), tenure.claim().lasts()) {
                (true, _) => Ok(Looked::Acted),
                (false, Some(lasts)) => Ok(Looked::Wait(lasts / 3)),
                // Whoever took over by force does not wait for us, and must not be fenced in turn.
                (false, None) => {
                    daemon.fenced.send_replace(true);
                    Ok(Looked::Wait(MEND))
                }
            }
        }
        Err(Refused::NotHolder(lease)) => {
            daemon.role(Role::Follower { holder: lease.holder, term: lease.term });
            Ok(Looked::Wait(daemon.spread_pause(Duration::from_millis(lease.left_ms))))
        }
        Err(Refused::Locked(fault) | Refused::Unavailable(fault)) => {
            if let FaultClass::Blocked(cause) = fault.class {
                // Whoever acted does no more: its lease is over.
                daemon.role(Role::Nobody { cause });
            }
            Err(fault)
        }
        Err(Refused::Evidence(fault)) => {
            tracing::error!(error = %fault, "nothing runs: the evidence log cannot be named");
            daemon.broken(fault.to_string());
            Ok(Looked::Wait(MEND))
        }
    }
}

/// How long the home database may take to answer: a lease, in which another process could have taken over.
fn patience(config: &Config) -> Duration {
    match config.coordination {
        Coordination::Lease(lasts) => lasts.max(PATIENCE),
        Coordination::None => PATIENCE,
    }
}

async fn answered<T>(patience: Duration, asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(patience, asked).await.unwrap_or_else(|_| {
        let detail = format!("no answer in {} s", patience.as_secs());
        Err(Fault::new(FaultClass::Unreachable, "look at the lease", "home database").with_detail(detail))
    })
}

impl Daemon {
    /// How long to wait for a home database that is away; longer each time.
    fn away_pause(&self) -> Duration {
        let tries = self.away.get();
        self.away.set(tries.saturating_add(1));
        let doubled = AWAY_SECS.start().saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX));
        self.spread_pause(Duration::from_secs(doubled.min(*AWAY_SECS.end())))
    }

    /// A pause and up to a third more, by this process's share: those who wait for the same do not come together.
    fn spread_pause(&self, pause: Duration) -> Duration {
        let pause = pause.max(Duration::from_millis(100));
        pause + pause.mul_f64(self.spread / 3.0)
    }
}
