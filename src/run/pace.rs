//! How fast batches may follow each other, and what stops them from outside.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Progress;
use crate::rules::QuietWindows;
use crate::throttle::{Decision, Gate, Reading, Rest, RowRate};

/// Where nobody else is at work batches last so many times as long: what each costs beside its rows counts for less then, and
/// whoever comes waits for one of them at most.
const ALONE: u32 = 6;

/// Where others are at work they last this part of it. An application's commits wait behind ours, and behind what it writes;
/// few rows at a time are felt less than the same rows rarely.
const BESIDE: u32 = 10;

/// The limits a walk obeys.
pub struct Pace<'a> {
    /// The most rows of one batch.
    pub batch_rows_max: u32,
    /// How long a batch shall last where others may have to wait for it.
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
    /// How much batches rest where others are at work.
    pub rest: RefCell<Rest>,
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

    /// Whether nobody else is at work on the server, for sure.
    pub(super) fn alone(&self) -> bool {
        self.readings.borrow().as_ref().is_some_and(Reading::alone)
    }

    /// How long the next batch shall last.
    pub(super) fn target(&self) -> Duration {
        match self.readings.borrow().as_ref() {
            Some(reading) if reading.alone() => self.batch_target * ALONE,
            Some(reading) if reading.beside_others() => self.batch_target / BESIDE,
            _ => self.batch_target,
        }
    }

    /// How long the next batch has to wait for the rows of those before.
    pub(super) fn wait_for_rate(&self) -> Duration {
        self.rate.borrow().as_ref().map_or(Duration::ZERO, |rate| rate.wait(Instant::now()))
    }

    /// How long the next batch has to wait so that others have room.
    pub(super) fn wait_for_others(&self) -> Duration {
        if self.beside_others() { self.rest.borrow().wait(Instant::now()) } else { Duration::ZERO }
    }

    /// Whether the batch that is under way, with so many rows so far, is to be waited behind.
    pub(super) fn waits_behind(&self, rows: u64) -> bool {
        let now = Instant::now();
        let rate = self.rate.borrow().clone();
        let limited = rate.is_some_and(|mut rate| {
            rate.spend(rows, now);
            rate.wait(now) > Duration::ZERO
        });
        limited || (self.beside_others() && self.rest.borrow().after(Duration::from_secs(1)) > Duration::ZERO)
    }

    /// A batch took so long, and changed so many rows.
    pub(super) fn spend(&self, rows: u64, took: Duration) {
        let now = Instant::now();
        if let Some(rate) = self.rate.borrow_mut().as_mut() {
            rate.spend(rows, now);
        }
        self.rest.borrow_mut().worked(took, now);
    }

    fn beside_others(&self) -> bool {
        self.readings.borrow().as_ref().is_none_or(Reading::beside_others)
    }
}
