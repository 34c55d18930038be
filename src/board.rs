//! What the daemon shows of itself: the one source of `/metrics`, `/status`, `/readyz`. No value of a user's table is
//! in it.

use std::collections::BTreeMap;

use forgetd_connector::Cause;
use jiff::Timestamp;
use serde::Serialize;

use crate::rules::Mode;
use crate::run::standing::Standing;

/// The daemon's state, as it shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// The instance.
    pub instance: String,
    /// forgetd's version.
    pub version: &'static str,
    /// The configuration.
    pub config: ConfigState,
    /// Whether this process acts.
    pub role: Role,
    /// The databases, by name.
    pub databases: BTreeMap<String, DatabaseState>,
    /// The rules that run, by name. Filled by the holder alone, from the home database.
    pub rules: BTreeMap<String, RuleState>,
    /// The evidence log.
    pub evidence: EvidenceState,
    /// Policies of processes that follow, by digest, where they differ from the one in force here. Known to the holder.
    pub policies: BTreeMap<String, OtherPolicy>,
    /// Since when processes have had different policies, once that is longer than a rollout takes.
    pub split: Option<Timestamp>,
    /// When the loop that serves last turned, by our clock: a loop that stands still is not alive.
    pub turned: Option<Timestamp>,
}

/// The configuration in force, and the one that was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConfigState {
    /// Whether the files, as they are now, are in force.
    pub valid: bool,
    /// What is wrong with the files as they are now: place, message, fix.
    pub problems: Vec<String>,
    /// When the configuration in force was loaded.
    pub loaded: Option<Timestamp>,
    /// The digest of the policy in force; empty while there is none.
    pub policy_digest: String,
}

/// A policy that another process of the instance has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherPolicy {
    /// When the holder first heard of it.
    pub since: Timestamp,
    /// When it last did.
    pub heard: Timestamp,
    /// The rules of it that wait for their approval.
    pub waits: Vec<String>,
}

/// Whether this process acts for the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Not known yet: nobody could be asked.
    #[default]
    Starting,
    /// Another process acts.
    Follower {
        /// Its name.
        holder: String,
        /// Its term.
        term: u64,
    },
    /// This process acts.
    Holder {
        /// Its term.
        term: u64,
        /// Since when.
        since: Timestamp,
    },
    /// Nobody acts: the lease is free, and the home database lets this process not take it.
    Nobody {
        /// Why not.
        cause: Cause,
    },
    /// There is nothing to hold: no rule acts and no control tables are there, each process looks for itself.
    Observer,
}

/// One database.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DatabaseState {
    /// Whether it is the home database.
    pub home: bool,
    /// Whether it answered when it was last asked; nothing while it was not asked.
    pub up: Option<bool>,
    /// The engine: postgresql, mysql, mongodb, sqlite; empty until it answered.
    pub engine: &'static str,
    /// The engine's product and version, once it answered.
    pub server: String,
    /// What it said when it did not.
    pub problem: Option<String>,
    /// Whether it refused writes when it was last asked.
    pub read_only: bool,
    /// Why nothing is started there, if so.
    pub paused: Option<Pause>,
    /// Until when, where that is known.
    pub paused_until: Option<Timestamp>,
    /// Why the throttle lets no batch of a run start, if so, and what it found.
    pub throttled: Option<(Pause, String)>,
}

/// Why no batch starts in a database. The ids are part of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Too many receipts wait for the relay.
    EvidenceBacklog,
    /// A quiet window of it is open.
    QuietWindow,
    /// A person paused every rule of it.
    Operator,
    /// It refuses writes: a standby, or a setting.
    ReadOnly,
    /// It cannot be reached.
    Unreachable,
    /// A replica is further behind than its limit.
    ReplicaLag,
    /// A replica that it names cannot be asked.
    ReplicaUnreachable,
    /// A server that it names as a replica is none of it.
    NotMyReplica,
    /// What its throttle goes by cannot be read.
    SignalUnread,
    /// The server keeps too much of its log.
    LogKept,
    /// Too many sessions are at work.
    Load,
    /// Others wait for locks that batches hold.
    LockWaits,
    /// The operator's own signal says no.
    Veto,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleState {
    /// The entry of `databases:`.
    pub database: String,
    /// The engine: postgresql, mysql, mongodb, sqlite; empty while it is not known.
    pub engine: String,
    /// The table.
    pub table: String,
    /// `delete` or `transform`.
    pub action: &'static str,
    /// Whether it acts.
    pub mode: Mode,
    /// How long rows are kept, as the policy says it.
    pub keep_for: String,
    /// Five fields and a zone; nothing for a rule that only runs when it is asked to.
    pub schedule: Option<String>,
    /// The longest time between two fire times, in seconds.
    pub interval_secs: Option<i64>,
    /// When it fires next.
    pub next: Option<Timestamp>,
    /// The run under way.
    pub running: Option<Running>,
    /// Everything that is remembered.
    pub standing: Standing,
    /// When a backlog that is worked off in caps will be done, at the pace of the last runs.
    pub drained: Option<Timestamp>,
}

/// A run under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Rows due when it began.
    pub due: u64,
    /// Whether that number is exact.
    pub exact: bool,
    /// Rows changed so far.
    pub changed: u64,
}

/// The evidence log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EvidenceState {
    /// Its name.
    pub origin: String,
    /// Entries under the newest checkpoint that this process knows.
    pub size: Option<u64>,
    /// Its root, hex.
    pub root: Option<String>,
    /// When it was signed.
    pub checkpoint: Option<Timestamp>,
    /// Receipts that wait for the relay.
    pub pending: u64,
    /// Why the log cannot be extended, if so: cause, place, what was found.
    pub problem: Option<String>,
    /// The cause alone.
    pub cause: Option<Cause>,
    /// When the log was last checked from its beginning or its last checked head.
    pub verified: Option<Timestamp>,
    /// What that found; nothing before the first check.
    pub sound: Option<bool>,
}

// === impl Role ===

impl Role {
    /// The term this process acts under.
    pub const fn term(&self) -> Option<u64> {
        match self {
            Self::Holder { term, .. } => Some(*term),
            _ => None,
        }
    }
}

// === impl Pause ===

impl Pause {
    /// Every reason, for pre-created series.
    pub const ALL: &[Self] = &[
        Self::EvidenceBacklog,
        Self::QuietWindow,
        Self::Operator,
        Self::ReadOnly,
        Self::Unreachable,
        Self::ReplicaLag,
        Self::ReplicaUnreachable,
        Self::NotMyReplica,
        Self::SignalUnread,
        Self::LogKept,
        Self::Load,
        Self::LockWaits,
        Self::Veto,
    ];

    /// The reason for which the throttle holds batches back.
    pub fn of_the_throttle(cause: Cause) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| cause.is_of_the_throttle() && reason.cause() == cause)
    }

    /// The cause whose fix says what to do about it.
    pub const fn cause(self) -> Cause {
        match self {
            Self::EvidenceBacklog => Cause::EvidenceBacklog,
            Self::QuietWindow => Cause::QuietWindow,
            Self::Operator => Cause::Paused,
            Self::ReadOnly => Cause::ReadOnly,
            Self::Unreachable => Cause::Unreachable,
            Self::ReplicaLag => Cause::ReplicaLag,
            Self::ReplicaUnreachable => Cause::ReplicaUnreachable,
            Self::NotMyReplica => Cause::NotMyReplica,
            Self::SignalUnread => Cause::SignalUnread,
            Self::LogKept => Cause::LogKept,
            Self::Load => Cause::Load,
            Self::LockWaits => Cause::LockWaits,
            Self::Veto => Cause::Veto,
        }
    }

    /// The id in metrics and on the page: the cause's, but for the one that says who it was.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            reason => reason.cause().id(),
        }
    }
}
