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

/// How long each of its writes took, in milliseconds, the shortest first; and how many seconds after the start the longest began.
pub(crate) struct Waits {
    took: Vec<f64>,
    longest_at: f64,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn start(path: &Path) -> Self {
        let (over, path) = (Arc::new(AtomicBool::new(false)), path.to_owned());
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let connection = open(&path);
            let insert =
                "insert into event (at, account_id, email, name, payload) values (datetime('now'), 1, 'e', 'n', 'p')";
            let (mut waits, started) = (vec![], Instant::now());
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                connection.execute(insert, []).unwrap();
                let took = began.elapsed();
                waits.push((took.as_secs_f64() * 1_000.0, (began - started).as_secs_f64()));
                sleep(EVERY.saturating_sub(took));
            }
            waits.sort_by(|one, other| one.0.total_cmp(&other.0));
            let longest_at = waits.last().map_or(f64::NAN, |(_, at)| *at);
            Waits { took: waits.into_iter().map(|(took, _)| took).collect(), longest_at }
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
        self.took.last().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn longest_at(&self) -> f64 {
        self.longest_at
    }

    /// Of so many of them none took longer.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let place = (self.took.len() as f64 * share) as usize;
        self.took.get(place).copied().unwrap_or(f64::NAN)
    }
}
