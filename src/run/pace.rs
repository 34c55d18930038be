//! How fast batches may follow each other, and what stops them from outside.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::watch;

use super::Progress;
use crate::rules::QuietWindows;

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
    /// Turns true when the process is asked to stop.
    pub stop: watch::Receiver<bool>,
    /// Who is told about each batch.
    pub progress: &'a dyn Progress,
}
