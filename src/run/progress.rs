//! Who is told how far a run has come.

use std::time::Duration;

use crate::telemetry::metrics::BatchResult;
use crate::throttle::PauseReason;

/// A listener. It is called between batches and must not block.
pub trait Progress {
    /// A run begins, with this many rows due (at least, where counting stopped early).
    fn begin(&self, rule: &str, due: u64, exact: bool);
    /// A batch was committed, `took` after it began; `changed` rows so far.
    fn batch(&self, rule: &str, changed: u64, took: Duration);
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

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

// === impl Quiet ===

impl Progress for Quiet {
    fn begin(&self, _rule: &str, _due: u64, _exact: bool) {}
    fn batch(&self, _rule: &str, _changed: u64, _took: Duration) {}
    fn end(&self, _rule: &str) {}
}
