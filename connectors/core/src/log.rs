//! The evidence log inside a database, and the copies of its head in other databases.

use async_trait::async_trait;

use crate::{Fault, ReceiptKey};

/// A committed tree: size and root always travel together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log's origin.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root hash.
    pub root: [u8; 32],
}

/// The head row, and whether it can still be the one we wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadState {
    /// The committed head.
    pub head: Head,
    /// Where it is read.
    pub place: HeadPlace,
}

/// Where a head row is read, as against where it says that it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadPlace {
    /// In the table, server and timeline that it names.
    Same,
    /// On a standby: what is missing there may only not have come yet.
    Standby,
    /// In the same table of the same server's data, which went on under a later timeline: a standby was promoted, or a
    /// backup was rolled forward to a point in time. Only who remembers what was written can tell one from the other.
    LaterTimeline,
    /// In another one: it was restored.
    Other,
}

/// The key of a leaf is its receipt's key.
pub type LeafKey = ReceiptKey;

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// The receipt it came from.
    pub key: LeafKey,
    /// Its index in the log.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub hash: [u8; 32],
}

/// One step of the log: everything in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The head this step builds on; absent for the first.
    pub expected: Option<Head>,
    /// The head after it.
    pub next: Head,
    /// Tiles and entry bundles by path: create-only. One that exists with other bytes fails the step.
    pub objects: Vec<(String, Vec<u8>)>,
    /// Partial tiles and bundles that this step makes superfluous.
    pub superseded: Vec<String>,
    /// The new leaves.
    pub leaves: Vec<LeafRow>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The head is `next`.
    Done,
    /// The head was not `expected`; nothing was written.
    Moved(Option<Head>),
    /// A leaf or an object exists with other bytes; nothing was written.
    Conflict,
    /// The fence holds a later term; nothing was written.
    Fenced,
    /// The answer was lost: read the head again.
    Unknown(Fault),
    /// It failed and nothing was written.
    Failed(Fault),
}

/// The log store inside the control tables.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// The head of `origin`, if the log was begun here.
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault>;

    /// Does one step, under the fence of `term`.
    async fn publish(&self, append: &Append, term: u64) -> Published;

    /// A tile, bundle, checkpoint or other file of the log by its path.
    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// Stores or replaces a mutable file of the log (`checkpoint`, `log.vkey`, `policy/..`).
    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault>;

    /// All paths of the log, for export.
    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault>;

    /// Which of these receipts are in the log.
    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault>;

    /// The highest sequence of every (generation, rule, lane) that the log holds.
    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault>;

    /// Stores a copy of a head that lives elsewhere. Copies move only forward; an older one is ignored.
    async fn remember(&self, head: &Head) -> Result<(), Fault>;

    /// The copy stored here.
    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault>;
}
