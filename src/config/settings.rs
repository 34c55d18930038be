//! What the daemon was told, resolved: defaults applied, names checked, paths absolute or relative to the working
//! folder, nothing of the files' form left.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::LazyLock, time::Duration};

use forgetd_connector::UnsupportedEngine;
use jiff::Timestamp;

use super::{Secret, UrlSource};
use crate::rules::{Policy, QuietWindows, Rule};

/// Everything `forgetd` needs to know before it connects.
#[derive(Clone, Debug)]
pub struct Config {
    /// The instance: all replicas that share one policy and one evidence log.
    pub instance: String,
    /// How replicas agree on who acts.
    pub coordination: Coordination,
    /// The databases, by name. Exactly one is the home database.
    pub databases: Vec<Database>,
    /// Where evidence goes.
    pub evidence: Evidence,
    /// Where `serve` listens.
    pub listen: SocketAddr,
    /// The keys that tokens are made with, by domain and then by when they become active.
    pub pseudonym_keys: Vec<PseudonymKey>,
    /// The rules, by name.
    pub policy: Policy,
    /// The files it was read from, in the order they were layered.
    pub files: Vec<PathBuf>,
}

/// How replicas agree on who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordination {
    /// A lease of this length in the home database, renewed every third of it.
    Lease(Duration),
    /// One process at a time, by promise: each one that starts takes over.
    None,
}

/// One entry of `databases:`.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name in the policy, in metrics and in evidence.
    pub name: String,
    /// Where it is.
    pub url: UrlSource,
    /// Whether it holds lease, approvals and, unless told otherwise, the evidence log.
    pub home: bool,
    /// Where its control tables are.
    pub control: Control,
    /// Where the data is, as the operator names it; part of the evidence.
    pub region: Option<String>,
    /// The most connections forgetd opens to it.
    pub max_connections: u32,
    /// How long a row lock is waited for, in milliseconds.
    pub lock_wait_ms: u64,
    /// How hard it may be worked.
    pub throttle: Throttle,
    /// When nothing is started.
    pub quiet: QuietWindows,
    /// Where its replicas are that are to be asked how far they are behind.
    pub replicas: Vec<UrlSource>,
    /// What to do where the server is a product that was never tested.
    pub unsupported_engine: UnsupportedEngine,
}

/// How hard a database may be worked.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// The most rows one batch deletes.
    pub delete_rows_max: u32,
    /// The most rows one batch transforms.
    pub transform_rows_max: u32,
    /// How long a batch shall last: its size follows what was measured.
    pub batch_target: Duration,
    /// The most rows that are changed in a second.
    pub rows_per_second_max: Option<u32>,
    /// The share of the time in which batches may be under way while others are at work on the server; its engine's where
    /// none is written.
    pub share_beside_others: Option<f64>,
    /// How far a replica may be behind.
    pub replica_lag_max: Duration,
    /// Whether that was written, and does not only hold by default.
    pub replica_lag_asked: bool,
    /// The most of its log that the server may keep for replication slots, in bytes.
    pub log_kept_max: u64,
    /// The most sessions that may be at work.
    pub active_sessions_max: Option<u64>,
    /// A signal of the operator's.
    pub veto: Option<Veto>,
    /// How long batches wait before their run stands back for others.
    pub pause_max: Duration,
}

/// What says whether nothing may be done in a database now.
#[derive(Clone, PartialEq, Eq)]
pub enum Veto {
    /// A statement with one value: true, or a number that is not 0, says no.
    Sql(String),
    /// An address: another answer than a success says no.
    Http(String),
}

impl Throttle {
    /// The most rows one batch of a rule changes.
    #[must_use]
    pub fn rows_max(&self, rule: &Rule) -> u32 {
        if rule.transform().is_some() { self.transform_rows_max } else { self.delete_rows_max }
    }
}

/// Where a database's control tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// In the database itself, under this name (a schema in PostgreSQL, a database in MySQL and MongoDB, a prefix in SQLite).
    Named(String),
    /// In another entry of `databases:`; this database is worked on by sealed batches.
    At(String),
}

/// Where evidence goes.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Where the log is kept.
    pub store: Store,
    /// The log's name in checkpoints, for example `example.com/forgetd/shop-eu`.
    pub origin: String,
    /// The Ed25519 key that signs checkpoints.
    pub signing_key: Secret,
    /// How long an acknowledged and covered receipt stays.
    pub receipt_keep: Duration,
    /// More pending receipts than this stop new batches.
    pub receipts_pending_max: u64,
    /// A folder outside every database that remembers the newest checkpoint.
    pub remember: Option<PathBuf>,
}

/// Where the evidence log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In the control tables of this entry of `databases:`.
    Database(String),
    /// In a folder.
    Dir(PathBuf),
}

/// One entry of `pseudonym_keys:`. No file of it was opened.
#[derive(Clone, Debug)]
pub struct PseudonymKey {
    /// Its name among the keys of its domain.
    pub id: String,
    /// What its tokens are for.
    pub domain: String,
    /// Its file.
    pub file: PathBuf,
    /// The key that the file is wrapped with.
    pub kek: Option<Secret>,
    /// From when new tokens are made with it; absent: since ever. No two keys of a domain begin together.
    pub active_from: Option<Timestamp>,
}

// === impl Config ===

impl Config {
    /// The entry of `databases:` called `name`.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// When nothing is started in a database.
    pub fn quiet(&self, database: &str) -> &QuietWindows {
        static NEVER: LazyLock<QuietWindows> = LazyLock::new(QuietWindows::default);
        self.database(database).map_or(&NEVER, |database| &database.quiet)
    }

    /// The home database. Loading makes sure that there is exactly one.
    pub fn home(&self) -> Option<&Database> {
        self.databases.iter().find(|database| database.home)
    }
}

// === impl Veto ===

/// Without the text: it may name people.
impl fmt::Debug for Veto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sql(_) => "sql",
            Self::Http(_) => "http",
        })
    }
}

// === impl Database ===

impl Database {
    /// The name of the control tables in this database, where it holds its own.
    pub fn control_name(&self) -> Option<&str> {
        match &self.control {
            Control::Named(name) => Some(name),
            Control::At(_) => None,
        }
    }

    /// The entry of `databases:` whose control tables hold this database's receipts.
    pub fn control_database(&self) -> &str {
        match &self.control {
            Control::Named(_) => &self.name,
            Control::At(other) => other,
        }
    }
}
