//! How a connection is opened, and what limits it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forgetd_connector::{Connected, Connections, Fault, FaultClass};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::file::{FileId, FileState, Logged};
use super::log::LogPages;
use super::turn::{LOCK_POLL, Turn};
use crate::effect::Recorder;
use crate::error;

/// How many prepared statements a connection keeps: more than all lanes and control tables use.
const STATEMENTS_KEPT: usize = 96;

/// Virtual machine steps between two looks at the deadline: well below a millisecond.
const STEPS_PER_LOOK: i32 = 4_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Changes rows, and counts what happens.
    Lane,
    /// Reads and writes the control tables.
    Control,
    /// Reads.
    Read,
}

/// How connections of one connector are opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) place: String,
    pub(crate) role: Role,
    /// How long a lane waits for the lock.
    pub(crate) lock_wait: Duration,
    /// How long everything else does.
    pub(crate) patience: Duration,
    pub(crate) turn: Arc<Turn>,
    pub(crate) connections: Connections,
}

/// An open connection.
pub(super) struct Open {
    /// Its log, if it has one. Dropped before the connection: the last one to close takes the log away.
    log: Option<Logged>,
    pub(super) connection: Connection,
    pub(super) recorder: Recorder,
    pub(super) log_pages: LogPages,
    pub(super) file: Option<FileId>,
    /// What the file looked like when this connection last knew it.
    state: Option<FileState>,
    _connected: Connected,
}

/// What became of an opened file meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// Nothing that a connection would not notice.
    Same,
    /// Another file lies there, or this one was written to by somebody else: what was read of it may be wrong.
    Written,
    /// Its log was taken away.
    LogGone,
}

/// When the statement under way has to end; milliseconds since `base`, 0 for never.
pub(super) struct Deadline {
    base: Instant,
    at_ms: AtomicU64,
}

// === impl Opening ===

impl Opening {
    pub(super) fn open(&self, operation: &'static str, deadline: &Arc<Deadline>) -> Result<Open, Fault> {
        // Before: what happens to the file from here on is seen.
        let state = FileState::of(&self.path);
        if state.is_some_and(|state| Logged::others(&self.path, state.id)) {
            return Err(self.log_gone(operation));
        }
        let failed = |error: rusqlite::Error| self.fault(operation, &error);
        let (mut connection, recorder, has_log) = self.connect(deadline).map_err(failed)?;
        let log_pages = LogPages::default();
        if has_log && self.role == Role::Lane {
            log_pages.listen(&mut connection).map_err(failed)?;
        }
        let file = state.map(|state| state.id);
        let log = file.filter(|_| has_log).and_then(|file| Logged::open(&self.path, file));
        Ok(Open { log, connection, recorder, log_pages, file, state, _connected: self.connections.one(None) })
    }

    /// A connection, what listens to it, and whether it works with a log.
    fn connect(&self, deadline: &Arc<Deadline>) -> rusqlite::Result<(Connection, Recorder, bool)> {
        // Neither CREATE nor URI: a wrong path is an error, and a file name is only a name.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        match self.role {
            // SQLite's own steps, the same as other writers take: a batch has no more right to the lock than they.
            Role::Lane => connection.busy_timeout(self.lock_wait)?,
            Role::Control | Role::Read => ask_often(&mut connection, self.patience)?,
        }
        let watched = Arc::clone(deadline);
        connection.progress_handler(STEPS_PER_LOOK, Some(move || watched.passed()))?;
        let has_log = self.settings(&connection)?;
        let recorder = Recorder::default();
        if self.role != Role::Control {
            recorder.listen(&mut connection)?;
        }
        Ok((connection, recorder, has_log))
    }

    /// Looks what became of the file.
    pub(super) fn meanwhile(&self, open: &Open) -> Meanwhile {
        let state = FileState::of(&self.path);
        if open.file.is_some() && state.map(|state| state.id) != open.file {
            return Meanwhile::Written;
        }
        match &open.log {
            // Whoever reads without a log asks the file itself each time.
            None => Meanwhile::Same,
            Some(log) if !log.is_there() => Meanwhile::LogGone,
            Some(_) if state != open.state => Meanwhile::Written,
            Some(_) => Meanwhile::Same,
        }
    }

    /// What the connection wrote into the file is no news to it.
    pub(super) fn wrote(&self, open: &mut Open) {
        open.state = FileState::of(&self.path);
    }

    /// The file was put back without a word to who is open to it.
    pub(super) fn log_gone(&self, operation: &'static str) -> Fault {
        Fault::new(FaultClass::Disconnected, operation, &self.place).with_detail(
            "the file's write-ahead log was taken away or replaced while the file was open, as if it was put back; it is \
             opened anew when every connection of this process has let go of it",
        )
    }

    /// Whether the file has a write-ahead log.
    fn settings(&self, connection: &Connection) -> rusqlite::Result<bool> {
        // Foreign keys are off by default in SQLite, and then a delete orphans children without a word.
        connection.execute_batch("pragma foreign_keys = on; pragma secure_delete = on")?;
        let journal: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
        // Without a write-ahead log, FULL does not sync the folder after the journal's end: EXTRA does.
        connection.execute_batch(if journal == "wal" {
            "pragma synchronous = full"
        } else {
            "pragma synchronous = extra"
        })?;
        if self.role == Role::Read {
            connection.execute_batch("pragma query_only = on")?;
        }
        Ok(journal == "wal")
    }

    /// The fault of a failed statement.
    pub(super) fn fault(&self, operation: &'static str, failure: &rusqlite::Error) -> Fault {
        let fault = error::fault(operation, &self.place, failure);
        if fault.class == FaultClass::Unreachable && !self.path.exists() {
            return fault.with_detail("there is no such file; forgetd never creates one");
        }
        fault
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.log.as_ref().is_some_and(|log| !log.is_ours()) {
            leave_alone(&self.connection);
        }
    }
}

/// Closes without moving the log into the file, and without taking away what lies in the log's place.
fn leave_alone(connection: &Connection) {
    // One that does not take it is closed as ever.
    drop(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
}

/// Asks for a lock in short steps.
fn ask_often(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |asked| {
        if asked == 0 {
            since = Instant::now();
        }
        let left = since.elapsed() < patience;
        if left {
            std::thread::sleep(LOCK_POLL);
        }
        left
    }))
}

// === impl Deadline ===

impl Deadline {
    pub(super) fn never() -> Self {
        Self { base: Instant::now(), at_ms: AtomicU64::new(0) }
    }

    pub(super) fn set(&self, at: Instant) {
        let ms = at.saturating_duration_since(self.base).as_millis();
        self.at_ms.store(u64::try_from(ms).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// Sets it to a moment, if that is an earlier one, and gives back what it was.
    pub(super) fn earlier(&self, at: Option<Instant>) -> u64 {
        let before = self.at_ms.load(Ordering::Relaxed);
        if let Some(at) = at {
            self.set(at);
            if before != 0 {
                self.at_ms.fetch_min(before, Ordering::Relaxed);
            }
        }
        before
    }

    pub(super) fn restore(&self, before: u64) {
        self.at_ms.store(before, Ordering::Relaxed);
    }

    fn passed(&self) -> bool {
        let at = self.at_ms.load(Ordering::Relaxed);
        at != 0 && self.base.elapsed().as_millis() > u128::from(at)
    }
}
