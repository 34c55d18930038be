//! One connection and the rules it is used by. Lives on its worker's thread and nowhere else.

mod company;
mod file;
mod log;
mod opening;
mod transact;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use forgetd_connector::{Commit, Fault, FaultClass};
use rusqlite::Connection;

use company::{Company, Seen};
pub(crate) use file::FileId;
use opening::{Deadline, Meanwhile, Open};
pub(crate) use opening::{Opening, Role};
pub(crate) use transact::{Refusal, Transacted};
pub(crate) use turn::Turn;

use crate::effect::Recorder;
use crate::error;

/// A connection with its state.
pub(crate) struct Session {
    opening: Opening,
    open: Option<Open>,
    lane: Option<LaneTransaction>,
    company: Company,
    /// How long the last lane transaction had the lock.
    last_held: Option<Duration>,
    /// How many lane transactions were begun: tells a job whether the open one is its own.
    begun: u64,
    deadline: Arc<Deadline>,
}

struct LaneTransaction {
    abandoned: Arc<AtomicBool>,
    since: Instant,
    until: Instant,
}

// === impl Session ===

impl Session {
    pub(crate) fn new(opening: Opening) -> Self {
        let (company, deadline) = (Company::default(), Arc::new(Deadline::never()));
        Self { opening, open: None, lane: None, company, last_held: None, begun: 0, deadline }
    }

    /// Statements begun from now on end at `at`.
    pub(crate) fn set_deadline(&self, at: Instant) {
        self.deadline.set(at);
    }

    /// Does something whose statements end once it took so long, if not before that.
    pub(crate) fn within<T>(&mut self, limit: Duration, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.deadline.earlier(Instant::now().checked_add(limit));
        let done = work(self);
        self.deadline.restore(before);
        done
    }

    /// The connection. Opens it anew where there is none, or where another file took the old one's place or was copied
    /// over it: a replaced file must not leave us deleting from a ghost, nor mixing it with what was read before.
    pub(crate) fn connection(&mut self, operation: &'static str) -> Result<&Connection, Fault> {
        self.opened(operation).map(|open| &open.connection)
    }

    /// The connection and what listens to it.
    pub(crate) fn listened(&mut self, operation: &'static str) -> Result<(&Connection, &Recorder), Fault> {
        self.opened(operation).map(|open| (&open.connection, &open.recorder))
    }

    fn opened(&mut self, operation: &'static str) -> Result<&Open, Fault> {
        // A transaction ends where it began.
        let between = |open: &&Open| self.lane.is_none() && open.connection.is_autocommit();
        match self.open.as_ref().filter(between).map(|open| self.opening.meanwhile(open)) {
            None | Some(Meanwhile::Same) => {}
            Some(Meanwhile::Written) => self.open = None,
            Some(Meanwhile::LogGone) => {
                self.open = None;
                return Err(self.opening.log_gone(operation));
            }
        }
        if self.open.is_none() {
            self.open = Some(self.opening.open(operation, &self.deadline)?);
            self.company.reopened();
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
        std::thread::sleep(self.company.rest(Instant::now()));
        match take_lock(&self.opened("begin")?.connection) {
            Ok(version) => {
                let seen = Seen { version, written: self.opening.turn.written() };
                self.company.look_around(seen, Instant::now());
            }
            Err(error) => {
                let fault = self.failed("begin", &error);
                self.rollback();
                return Err(fault);
            }
        }
        self.begun += 1;
        let since = Instant::now();
        self.lane = Some(LaneTransaction { abandoned: Arc::clone(abandoned), since, until: since + idle });
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

    /// How long the last lane transaction had the lock.
    pub(crate) const fn last_held(&self) -> Option<Duration> {
        self.last_held
    }

    fn let_go(&mut self) {
        if let Some(lane) = self.lane.take() {
            let until = Instant::now();
            self.last_held = Some(until - lane.since);
            self.company.held(lane.since, until);
        }
    }

    /// Rolls back whatever is open. A rollback that fails leaves a connection that cannot be trusted: it is closed,
    /// which rolls back too.
    pub(crate) fn rollback(&mut self) {
        self.let_go();
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
            self.let_go();
            if let Some(open) = &mut self.open {
                // Not within COMMIT, whose time is the time of whoever waits.
                open.log_pages.shift(&open.connection);
                self.opening.wrote(open);
            }
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
        turn.writes();
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

/// Begins to write; and how SQLite numbers the state of the file.
fn take_lock(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("begin immediate")?.execute([])?;
    connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
}
