//! How fast batches may follow each other, and what stops them from outside.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Progress;
use crate::rules::QuietWindows;
use crate::throttle::{Decision, Gate, Reading, RowRate};

/// The limits a walk obeys.
pub struct Pace<'a> {
    /// The most rows of one batch.
    pub batch_rows_max: u32,
    /// How long a batch shall last.
    pub batch_target: Duration,
    /// The most receipts that may wait for the relay.
    pub receipts_pending_max: u64,
    /// How many wait, as far as this process knows.
    pub backlog: &'a Cell<u64>,
    /// When no batch starts.
    pub quiet: &'a QuietWindows,
    /// Whether the server and its replicas can take more.
    pub gate: &'a Gate,
    /// What was last read of them.
    pub readings: watch::Sender<Option<Reading>>,
    /// How long it is waited for that, before the run stands back for others.
    pub pause_max: Duration,
    /// How many rows may be changed in a second, where that is limited.
    pub rate: RefCell<Option<RowRate>>,
    /// Turns true when the process is asked to stop.
    pub stop: watch::Receiver<bool>,
    /// Who is told about each batch.
    pub progress: &'a dyn Progress,
}

// === impl Pace ===

impl Pace<'_> {
    /// Whether the server and its replicas can take a batch now.
    pub(super) fn look(&self) -> Decision {
        self.gate.look(self.readings.borrow().as_ref(), Instant::now())
    }

    /// How long the next batch has to wait for the rows of those before, and of these.
    pub(super) fn wait(&self, rows: u64) -> Duration {
        let now = Instant::now();
        let Some(mut rate) = self.rate.borrow().clone() else { return Duration::ZERO };
        rate.spend(rows, now);
        rate.wait(now)
    }

    /// So many rows were changed.
    pub(super) fn spend(&self, rows: u64) {
        if let Some(rate) = self.rate.borrow_mut().as_mut() {
            rate.spend(rows, Instant::now());
        }
    }
}
