//! Rows of the control tables that say which runs are under way.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Commit, Fault, Receipt};

/// One firing of a rule, as the control tables know it. No value of the user's tables is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its ULID.
    pub run: String,
    /// The rule.
    pub rule: String,
    /// The frozen instant.
    pub cutoff: Timestamp,
    /// SHA-256 of the rule as it ran, hex.
    pub rule_digest: String,
    /// SHA-256 of the described tables, hex.
    pub catalog_digest: String,
    /// When it started, by our clock.
    pub started_at: Timestamp,
    /// JSON with the result (verdict, cause, counts); absent while it runs.
    pub result: Option<String>,
}

/// Runs in the control tables.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Inserts the row and its `run.started` receipt in one commit.
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit;

    /// Stores the result, removes the rule's cursors and inserts the `run.finished` receipt in one commit.
    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit;

    /// Runs without a result, oldest first.
    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault>;

    /// The newest finished run of a rule.
    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault>;

    /// Sums over the receipts of a run, batches only: how many, for the result of a resumed run.
    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault>;
}
