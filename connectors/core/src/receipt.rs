//! Receipts: the record of one batch (or of anything else that becomes an evidence entry), written with it.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Commit, Cursor, Deadline, Fault, Key};

/// The random name of one set of control tables. A restored or rebuilt set is a new generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub String);

/// The primary key of a receipt inside one instance. Whoever comes second with the same key loses its whole batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptKey {
    /// The control tables it was written under.
    pub generation: Generation,
    /// The rule, or `-`.
    pub rule: String,
    /// The lane, or `-` for entries that are no batch.
    pub lane: String,
    /// Gapless, from 1, inside (generation, rule, lane).
    pub sequence: u64,
}

/// A receipt as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its key.
    pub key: ReceiptKey,
    /// The run it belongs to.
    pub run: String,
    /// The term it is written under.
    pub term: u64,
    /// The entry's bytes, exactly as they will stand in the log. Never holds a key or a bound.
    pub body: Vec<u8>,
    /// HMAC-SHA256 over key and body, so that a change on the way to the log is noticed.
    pub mac: [u8; 32],
    /// Sorted 32-byte commitments of the changed rows, kept privately; absent unless the rule asks for them.
    pub rows: Option<Vec<u8>>,
    /// What becomes of the lane's resume position, which is written beside the receipt and never inside it.
    pub cursor: CursorMove,
}

/// What tells a receipt from another one at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The term that it stands under.
    pub term: u64,
    /// Its MAC.
    pub mac: [u8; 32],
}

/// What a receipt does to its lane's cursor. One that lags is safe: what lies between is walked again, and its rows are
/// gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorMove {
    /// It stays where it is.
    Keep,
    /// It moves here; earlier ones go.
    To(Cursor),
    /// The lane is at its end: it goes.
    Gone,
}

// === impl CursorMove ===

impl CursorMove {
    /// Where the cursor stands then, if this receipt says so.
    pub const fn position(&self) -> Option<&Cursor> {
        match self {
            Self::To(cursor) => Some(cursor),
            Self::Keep | Self::Gone => None,
        }
    }
}

impl From<Option<Cursor>> for CursorMove {
    /// Absent: the lane is at its end.
    fn from(cursor: Option<Cursor>) -> Self {
        cursor.map_or(Self::Gone, Self::To)
    }
}

/// A receipt that the evidence log has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its key.
    pub key: ReceiptKey,
    /// The entry's bytes.
    pub body: Vec<u8>,
    /// The MAC stored with it.
    pub mac: [u8; 32],
}

/// A sealed receipt whose outcome was never recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenSeal {
    /// The receipt as sealed.
    pub receipt: Receipt,
    /// The private list of keys it announced.
    pub keys: Vec<Key>,
}

/// What recording a sealed batch's outcome met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealEnd {
    /// The receipt is done and its key list is gone.
    Done,
    /// Somebody else adopted the receipt; the count goes into an entry `late`.
    Adopted,
    /// It failed; the receipt stays sealed.
    Failed(Fault),
}

/// What a look after a lost answer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The receipt is there: the batch is committed.
    Present,
    /// It is not, and the old transaction is gone: nothing of the batch remains.
    Absent,
    /// Another's receipt has its place: nothing of the batch remains, and somebody else acts.
    Foreign,
    /// It could not be found out.
    Unsettled,
}

/// Receipts in the control tables. `instance` is the connector's own.
///
/// Every write checks, in its own transaction and under a share lock, that the fence row holds the receipt's term;
/// where it holds a later one the answer is [`Commit::Fenced`] and nothing was written.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Inserts one receipt that is no batch, state done.
    async fn append(&self, receipt: &Receipt) -> Commit;

    /// Inserts one receipt of the lane `-` without asking the fence: the one write that a holder may still send after
    /// it found its seal adopted. It changes no row of a user's table and takes no sequence of a lane.
    async fn append_late(&self, receipt: &Receipt) -> Commit;

    /// The next free sequence of a lane: one more than the highest, 1 where there is none.
    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault>;

    /// The cursor that the lane's last committed batch left.
    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault>;

    /// Finds out what became of a batch whose commit was not answered: takes the fence row exclusively (waiting out
    /// the old transaction, ending its session after five seconds), then looks the receipt up.
    async fn settle(&self, key: &ReceiptKey) -> Settled;

    /// The same for a receipt that is known: what has its place and is not it, by term and MAC, is another's.
    async fn settle_ours(&self, receipt: &Receipt) -> Settled {
        match self.settle(&receipt.key).await {
            Settled::Present => match self.stamp(&receipt.key).await {
                Ok(Some(stamp)) if stamp == receipt.stamp() => Settled::Present,
                Ok(Some(_)) => Settled::Foreign,
                // It went meanwhile, or cannot be read.
                Ok(None) | Err(_) => Settled::Unsettled,
            },
            settled => settled,
        }
    }

    /// What the receipt at a place was stamped with, whatever its state; absent where there is none.
    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault>;

    /// Sealed lane, step 2: inserts the receipt in state sealed with its private key list. Where that and the look at the
    /// fence are not one transaction, the deadline is asked in between.
    async fn seal(&self, receipt: &Receipt, keys: &[Key], deadline: &dyn Deadline) -> Commit;

    /// Sealed lane, step 5: body, MAC, rows and cursor of `receipt` replace the sealed ones, the state becomes done,
    /// the key list goes; only while the state is sealed under `receipt.term`.
    async fn unseal(&self, receipt: &Receipt) -> SealEnd;

    /// Takes every open seal of the instance into `term`, so that its old holder's unseal finds it adopted, and
    /// returns them in the order of their keys.
    async fn adopt(&self, term: u64) -> Result<Vec<OpenSeal>, Fault>;

    /// Receipts in state done that are not acknowledged, in the order of their keys, at most `limit`. Never chosen by
    /// a high-water mark: sequences of several lanes commit out of order.
    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault>;

    /// How many such receipts there are.
    async fn pending_count(&self) -> Result<u64, Fault>;

    /// Records the leaf index of each receipt. Doing it again changes nothing.
    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault>;

    /// The highest sequence of every (generation, rule, lane), for the comparison with the log.
    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault>;

    /// Bodies of receipts from `after` on in the order of their keys, acknowledged ones too, at most `limit`; for
    /// rebuilding a lost folder.
    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault>;

    /// The private list of row commitments that a receipt was written with, as long as the receipt is kept.
    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault>;

    /// Removes acknowledged receipts with a leaf index below `covered` that are older than `keep_secs`; the newest of
    /// each lane stays. Returns how many went.
    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault>;
}

// === impl Receipt ===

impl Receipt {
    /// What it is stamped with.
    pub const fn stamp(&self) -> Stamp {
        Stamp { term: self.term, mac: self.mac }
    }
}

// === impl ReceiptKey ===

impl fmt::Display for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.generation.0, self.rule, self.lane, self.sequence)
    }
}
