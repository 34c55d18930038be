//! Who goes next: one write lock for the application, for our control tables and for our lanes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// How often a control write asks for the lock again. SQLite's own steps grow to 100 ms and miss the short moments
/// between a busy lane's transactions.
pub(super) const LOCK_POLL: Duration = Duration::from_millis(2);

/// How long after another writer's commit a lane still counts on company.
const COMPANY: Duration = Duration::from_millis(500);

/// In company, a lane leaves the lock alone for one part in so many of the time that it held it, for so long at most.
const REST_SHARE: u32 = 3;
const REST_MAX: Duration = Duration::from_millis(20);

/// Lets control writes of this process go before its next batch: a lane that begins one transaction right after the
/// other would keep a lease renewal waiting.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU32);

/// What a lane knows of other writers.
#[derive(Default)]
pub(super) struct Company {
    /// SQLite's number for the state of the file: another connection's commit changes it, ours does not.
    version: Option<i64>,
    /// When it was last seen to have changed.
    met: Option<Instant>,
    /// When our last transaction ended, and how long it had the lock.
    held: Option<(Instant, Duration)>,
}

/// A control write that waits for the lock.
pub(super) struct Asking<'a>(&'a Turn);

// === impl Turn, Asking ===

impl Turn {
    /// Says that a control write wants the lock, until the answer is dropped.
    pub(super) fn ask(&self) -> Asking<'_> {
        self.0.fetch_add(1, Ordering::AcqRel);
        Asking(self)
    }

    /// Lets every control write that asks go first.
    pub(super) fn give_way(&self, at_most: Duration) {
        let since = Instant::now();
        while self.0.load(Ordering::Acquire) > 0 && since.elapsed() < at_most {
            std::thread::sleep(LOCK_POLL);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

// === impl Company ===

impl Company {
    /// A transaction of ours ended that had the lock since then.
    pub(super) fn held(&mut self, since: Instant) {
        self.held = Some((Instant::now(), since.elapsed()));
    }

    /// Leaves the lock alone for a share of the time it was held, if others want it. They ask for it now and then only,
    /// and find it free as often as it is.
    pub(super) fn rest(&self) {
        let (Some((ended, held)), Some(met)) = (self.held, self.met) else { return };
        if met.elapsed() < COMPANY {
            std::thread::sleep((held / REST_SHARE).min(REST_MAX).saturating_sub(ended.elapsed()));
        }
    }

    /// Notes whether somebody else committed since the last look: SQLite does not say who waits.
    pub(super) fn look_around(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let version = connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get::<_, i64>(0))?;
        if self.version.is_some_and(|last| last != version) {
            self.met = Some(Instant::now());
        }
        self.version = Some(version);
        Ok(())
    }
}
