//! What every part of the daemon shares, and its life from start to end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::hold::Standings;
use super::objects::Objects;
use super::source::Source;
use super::{follow, pauses, source};
use crate::board::{Board, EvidenceState, Role};
use crate::config::{Config, LoadOptions, Problems};
use crate::evidence::OwnMemory;
use crate::telemetry::metrics::Metrics;
use crate::{clock, http, shutdown};

/// Where it listens while no configuration says.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9878);

/// How long ending may take. A batch under way is a transaction, or sealed: dropping it loses nothing.
const END_WITHIN: Duration = Duration::from_millis(4_500);

/// The pause before an address is tried again.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// First looks at the lease are spread over this long.
const FIRST_LOOK_WITHIN: Duration = Duration::from_millis(500);

/// How the daemon is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// In the application's pod: whatever is wrong, it stays, says so and tries again.
    Sidecar,
    /// By itself: a configuration that is broken at the start ends it with 78.
    #[default]
    Standalone,
}

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the configuration is.
    pub load: LoadOptions,
    /// How it is kept.
    pub mode: Mode,
    /// Where it listens, if not where the configuration says.
    pub listen: Option<SocketAddr>,
}

/// Why a pause ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// It was long enough.
    Time,
    /// The configuration changed.
    Config,
    /// The process is to end.
    Stop,
}

/// What every part shares.
pub(super) struct Daemon {
    /// The configuration in force; nothing while none was valid.
    config: RefCell<Option<Rc<Config>>>,
    /// Counts the configurations that came into force.
    pub(super) changed: watch::Sender<u64>,
    /// What is shown.
    pub(super) board: Arc<watch::Sender<Board>>,
    /// What is counted.
    pub(super) metrics: Metrics,
    /// Turns true when the process is to end.
    pub(super) stop: watch::Receiver<bool>,
    /// How often in a row the home database did not answer.
    pub(super) away: Cell<u32>,
    /// Another process took over where nobody coordinates: this one is done.
    pub(super) fenced: watch::Sender<bool>,
    /// Whether something must be mended by hand that is no fault of the files.
    pub(super) broke: Cell<bool>,
    /// How the rules stand where nothing is written down.
    pub(super) observed: RefCell<Standings>,
    /// Since when the lease has been free and was left to others, whose policy may be approved as a whole.
    pub(super) free_since: Cell<Option<Instant>>,
    /// The request by which this process last said which policy it has.
    pub(super) said: RefCell<String>,
    /// What this process remembers of the evidence log and its receipts.
    pub(super) own: OwnMemory,
    /// When it started.
    pub(super) started: Timestamp,
    /// This process's share of waits that are spread, from 0 to 1.
    pub(super) spread: f64,
}

/// Serves until the process is asked to end. An error: why it did not start.
pub async fn serve(options: Options) -> Result<Ended, Start> {
    let stop = shutdown::listen().map_err(Start::Signals)?;
    let (source, loaded) = Source::open(options.load);
    let daemon = Daemon::new(stop, Metrics::new().map_err(Start::Metrics)?);
    match loaded {
        Err(problems) if options.mode == Mode::Standalone => return Err(Start::Config(problems)),
        loaded => daemon.take(loaded),
    }
    let address = options.listen.or_else(|| daemon.config().map(|config| config.listen)).unwrap_or(LISTEN);
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) if options.mode == Mode::Standalone => return Err(Start::Listen(address, error)),
        Err(error) => {
            tracing::error!(%address, %error, "nothing is served over HTTP for now: the address cannot be listened on");
            None
        }
    };
    let life = async {
        tokio::join!(daemon.live(), daemon.listen(address, listener));
    };
    tokio::select! {
        () = life => tracing::info!("ended"),
        () = daemon.until_fenced() => {
            tracing::error!("ended: another process acts, and `coordination: none` promises that there is only one");
        }
        () = daemon.overtime() => {
            tracing::warn!("ended without waiting any longer: a database does not answer; what is open there is rolled back");
        }
        never = source::watch(source, &daemon) => match never {},
        never = pauses::tell(&daemon) => match never {},
    }
    Ok(if *daemon.fenced.borrow() { Ended::Fenced } else { Ended::Asked })
}

/// Why the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// Another process took over, and nobody coordinates who acts.
    Fenced,
}

/// Why the daemon did not start.
#[derive(Debug)]
pub enum Start {
    /// The configuration is broken.
    Config(Problems),
    /// Signals cannot be listened to.
    Signals(std::io::Error),
    /// The address cannot be listened on.
    Listen(SocketAddr, std::io::Error),
    /// A metric has a name that Prometheus does not allow.
    Metrics(prometheus::Error),
}

// === impl Daemon ===

impl Daemon {
    pub(super) fn new(stop: watch::Receiver<bool>, metrics: Metrics) -> Self {
        let board = Board { version: env!("CARGO_PKG_VERSION"), ..Board::default() };
        Self {
            config: RefCell::default(),
            changed: watch::Sender::new(0),
            board: Arc::new(watch::Sender::new(board)),
            metrics,
            stop,
            away: Cell::new(0),
            fenced: watch::Sender::new(false),
            broke: Cell::new(false),
            observed: RefCell::default(),
            free_since: Cell::new(None),
            said: RefCell::default(),
            own: OwnMemory::default(),
            started: clock::now(),
            spread: share(),
        }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Option<Rc<Config>> {
        self.config.borrow().clone()
    }

    /// Puts a configuration in force, or shows what is wrong with it and keeps the one before.
    pub(super) fn take(&self, loaded: Result<Config, Problems>) {
        let before = self.config();
        match loaded {
            Err(problems) => {
                for problem in &problems.0 {
                    tracing::error!(%problem, "the configuration is broken");
                }
                let kept = if before.is_some() { "the one before stays in force" } else { "nothing runs" };
                tracing::error!(problems = problems.0.len(), "the configuration is not used: {kept}");
                self.board.send_modify(|board| {
                    board.config.valid = false;
                    board.config.problems = problems.0.iter().map(ToString::to_string).collect();
                });
            }
            Ok(config) => {
                source::tell(before.as_deref(), &config);
                self.board.send_modify(|board| {
                    board.instance.clone_from(&config.instance);
                    board.evidence.origin.clone_from(&config.evidence.origin);
                    board.config.valid = true;
                    board.config.problems.clear();
                    board.config.loaded = Some(clock::now());
                    board.config.policy_digest = config.policy.digest();
                    board.databases.retain(|name, _| config.database(name).is_some());
                    for database in &config.databases {
                        board.databases.entry(database.name.clone()).or_default().home = database.home;
                    }
                });
                self.config.replace(Some(Rc::new(config)));
                self.changed.send_modify(|changed| *changed += 1);
            }
        }
    }

    /// Serves over HTTP until the process is to end and the answers under way are sent; an address that cannot be
    /// listened on is tried again.
    async fn listen(&self, address: SocketAddr, mut listener: Option<TcpListener>) {
        let objects = Objects::new(self);
        loop {
            if let Some(listener) = listener.take() {
                if let Ok(address) = listener.local_addr() {
                    tracing::info!(%address, "listening");
                }
                http::serve(listener, self.board.subscribe(), &self.metrics, &objects, self.stop.clone()).await;
            }
            if self.stopped() || self.pause(LISTEN_AGAIN).await == Woken::Stop {
                return;
            }
            listener = TcpListener::bind(address).await.ok();
        }
    }

    /// Returns when another process took over where nobody coordinates.
    async fn until_fenced(&self) {
        if self.fenced.subscribe().wait_for(|fenced| *fenced).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the process was asked to end and should have.
    async fn overtime(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stopped| *stopped).await.is_ok() {
            sleep(END_WITHIN).await;
        }
    }

    async fn live(&self) {
        self.turn();
        // All replicas may have been started in one moment, and each look is a connection.
        self.pause(FIRST_LOOK_WITHIN.mul_f64(self.spread)).await;
        while !self.stopped() {
            self.turn();
            match self.config() {
                // However long a database takes to answer, the loop turns.
                Some(config) => tokio::select! {
                    () = follow::follow(self, config) => {}
                    never = self.turning() => match never {},
                },
                None => drop(self.pause(Duration::from_secs(30)).await),
            }
        }
    }

    /// Whether the process is to end.
    pub(super) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the process is to end, or another configuration than this one is in force.
    pub(super) async fn to_end(&self, config: &Rc<Config>) {
        let (mut stop, mut changed) = (self.stop.clone(), self.changed.subscribe());
        let other = || self.config().is_none_or(|newer| !Rc::ptr_eq(&newer, config));
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => {}
            _ = changed.wait_for(|_| other()) => {}
        }
    }

    /// Shows that the loop turns.
    pub(super) fn turn(&self) {
        self.board.send_modify(|board| board.turned = Some(clock::now()));
    }

    /// Shows it every now and then while something else goes on.
    pub(super) async fn turning(&self) -> Infallible {
        loop {
            sleep(Duration::from_secs(10)).await;
            self.turn();
        }
    }

    /// Shows whether this process acts.
    pub(super) fn role(&self, role: Role) {
        let alone = !matches!(role, Role::Holder { .. } | Role::Observer);
        self.board.send_modify(|board| {
            if alone {
                // Only who acts knows how the rules stand.
                board.rules.clear();
                board.policies.clear();
                board.split = None;
                // Nor how the log stands: another process may add to it now. What was found wrong with it stays.
                let EvidenceState { size, root, checkpoint, pending, .. } = &mut board.evidence;
                (*size, *root, *checkpoint, *pending) = (None, None, None, 0);
                // A walk that was given up with the lease tells nothing any more.
                board.databases.values_mut().for_each(|state| state.throttled = None);
            }
            board.role = role;
        });
    }

    /// Waits, turning meanwhile, until the time is over, the configuration changes or the process is to end.
    pub(super) async fn pause(&self, long: Duration) -> Woken {
        let (mut stop, mut changed) = (self.stop.clone(), self.changed.subscribe());
        let woken = async {
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => Woken::Stop,
                _ = changed.changed() => Woken::Config,
            }
        };
        timeout(long, woken).await.unwrap_or(Woken::Time)
    }
}

/// A number from 0 to 1, another one for each process.
fn share() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness everybody waits the same: that costs a spike, not a promise.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::warn!("no randomness: waits are not spread");
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
