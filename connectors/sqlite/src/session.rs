//! One connection and the rules it is used by. Lives on its worker's thread and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forgetd_connector::{Cause, Commit, Fault, FaultClass};
use rusqlite::{Connection, OpenFlags};

use crate::effect::Recorder;
use crate::error;

/// How many prepared statements a connection keeps: more than all lanes and control tables use.
const STATEMENTS_KEPT: usize = 96;

/// How often a control write asks for the lock again. SQLite's own steps grow to 100 ms and miss the short moments
/// between a busy lane's transactions.
const LOCK_POLL: Duration = Duration::from_millis(2);

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
}

/// Lets control writes of this process go before its next batch: a lane that begins one transaction right after the
/// other would keep a lease renewal waiting.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU32);

/// Why a transaction did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another holder's term stands in the fence row, or its receipt took the sequence.
    Fenced,
    /// Anything else.
    Fault(Fault),
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Transacted<T> {
    /// Committed.
    Done(T),
    /// Nothing of it remains.
    Refused(Refusal),
    /// COMMIT failed in a way that tells nothing.
    Unknown(Fault),
}

/// A connection with its state.
pub(crate) struct Session {
    opening: Opening,
    open: Option<Open>,
    lane: Option<LaneTransaction>,
    /// How many lane transactions were begun: tells a job whether the open one is its own.
    begun: u64,
    deadline: Arc<Deadline>,
}

struct Open {
    connection: Connection,
    recorder: Recorder,
    file: Option<FileId>,
}

struct LaneTransaction {
    abandoned: Arc<AtomicBool>,
    until: Instant,
}

/// Who a file is on its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// When the statement under way has to end; milliseconds since `base`, 0 for never.
struct Deadline {
    base: Instant,
    at_ms: AtomicU64,
}

// === impl Session ===

impl Session {
    pub(crate) fn new(opening: Opening) -> Self {
        let deadline = Arc::new(Deadline { base: Instant::now(), at_ms: AtomicU64::new(0) });
        Self { opening, open: None, lane: None, begun: 0, deadline }
    }

    /// Statements begun from now on end at `at`.
    pub(crate) fn set_deadline(&self, at: Instant) {
        let ms = at.saturating_duration_since(self.deadline.base).as_millis();
        self.deadline.at_ms.store(u64::try_from(ms).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// The connection. Opens it anew where there is none, or where another file took the old one's place: a replaced
    /// file must not leave us deleting from a ghost.
    pub(crate) fn connection(&mut self, operation: &'static str) -> Result<&Connection, Fault> {
        self.opened(operation).map(|open| &open.connection)
    }

    /// The connection and what listens to it.
    pub(crate) fn listened(&mut self, operation: &'static str) -> Result<(&Connection, &Recorder), Fault> {
        self.opened(operation).map(|open| (&open.connection, &open.recorder))
    }

    fn opened(&mut self, operation: &'static str) -> Result<&Open, Fault> {
        let replaced = self.lane.is_none()
            && self
                .open
                .as_ref()
                .is_some_and(|open| open.file.is_some() && FileId::of(&self.opening.path) != open.file);
        if replaced {
            self.open = None;
        }
        if self.open.is_none() {
            let opened = self.opening.open(&self.deadline);
            self.open = Some(opened.map_err(|error| self.opening.fault(operation, &error))?);
        }
        self.open.as_ref().ok_or_else(|| Fault::new(FaultClass::Internal, operation, &self.opening.place))
    }

    /// Closes the connection; the next call opens it anew. An open transaction is rolled back.
    pub(crate) fn close(&mut self) {
        self.rollback();
        self.open = None;
    }

    /// Begins a lane's transaction and takes the write lock. Another lane's open transaction is another writer.
    pub(crate) fn begin_lane(&mut self, abandoned: &Arc<AtomicBool>, idle: Duration) -> Result<(), Fault> {
        match &self.lane {
            Some(lane) if Arc::ptr_eq(&lane.abandoned, abandoned) => self.rollback(),
            Some(_) => return Err(Fault::new(FaultClass::Locked, "begin", &self.opening.place)),
            None => {}
        }
        self.opening.turn.give_way(self.opening.lock_wait);
        let begun = self.connection("begin")?.prepare_cached("begin immediate").and_then(|mut begin| begin.execute([]));
        begun.map_err(|error| self.failed("begin", &error))?;
        self.begun += 1;
        self.lane = Some(LaneTransaction { abandoned: Arc::clone(abandoned), until: Instant::now() + idle });
        Ok(())
    }

    /// How many lane transactions were begun so far.
    pub(crate) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether this lane's transaction is open.
    pub(crate) fn holds(&self, lane: &Arc<AtomicBool>) -> bool {
        self.lane.as_ref().is_some_and(|open| Arc::ptr_eq(&open.abandoned, lane))
    }

    /// Rolls back whatever is open. A rollback that fails leaves a connection that cannot be trusted: it is closed,
    /// which rolls back too.
    pub(crate) fn rollback(&mut self) {
        self.lane = None;
        let Some(open) = &self.open else { return };
        if !open.connection.is_autocommit() && open.connection.execute_batch("rollback").is_err() {
            self.open = None;
        }
    }

    /// Commits the open transaction. On `RolledBack` nothing of it remains.
    pub(crate) fn commit(&mut self, operation: &'static str) -> Commit {
        let Some(open) = &self.open else {
            return Commit::RolledBack(Fault::new(FaultClass::Transient, operation, &self.opening.place));
        };
        let Err(failure) = open.connection.execute_batch("commit") else {
            self.lane = None;
            return Commit::Committed;
        };
        let fault = error::fault(operation, &self.opening.place, &failure);
        if error::refuses_commit(&failure) && !open.connection.is_autocommit() {
            self.rollback();
            return Commit::RolledBack(fault);
        }
        self.close();
        Commit::Unknown(fault)
    }

    /// Runs `work` in a transaction that holds the write lock from its beginning.
    pub(crate) fn transact<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Refusal>,
    ) -> Transacted<T> {
        if self.lane.is_some() {
            return Transacted::Refused(Refusal::Fault(Fault::new(FaultClass::Locked, operation, self.place())));
        }
        let turn = Arc::clone(&self.opening.turn);
        let waiting = turn.ask();
        let begun = match self.connection(operation) {
            Ok(connection) => connection.execute_batch("begin immediate"),
            Err(fault) => return Transacted::Refused(Refusal::Fault(fault)),
        };
        drop(waiting);
        if let Err(error) = begun {
            return Transacted::Refused(Refusal::Fault(self.failed(operation, &error)));
        }
        let done = match self.connection(operation).map_err(Refusal::Fault).and_then(work) {
            Ok(done) => done,
            Err(refusal) => {
                self.rollback();
                return Transacted::Refused(refusal);
            }
        };
        match self.commit(operation) {
            Commit::Committed => Transacted::Done(done),
            Commit::RolledBack(fault) => Transacted::Refused(Refusal::Fault(fault)),
            Commit::Fenced => Transacted::Refused(Refusal::Fenced),
            Commit::Unknown(fault) => Transacted::Unknown(fault),
        }
    }

    /// Runs several reads that see the same state of the database.
    pub(crate) fn snapshot<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        // Inside another lane's transaction the state stands still anyway.
        let alone = self.lane.is_none();
        let connection = self.connection(operation)?;
        let begun = if alone { connection.execute_batch("begin") } else { Ok(()) };
        let done = begun.and_then(|()| work(connection));
        if alone {
            self.rollback();
        }
        done.map_err(|error| self.failed(operation, &error))
    }

    /// The fault of a failed statement; a connection that may be wrong about its file is closed.
    pub(crate) fn failed(&mut self, operation: &'static str, failure: &rusqlite::Error) -> Fault {
        if error::spoils_connection(failure) {
            self.close();
        }
        self.opening.fault(operation, failure)
    }

    /// How long the open transaction may still be left alone; absent without one.
    pub(crate) fn idle_left(&self) -> Option<Duration> {
        self.lane.as_ref().map(|lane| lane.until.saturating_duration_since(Instant::now()))
    }

    /// Rolls back what nobody will commit: a dropped lane's transaction, or one left alone for too long.
    pub(crate) fn sweep(&mut self) {
        let now = Instant::now();
        if self.lane.as_ref().is_some_and(|lane| lane.abandoned.load(Ordering::Acquire) || lane.until <= now) {
            self.rollback();
        }
    }

    /// The database's place in faults.
    pub(crate) fn place(&self) -> &str {
        &self.opening.place
    }

    /// The identity of the opened file.
    pub(crate) fn file(&self) -> Option<FileId> {
        self.open.as_ref().and_then(|open| open.file)
    }
}

// === impl Opening ===

impl Opening {
    fn open(&self, deadline: &Arc<Deadline>) -> rusqlite::Result<Open> {
        let file = FileId::of(&self.path);
        // Neither CREATE nor URI: a wrong path is an error, and a file name is only a name.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let (wait, poll) = match self.role {
            Role::Lane => (self.lock_wait, LOCK_POLL),
            Role::Control | Role::Read => (self.patience, LOCK_POLL),
        };
        let mut since = Instant::now();
        connection.busy_handler(Some(move |asked| {
            if asked == 0 {
                since = Instant::now();
            }
            let left = since.elapsed() < wait;
            if left {
                std::thread::sleep(poll);
            }
            left
        }))?;
        let watched = Arc::clone(deadline);
        connection.progress_handler(STEPS_PER_LOOK, Some(move || watched.passed()))?;
        self.settings(&connection)?;
        let recorder = Recorder::default();
        if self.role != Role::Control {
            recorder.listen(&mut connection)?;
        }
        Ok(Open { connection, recorder, file })
    }

    fn settings(&self, connection: &Connection) -> rusqlite::Result<()> {
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
        Ok(())
    }

    fn fault(&self, operation: &'static str, failure: &rusqlite::Error) -> Fault {
        let fault = error::fault(operation, &self.place, failure);
        if fault.class == FaultClass::Unreachable && !self.path.exists() {
            return fault.with_detail("there is no such file; forgetd never creates one");
        }
        fault
    }
}

// === impl Turn ===

/// A control write that waits for the lock.
struct Asking<'a>(&'a Turn);

impl Turn {
    fn ask(&self) -> Asking<'_> {
        self.0.fetch_add(1, Ordering::AcqRel);
        Asking(self)
    }

    fn give_way(&self, at_most: Duration) {
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

// === impl Deadline ===

impl Deadline {
    fn passed(&self) -> bool {
        let at = self.at_ms.load(Ordering::Relaxed);
        at != 0 && self.base.elapsed().as_millis() > u128::from(at)
    }
}

// === impl FileId ===

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(path).ok()?;
        Some(Self { device: meta.dev(), inode: meta.ino() })
    }

    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        None
    }
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {:x}:{:x}", self.device, self.inode)
    }
}

// === impl Refusal, Transacted ===

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Refusal {
    /// As a fault, for calls that know no other answer.
    pub(crate) fn into_fault(self, operation: &'static str, place: &str) -> Fault {
        match self {
            Self::Fenced => Fault::new(FaultClass::Blocked(Cause::Fenced), operation, place),
            Self::Fault(fault) => fault,
        }
    }
}

impl<T> Transacted<T> {
    /// For calls that can be repeated safely: anything but done is a fault.
    pub(crate) fn into_result(self, operation: &'static str, place: &str) -> Result<T, Fault> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Refused(refusal) => Err(refusal.into_fault(operation, place)),
            Self::Unknown(fault) => Err(fault),
        }
    }

    /// For calls whose fate matters.
    pub(crate) fn into_commit(self) -> Commit {
        match self {
            Self::Done(_) => Commit::Committed,
            Self::Refused(Refusal::Fenced) => Commit::Fenced,
            Self::Refused(Refusal::Fault(fault)) => Commit::RolledBack(fault),
            Self::Unknown(fault) => Commit::Unknown(fault),
        }
    }
}
