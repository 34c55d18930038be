//! The write-ahead log of a lane's file, moved into the file between two transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

/// From so many pages on the log is moved into the file: SQLite's own default (`SQLITE_DEFAULT_WAL_AUTOCHECKPOINT`).
const PAGES_MAX: u32 = 1_000;

/// How many pages the log had behind the last commit. SQLite would move them within COMMIT itself, though the lock is free by
/// then: what that takes is nobody's wait, and one commit later it would be another writer's work.
#[derive(Clone, Default)]
pub(super) struct LogPages(Arc<AtomicU32>);

// === impl LogPages ===

impl LogPages {
    /// Counts from now on, and keeps the connection from moving the log by itself.
    pub(super) fn listen(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let pages = Arc::clone(&self.0);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, now| {
            pages.store(u32::try_from(now).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Moves a long log into the file, as far as no reader needs it. Waits for nobody, and whatever fails is left to the next one.
    pub(super) fn shift(&self, connection: &Connection) {
        if self.0.swap(0, Ordering::Relaxed) >= PAGES_MAX {
            drop(connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(())));
        }
    }
}
