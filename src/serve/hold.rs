//! Acting: the lease is renewed, and what is due is done, until the lease, the process or its configuration ends.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use forgetd_connector::{Cause, Fault, FaultClass, FenceRaise, LeaseClaim, StandingRow};
use jiff::{SignedDuration, Timestamp};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

use super::agenda::{self, Next};
use super::answer;
use super::daemon::{Daemon, Woken};
use super::home::Home;
use super::wave::{self, Served};
use crate::board::Role;
use crate::clock;
use crate::config::Config;
use crate::keys::EvidenceKey;
use crate::lease::Claim;
use crate::run::standing::{Standing, written};
use crate::run::{Report, Tenure};

/// The longest the holder waits before it looks at everything again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long what is known of a rule outlives it.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Waves follow each other no closer than this, whatever goes wrong.
const WAVE_EVERY: Duration = Duration::from_secs(1);

/// The pause after a renewal that met an error.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// How long giving the lease up may take.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// How the rules stand, as the holder knows it: nobody else writes.
pub(super) type Standings = BTreeMap<String, Standing>;

/// Acts for the instance until something ends that, and gives the lease up. An error: the home database's; whoever
/// tries again waits first.
pub(super) async fn hold(
    daemon: &Daemon,
    config: Rc<Config>,
    home: &Home,
    key: &EvidenceKey,
    tenure: Rc<Tenure>,
) -> Result<(), Fault> {
    let claim = tenure.claim();
    daemon.role(Role::Holder { term: claim.term(), since: clock::now() });
    let acted = tokio::select! {
        acted = Box::pin(act(daemon, &config, home, key, &tenure)) => acted,
        () = outlived(daemon, home, claim) => {
            tracing::warn!(term = claim.term(), "acting is broken off: the lease is over and a database does not answer");
            Ok(())
        }
    };
    daemon.role(Role::Starting);
    let acted = match acted {
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Fenced) => {
            tracing::warn!(term = claim.term(), error = %fault, "another process acts");
            claim.lose();
            Ok(())
        }
        acted => acted,
    };
    if claim.alive() && timeout(RELEASE_WITHIN, release(home, claim)).await.is_err() {
        tracing::warn!("the lease could not be released: no answer; it expires by itself");
    }
    acted
}

async fn release(home: &Home, claim: &Claim) {
    let released = async { home.get().await?.control().release(claim.holder(), claim.term()).await };
    if let Err(fault) = released.await {
        tracing::warn!(error = %fault, "the lease could not be released; it expires by itself");
    }
}

/// Keeps the lease, and returns when it has been over for as long as it lasts: what is under way had time to come to its
/// end by then, and to say so. Shows the end at once.
async fn outlived(daemon: &Daemon, home: &Home, claim: &Claim) {
    let Some(lasts) = claim.lasts() else { return std::future::pending().await };
    keep(home, claim, lasts).await;
    daemon.role(Role::Starting);
    sleep(lasts).await;
}

/// Nothing is written before this holds: a holder of an older term can write no more then.
async fn raise_fence(home: &Home, claim: &Claim) -> Result<(), Fault> {
    match home.get().await?.control().raise_fence(claim.term()).await? {
        FenceRaise::Raised => Ok(()),
        FenceRaise::Later(_) => Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "raise fence", "home database")),
    }
}

/// Renews the lease every third of its time, over a new connection after every error, until it is lost.
async fn keep(home: &Home, claim: &Claim, lasts: Duration) {
    let wish =
        LeaseClaim { holder: claim.holder().into(), duration_ms: lasts.as_millis().try_into().unwrap_or(u64::MAX) };
    let mut pause = lasts / 3;
    loop {
        sleep(pause).await;
        if !claim.alive() {
            return;
        }
        let (renewed, asked) = renew(home, claim, &wish, lasts / 3).await;
        pause = match renewed {
            Ok(Ok(true)) => {
                claim.renewed(asked);
                lasts / 3
            }
            Ok(Ok(false)) => {
                tracing::warn!(term = claim.term(), "the lease names another holder");
                claim.lose();
                return;
            }
            Ok(Err(fault)) => {
                tracing::warn!(error = %fault, "the lease could not be renewed");
                home.close().await;
                RENEW_AGAIN
            }
            Err(_) => {
                tracing::warn!("the lease could not be renewed: no answer");
                home.close().await;
                RENEW_AGAIN
            }
        };
    }
}

/// Asks once for the renewal; and when. A connection that says nothing for `patience` is as good as none: the call's own
/// limit is longer than the lease. One that is made anew may take what is left of the lease, however slow the program is
/// that makes its URL.
async fn renew(
    home: &Home,
    claim: &Claim,
    wish: &LeaseClaim,
    patience: Duration,
) -> (Result<Result<bool, Fault>, Elapsed>, Instant) {
    let left = claim.deadline().left().unwrap_or_default();
    let connector = match timeout(left, home.get()).await {
        Ok(Ok(connector)) => connector,
        Ok(Err(fault)) => return (Ok(Err(fault)), Instant::now()),
        Err(elapsed) => return (Err(elapsed), Instant::now()),
    };
    let asked = Instant::now();
    (timeout(patience, connector.control().renew(wish, claim.term())).await, asked)
}

async fn act(
    daemon: &Daemon,
    config: &Rc<Config>,
    home: &Home,
    key: &EvidenceKey,
    tenure: &Rc<Tenure>,
) -> Result<(), Fault> {
    let (standings, reported, seen) = (Standings::new(), BTreeMap::new(), clock::now());
    let mut held = Held { daemon, home, tenure, standings, yields: false, reported, refused: false, seen };
    let mut config = Rc::clone(config);
    raise_fence(home, tenure.claim()).await?;
    held.read().await?;
    held.greet(&config).await?;
    let mut opening = Opening::due();
    loop {
        daemon.turn();
        daemon.away.set(0);
        if daemon.stopped() || !tenure.claim().alive() {
            return Ok(());
        }
        if let Some(newer) = daemon.config().filter(|newer| !Rc::ptr_eq(newer, &config)) {
            if !same_footing(&config, &newer) {
                tracing::info!("the lease is given up: the new configuration stands on other ground");
                return Ok(());
            }
            config = newer;
            // Which lanes are sealed, and under which rules, follows from the configuration.
            tenure.doubt();
            held.greet(&config).await?;
            opening = Opening::due();
        }
        let asked = held.requests(&config, key).await?;
        daemon.compare_policies(&config);
        if held.yields {
            tracing::info!("the lease is left to a process whose policy is approved as a whole");
            return Ok(());
        }
        let (due, pause) = held.due(&config);
        let due = answer::with_asked(due, &asked);
        if due.is_empty() && !opening.is_due() {
            if daemon.pause(pause.min(answer::LOOK_EVERY)).await == Woken::Stop {
                return Ok(());
            }
            continue;
        }
        let began = Instant::now();
        held.refused = false;
        let reports = Box::pin(wave::wave(&mut held, &config, key, &due, &asked)).await?;
        opening.tried(!held.refused && daemon.board.borrow().evidence.problem.is_none());
        held.ran(&asked, &reports).await?;
        let distance = if held.refused && !due.is_empty() { agenda::retry(1) } else { WAVE_EVERY };
        if daemon.pause(distance.saturating_sub(began.elapsed())).await == Woken::Stop {
            return Ok(());
        }
        held.forget_requests().await?;
    }
}

/// The wave of whoever begins to act, before anything is due: what an earlier holder left is brought to its end, and how the log
/// and the databases stand is known. Tried again, ever more rarely, until one went through.
struct Opening {
    failures: u32,
    /// When it is tried; absent once it went through.
    at: Option<Instant>,
}

/// What acting works on.
pub(super) struct Held<'a> {
    pub(super) daemon: &'a Daemon,
    pub(super) home: &'a Home,
    pub(super) tenure: &'a Rc<Tenure>,
    pub(super) standings: Standings,
    /// Whether another process should act: no rule of its policy waits for an approval, and one of this one's does.
    pub(super) yields: bool,
    /// What ran already of requests that more was asked of.
    pub(super) reported: BTreeMap<String, Vec<Report>>,
    /// Whether the last wave had no session: what it should have passed over is due still, and the next one waits.
    pub(super) refused: bool,
    /// Since when this process acts.
    seen: Timestamp,
}

/// Whether the lease and the log are the same under both.
fn same_footing(before: &Config, after: &Config) -> bool {
    let home = |config: &Config| config.home().map(|home| (home.name.clone(), home.url.clone(), home.control.clone()));
    before.instance == after.instance
        && before.coordination == after.coordination
        && home(before) == home(after)
        && before.evidence.store == after.evidence.store
        && before.evidence.origin == after.evidence.origin
        && before.evidence.signing_key == after.evidence.signing_key
        && before.evidence.remember == after.evidence.remember
}

// === impl Opening ===

impl Opening {
    fn due() -> Self {
        Self { failures: 0, at: Some(Instant::now()) }
    }

    fn is_due(&self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }

    /// A wave was had, this one or any.
    fn tried(&mut self, went_through: bool) {
        if went_through {
            self.at = None;
        } else if self.at.is_some() {
            self.failures += 1;
            self.at = Some(Instant::now() + agenda::retry(self.failures));
        }
    }
}

// === impl Held ===

impl Held<'_> {
    /// Reads how every rule stands: sessions write it too.
    pub(super) async fn read(&mut self) -> Result<(), Fault> {
        let rows = self.home.get().await?.control().standings().await?;
        self.standings = rows.into_iter().map(|row| (row.rule, Standing::read(&row.body))).collect();
        Ok(())
    }

    /// Begins to count for rules that nobody has served, forgets those that are gone, and shows all of them.
    async fn greet(&mut self, config: &Config) -> Result<(), Fault> {
        let now = clock::now();
        // A rule that only this process's files do not have is another one's, or comes back: what is known of it, a person's
        // wish that it rests above all, must still be there then.
        let old = |standing: &Standing| {
            standing.paused.is_none()
                && standing.last.as_ref().is_some_and(|last| now.duration_since(last.at) > FORGET_AFTER)
        };
        let gone: Vec<String> = self
            .standings
            .iter()
            .filter(|(name, standing)| config.policy.rule(name).is_none() && old(standing))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            let connector = self.home.get().await?;
            written(connector.control().drop_standing(&name, self.tenure.claim().term()).await)?;
            self.standings.remove(&name);
        }
        self.daemon.board.send_modify(|board| board.rules.retain(|name, _| config.policy.rule(name).is_some()));
        for rule in config.policy.rules.iter().filter(|rule| rule.runs()) {
            let standing = self.standings.entry(rule.name.clone()).or_default();
            if standing.served.is_none() {
                // Written down: a process that is started anew every hour still comes to its next fire time.
                standing.served = Some(clock::now());
                self.save(&rule.name).await?;
            }
            self.show(config, &rule.name);
        }
        Ok(())
    }

    /// What is to be done now; and how long there is nothing to do, if nothing is.
    fn due(&self, config: &Config) -> (Vec<Served>, Duration) {
        let now = clock::now();
        let mut due = vec![];
        let mut pause = LOOK_EVERY;
        for rule in config.policy.rules.iter().filter(|rule| rule.runs()) {
            let Some(next) = self.next(config, &rule.name, now) else { continue };
            if next.at <= now {
                due.push(Served { rule: rule.name.clone(), fire: Some(next.fire), turn: next.turn, asked: false });
            } else {
                pause = pause.min(next.at.duration_since(now).try_into().unwrap_or(pause));
            }
        }
        (due, pause)
    }

    /// When rules that are not in a wave are due, and in which databases.
    pub(super) fn upcoming(&self, config: &Config, wave: &[Served]) -> Vec<(Timestamp, String)> {
        let now = clock::now();
        let rules = config.policy.rules.iter().filter(|rule| rule.runs());
        let others = rules.filter(|rule| wave.iter().all(|served| served.rule != rule.name));
        others.filter_map(|rule| Some((self.next(config, &rule.name, now)?.at, rule.database.clone()))).collect()
    }

    fn next(&self, config: &Config, rule: &str, now: Timestamp) -> Option<Next> {
        let standing = self.standings.get(rule)?;
        let rule = config.policy.rule(rule)?;
        agenda::next(rule, standing, config.quiet(&rule.database), self.seen, now, self.daemon.spread)
    }

    /// Writes down how a rule stands.
    pub(super) async fn save(&self, rule: &str) -> Result<(), Fault> {
        let Some(standing) = self.standings.get(rule) else { return Ok(()) };
        let row = StandingRow { rule: rule.into(), body: standing.text() };
        let connector = self.home.get().await?;
        let done = written(connector.control().keep_standing(&row, self.tenure.claim().term()).await);
        if done.is_err() {
            self.home.close().await;
        }
        done
    }

    /// Shows how a rule stands.
    pub(super) fn show(&self, config: &Config, rule: &str) {
        let now = clock::now();
        let next = self.next(config, rule, now).map(|next| next.at);
        let standing = self.standings.get(rule).cloned().unwrap_or_default();
        if let Some(rule) = config.policy.rule(rule) {
            self.daemon.show_rule(rule, standing, next, now);
        }
    }
}
