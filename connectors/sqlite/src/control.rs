//! forgetd's own tables in a user's file, under one prefix.
//!
//! Every write is one transaction that takes the write lock first, so reading the fence in it is as good as locking it:
//! a takeover's update waits until it is over.

mod ddl;
mod leases;
mod log;
mod receipts;
mod requests;
mod rulebook;
mod runs;
mod standings;

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{Cause, Control, ControlState, Fault, FaultClass, Generation, Installed};
use rusqlite::{Connection, OptionalExtension as _};

use crate::error;
use crate::query::quote;
use crate::session::{Refusal, Session, Transacted};
use crate::worker::Worker;

/// The names of the tables, quoted, and whose rows in them are meant.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    prefix: String,
    instance: String,
    control: String,
    lease: String,
    fence: String,
    receipt: String,
    cursor: String,
    run: String,
    rulebook: String,
    standing: String,
    request: String,
    log_head: String,
    log_object: String,
    log_leaf: String,
    head_copy: String,
}

/// The control tables of one file.
pub(crate) struct SqliteControl {
    worker: Worker,
    /// The lanes' worker: settling makes it give up what it holds.
    lanes: Worker,
    tables: Arc<Tables>,
}

/// A statement's values.
type Values<'a> = &'a [&'a dyn rusqlite::ToSql];

// === impl Tables ===

impl Tables {
    pub(crate) fn new(prefix: &str, instance: &str) -> Self {
        let name = |table: &str| quote(&format!("{prefix}_{table}"));
        Self {
            prefix: prefix.into(),
            instance: instance.into(),
            control: name("control"),
            lease: name("lease"),
            fence: name("fence"),
            receipt: name("receipt"),
            cursor: name("cursor"),
            run: name("run"),
            rulebook: name("rulebook"),
            standing: name("standing"),
            request: name("request"),
            log_head: name("log_head"),
            log_object: name("log_object"),
            log_leaf: name("log_leaf"),
            head_copy: name("head_copy"),
        }
    }

    /// How the names of all of them begin.
    pub(crate) fn prefix(&self) -> String {
        format!("{}_", self.prefix)
    }

    /// Checks that the fence holds `term`, and, where it is given, that the tables are still of this generation.
    ///
    /// A later term is another holder's. An earlier one, or another generation, is not the database we took over.
    pub(crate) fn fence(
        &self,
        connection: &Connection,
        place: &str,
        term: u64,
        generation: Option<&Generation>,
    ) -> Result<(), Refusal> {
        let blocked = |cause, detail: &str| {
            Err(Fault::new(FaultClass::Blocked(cause), "check fence", place).with_detail(detail).into())
        };
        let Some((Some(standing), current)) = self.fence_row(connection, place)? else {
            return blocked(Cause::ControlTables, "the tables were emptied, or the fence was never raised here");
        };
        match standing {
            standing if standing > term => Err(Refusal::Fenced),
            standing if standing < term => blocked(Cause::Restored, "the fence holds an earlier term than ours"),
            _ if generation.is_some_and(|ours| *ours != current) => {
                blocked(Cause::Restored, "the control tables are of another generation")
            }
            _ => Ok(()),
        }
    }

    /// The term in the fence row and the generation beside it; absent where the tables were emptied.
    fn fence_row(&self, connection: &Connection, place: &str) -> Result<Option<(Option<u64>, Generation)>, Refusal> {
        let sql = format!(
            "select f.term, c.generation from {} as c left join {} as f on f.instance = ?1 where c.id = 1",
            self.control, self.fence
        );
        let found = connection.prepare_cached(&sql).and_then(|mut statement| {
            let row = statement.query_row([&self.instance], |row| {
                Ok((row.get::<_, Option<i64>>(0)?.map(unsigned), Generation(row.get(1)?)))
            });
            row.optional()
        });
        found.map_err(|failure| error::control_fault("check fence", place, &failure).into())
    }
}

// === impl SqliteControl ===

impl SqliteControl {
    pub(crate) fn new(worker: Worker, lanes: Worker, tables: Arc<Tables>) -> Self {
        Self { worker, lanes, tables }
    }

    fn place(&self) -> &str {
        self.worker.place()
    }

    /// Reads.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Tables) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let tables = Arc::clone(&self.tables);
        let job = move |session: &mut Session| {
            let done = work(session.connection(operation)?, &tables);
            done.map_err(|failure| {
                let fault = session.failed(operation, &failure);
                if matches!(fault.class, FaultClass::Blocked(_)) {
                    error::control_fault(operation, session.place(), &failure)
                } else {
                    fault
                }
            })
        };
        self.worker.call(operation, job).await
    }

    /// Writes, in one transaction.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Tables, &str) -> Result<T, Refusal> + Send + 'static,
    ) -> Transacted<T> {
        let tables = Arc::clone(&self.tables);
        let job = move |session: &mut Session| {
            let place = session.place().to_owned();
            Ok(session.transact(operation, |connection| work(connection, &tables, &place)))
        };
        self.worker.call(operation, job).await.unwrap_or_else(Transacted::Unknown)
    }

    /// Writes what can be written again safely.
    async fn rewrite<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Tables, &str) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        self.write(operation, work).await.into_result(operation, self.place())
    }

    /// Writes under a fault point that stands around the whole transaction.
    async fn write_at_point<T: Send + 'static>(
        &self,
        point: &'static str,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Tables, &str) -> Result<T, Refusal> + Send + 'static,
    ) -> Transacted<T> {
        let tables = Arc::clone(&self.tables);
        let job = move |session: &mut Session| {
            if let Err(fault) = forgetd_connector::fault_point::before(point) {
                return Ok(Transacted::Refused(Refusal::Fault(fault)));
            }
            let place = session.place().to_owned();
            let done = session.transact(operation, |connection| work(connection, &tables, &place));
            Ok(match forgetd_connector::fault_point::after(point) {
                Ok(()) => done,
                Err(fault) => Transacted::Unknown(fault),
            })
        };
        self.worker.call(operation, job).await.unwrap_or_else(Transacted::Unknown)
    }
}

#[async_trait]
impl Control for SqliteControl {
    fn ddl(&self) -> String {
        ddl::text(&self.tables)
    }

    fn grants(&self, _role: &str) -> String {
        // SQLite has no roles: who may write the file may do everything.
        String::new()
    }

    async fn install(&self) -> Result<Installed, Fault> {
        self.rewrite("install", ddl::install).await
    }

    async fn inspect(&self) -> Result<ControlState, Fault> {
        self.read("inspect control tables", ddl::inspect).await
    }

    async fn new_generation(&self) -> Result<Generation, Fault> {
        self.rewrite("new generation", ddl::new_generation).await
    }
}

/// Runs one statement and returns the rows it changed.
fn execute(
    connection: &Connection,
    place: &str,
    operation: &'static str,
    sql: &str,
    values: Values<'_>,
) -> Result<usize, Refusal> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    done.map_err(|failure| error::control_fault(operation, place, &failure).into())
}

/// Numbers are signed in SQLite; terms, sequences and sizes never reach that far.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number as it was stored; none below zero is.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn bytes32(bytes: &[u8]) -> [u8; 32] {
    // The tables' CHECKs keep other lengths out; a damaged value fails every comparison with what we know.
    bytes.try_into().unwrap_or([0; 32])
}
