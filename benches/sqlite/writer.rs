//! Another writer of the same file: a row every five milliseconds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::data::open;

const EVERY: Duration = Duration::from_millis(5);

/// Writes until it is stopped.
pub(crate) struct Writer {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Waits>,
}

/// How long each of its writes took, in milliseconds, the shortest first.
pub(crate) struct Waits(Vec<f64>);

// === impl Writer ===

impl Writer {
    pub(crate) fn start(path: &Path) -> Self {
        let (over, path) = (Arc::new(AtomicBool::new(false)), path.to_owned());
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let connection = open(&path);
            let insert =
                "insert into event (at, account_id, email, name, payload) values (datetime('now'), 1, 'e', 'n', 'p')";
            let mut waits = vec![];
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                connection.execute(insert, []).unwrap();
                let took = began.elapsed();
                waits.push(took.as_secs_f64() * 1_000.0);
                sleep(EVERY.saturating_sub(took));
            }
            waits.sort_by(f64::total_cmp);
            Waits(waits)
        });
        Self { over, thread }
    }

    pub(crate) fn stop(self) -> Waits {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

// === impl Waits ===

impl Waits {
    pub(crate) fn longest(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// Of so many of them none took longer.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }
}
