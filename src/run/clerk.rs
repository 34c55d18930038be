//! Writes receipts: entry bytes, their MAC, and the key they stand under.

use forgetd_connector::{CursorMove, Generation, Receipt, ReceiptKey};
use jiff::Timestamp;

use crate::clock;
use crate::evidence::OwnMemory;
use crate::evidence::entry::{self, EntryBody, EntryError, EntryHead};
use crate::keys::EvidenceKey;

/// The lane of entries that are no batch.
pub const NO_LANE: &str = "-";

/// What every receipt of one database in one session has in common.
pub struct Clerk<'a> {
    /// The instance.
    pub instance: &'a str,
    /// The database the receipts concern.
    pub database: &'a str,
    /// The control tables' generation.
    pub generation: Generation,
    /// The holder's term.
    pub term: u64,
    /// The key whose derived key makes the MACs.
    pub key: &'a EvidenceKey,
    /// Remembers receipts that stand.
    pub own: &'a OwnMemory,
}

/// What one receipt is about.
pub struct Subject<'a> {
    /// The rule, or `-`.
    pub rule: &'a str,
    /// The lane, or `-`.
    pub lane: &'a str,
    /// Its number in the lane.
    pub sequence: u64,
    /// The run, or empty.
    pub run: &'a str,
}

// === impl Clerk ===

impl Clerk<'_> {
    /// The receipt of `body`, stamped now.
    pub fn receipt(&self, subject: &Subject<'_>, body: &EntryBody) -> Result<Receipt, EntryError> {
        self.receipt_at(clock::now(), subject, body, None, CursorMove::Keep)
    }

    /// The same, stamped `at`, with row commitments and what becomes of the lane's cursor.
    pub fn receipt_at(
        &self,
        at: Timestamp,
        subject: &Subject<'_>,
        body: &EntryBody,
        rows: Option<Vec<u8>>,
        cursor: CursorMove,
    ) -> Result<Receipt, EntryError> {
        let key = ReceiptKey {
            generation: self.generation.clone(),
            rule: subject.rule.into(),
            lane: subject.lane.into(),
            sequence: subject.sequence,
        };
        let head =
            EntryHead { instance: self.instance, database: self.database, at, term: self.term, run: subject.run };
        let body = entry::encode(&key, &head, body)?;
        let mac = self.key.mac(&key, &body);
        Ok(Receipt { key, run: subject.run.into(), term: self.term, body, mac, rows, cursor })
    }
}
