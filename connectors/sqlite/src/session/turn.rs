//! Who goes next: one write lock for the application, for our control tables and for our lanes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often a control write asks for the lock again. SQLite's own steps grow to 100 ms and miss the short moments
/// between a busy lane's transactions.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(2);

/// Lets control writes of this process go before its next batch: a lane that begins one transaction right after the
/// other would keep a lease renewal waiting.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Control writes that wait for the lock.
    asking: AtomicU32,
    /// Control writes that were committed, or are about to be.
    written: AtomicU64,
}

/// A control write that waits for the lock.
pub(super) struct Asking<'a>(&'a Turn);

/// One for each file that this process is open to, by whatever connector: the lease of a home file is renewed by another one than
/// the lanes' own.
static TURNS: Mutex<Vec<(PathBuf, Weak<Turn>)>> = Mutex::new(Vec::new());

// === impl Turn, Asking ===

impl Turn {
    /// That of a file.
    pub(crate) fn of(path: &Path) -> Arc<Self> {
        // A file that is not there has no other name.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|(_, turn)| turn.strong_count() > 0);
        let known = turns.iter().find(|(of, _)| *of == path).and_then(|(_, turn)| turn.upgrade());
        known.unwrap_or_else(|| {
            let turn = Arc::new(Self::default());
            turns.push((path, Arc::downgrade(&turn)));
            turn
        })
    }

    /// Says that a control write wants the lock, until the answer is dropped.
    pub(super) fn ask(&self) -> Asking<'_> {
        self.asking.fetch_add(1, Ordering::AcqRel);
        Asking(self)
    }

    /// Lets every control write that asks go first.
    pub(super) fn give_way(&self, at_most: Duration) {
        let since = Instant::now();
        while self.asking.load(Ordering::Acquire) > 0 && since.elapsed() < at_most {
            std::thread::sleep(LOCK_POLL);
        }
    }

    /// A control write is about to be committed.
    pub(super) fn writes(&self) {
        self.written.fetch_add(1, Ordering::AcqRel);
    }

    /// How many of them there were: what they change in the file is no other writer's.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::AcqRel);
    }
}
