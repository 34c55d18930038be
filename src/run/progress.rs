//! Who is told how far a run has come.

use std::time::Duration;

use crate::telemetry::metrics::BatchResult;
use crate::throttle::PauseReason;

/// A listener. It is called between batches and must not block.
pub trait Progress {
    /// A run begins, or goes on.
    fn begin(&self, rule: &str, begun: &Begun<'_>);
    /// A batch was committed, `took` after it began: it changed `rows`, and the run `changed` so far.
    fn batch(&self, rule: &str, rows: u64, changed: u64, took: Duration);
    /// Rows of a batch were changed that an earlier holder had left open.
    fn adopted(&self, _rule: &str, _rows: u64) {}
    /// A batch was not committed, and this became of it; the run may go on.
    fn uncommitted(&self, _rule: &str, _result: BatchResult) {}
    /// The run ended.
    fn end(&self, rule: &str);
    /// The slowest replica of a database is so far behind, as was read just now; nothing: there is none.
    fn lag(&self, _database: &str, _behind: Option<Duration>) {}
    /// The throttle lets no batch start in a database, for this reason; nothing: they go on.
    fn paused(&self, _database: &str, _reason: Option<&PauseReason>) {}
    /// Batches in a database rested for so long, to leave others at work there their room.
    fn rested(&self, _database: &str, _time: Duration) {}
    /// So many entries came into the evidence log.
    fn appended(&self, _entries: u64) {}
    /// The evidence log could not be extended.
    fn append_failed(&self) {}
}

/// What is known of a run when it begins, or goes on.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    /// The run.
    pub run: &'a str,
    /// Rows that were due when it began; at least so many, where counting stopped early.
    pub due: u64,
    /// Whether that number is exact.
    pub exact: bool,
    /// Rows that it has changed already.
    pub changed: u64,
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

// === impl Quiet ===

impl Progress for Quiet {
    fn begin(&self, _rule: &str, _begun: &Begun<'_>) {}
    fn batch(&self, _rule: &str, _rows: u64, _changed: u64, _took: Duration) {}
    fn end(&self, _rule: &str) {}
}
