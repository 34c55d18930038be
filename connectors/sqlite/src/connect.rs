//! One file as a connector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{
    Atomicity, Capabilities, Catalog, ConnectContext, Connector, Control, Count, DoneRows, Explained, Facts, Fault,
    FaultClass, Finding, Judged, Key, Lane, LaneClaim, Measure, Path, Profile, RowCap, Statements, Step, Table,
    TableRef, Transform,
};
use jiff::Timestamp;

use crate::config::Config;
use crate::control::{SqliteControl, Tables};
use crate::lane::SqliteLane;
use crate::query::{Scope, Shape};
use crate::sealed::SqliteSealedLane;
use crate::session::{Opening, Role, Session, Turn};
use crate::worker::Worker;
use crate::{catalog, done, explain, facts, judge, measure, preflight, profile, query};

struct SqliteConnector {
    database: String,
    facts: Facts,
    capabilities: Capabilities,
    lanes: Worker,
    reads: Worker,
    writes: Worker,
    tables: Arc<Tables>,
    control: SqliteControl,
    /// How rows are named in the tables described so far: statements are shown without another look.
    shapes: Mutex<BTreeMap<String, Shape>>,
}

/// Opens the file and reads what it is. The file must exist: forgetd never creates a database.
///
/// Starts three threads, each with a connection of its own that is opened when it is first needed. They end when the
/// connector is dropped.
pub async fn connect(config: Config, context: ConnectContext) -> Result<Box<dyn Connector>, Fault> {
    let turn = Turn::of(&config.path);
    let opening = |role| Opening {
        path: config.path.clone(),
        place: context.database.clone(),
        role,
        lock_wait: Duration::from_millis(context.lock_wait_ms),
        patience: Duration::from_millis(context.call_timeout_ms),
        turn: Arc::clone(&turn),
        connections: context.connections.clone(),
    };
    let lanes = Worker::start(opening(Role::Lane))?;
    let reads = Worker::start(opening(Role::Read))?;
    let writes = Worker::start(opening(Role::Control))?;
    let facts = reads.call("connect", facts::read).await?;
    let tables = Arc::new(Tables::new(&context.control_name, &context.instance));
    let control = SqliteControl::new(writes.clone(), lanes.clone(), Arc::clone(&tables));
    let capabilities = facts::capabilities();
    Ok(Box::new(SqliteConnector {
        database: context.database,
        facts,
        capabilities,
        lanes,
        reads,
        writes,
        tables,
        control,
        shapes: Mutex::default(),
    }))
}

impl SqliteConnector {
    /// The step's statements, for the table as it is now.
    async fn scope(&self, step: &Step) -> Result<Scope, Fault> {
        let table = step.table.name.name.clone();
        let job = move |session: &mut Session| {
            let shape = catalog::shape(session.connection("describe")?, &table);
            shape.map_err(|error| session.failed("describe", &error))
        };
        let shape = self.reads.call("describe", job).await?;
        Scope::new(step, &shape, &step.place(&self.database))
    }
}

#[async_trait]
impl Connector for SqliteConnector {
    fn engine(&self) -> &'static str {
        "sqlite"
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        let job = |session: &mut Session| {
            let read = session.connection("read clock")?.query_row(
                "select cast(unixepoch('now', 'subsec') * 1000 as integer)",
                [],
                |row| row.get::<_, i64>(0),
            );
            let ms = read.map_err(|error| session.failed("read clock", &error))?;
            Timestamp::from_millisecond(ms).map_err(|_| Fault::new(FaultClass::Internal, "read clock", session.place()))
        };
        self.reads.call("read clock", job).await
    }

    async fn tables(&self) -> Result<Vec<TableRef>, Fault> {
        let prefix = self.tables.prefix();
        let job = move |session: &mut Session| {
            session.snapshot("list tables", |connection| catalog::tables(connection, &prefix))
        };
        self.reads.call("list tables", job).await
    }

    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault> {
        let tables = tables.to_vec();
        let job = move |session: &mut Session| {
            session.snapshot("describe", |connection| {
                let catalog = catalog::describe(connection, &tables)?;
                let names = catalog.tables.iter().map(|table| table.name.name.clone());
                let shapes = names.map(|name| catalog::shape(connection, &name).map(|shape| (name, shape)));
                Ok((shapes.collect::<rusqlite::Result<Vec<_>>>()?, catalog))
            })
        };
        let (shapes, catalog) = self.reads.call("describe", job).await?;
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).extend(shapes);
        Ok(catalog)
    }

    async fn preflight(&self, step: &Step) -> Result<Vec<Finding>, Fault> {
        let place = step.place(&self.database);
        if step.table.name.name.starts_with(&self.tables.prefix()) {
            return Ok(vec![preflight::own_table(&place)]);
        }
        let (scope, step) = (self.scope(step).await?, step.clone());
        let job = move |session: &mut Session| preflight::check(session, &step, &scope, &place);
        self.reads.call("preflight", job).await
    }

    async fn measure(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        let scope = self.scope(step).await?;
        let estimate = step.table.rows_estimate;
        let job = move |session: &mut Session| measure::measure(session, &scope, estimate, cap);
        self.reads.call("measure", job).await
    }

    async fn survivors(&self, step: &Step) -> Result<Count, Fault> {
        let scope = self.scope(step).await?;
        self.reads.call("count survivors", move |session: &mut Session| measure::survivors(session, &scope)).await
    }

    async fn profile(&self, step: &Step, cap: RowCap) -> Result<Profile, Fault> {
        let (now, scope, step) = (self.now().await?, self.scope(step).await?, step.clone());
        let job = move |session: &mut Session| profile::profile(session, &step, &scope, now, cap);
        self.reads.call("profile", job).await
    }

    async fn judge(&self, step: &Step, key: &Key) -> Result<Option<Judged>, Fault> {
        let (scope, step, key) = (self.scope(step).await?, step.clone(), key.clone());
        self.reads.call("judge", move |session: &mut Session| judge::judge(session, &step, &scope, &key)).await
    }

    async fn explain(&self, step: &Step) -> Result<Vec<Explained>, Fault> {
        let scope = self.scope(step).await?;
        self.reads.call("explain", move |session: &mut Session| explain::explain(session, &scope)).await
    }

    fn statements(&self, step: &Step) -> Result<Statements, Fault> {
        let shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        let shape = shapes.get(&step.table.name.name).cloned().unwrap_or_default();
        Scope::new(step, &shape, &step.place(&self.database)).map(|scope| scope.statements())
    }

    fn step_grants(&self, _step: &Step, _role: &str) -> String {
        // SQLite has no roles.
        String::new()
    }

    fn index_statement(&self, table: &TableRef, columns: &[String]) -> String {
        preflight::index(&table.name, columns)
    }

    fn control(&self) -> &dyn Control {
        &self.control
    }

    async fn lane(&self, step: &Step, claim: &LaneClaim, transform: Arc<dyn Transform>) -> Result<Lane, Fault> {
        let worker = self.lanes.clone();
        Ok(match step.atomicity {
            Atomicity::Atomic => {
                let tables = Arc::clone(&self.tables);
                Lane::Atomic(Box::new(SqliteLane::open(worker, tables, step, claim, transform).await?))
            }
            Atomicity::Sealed => Lane::Sealed(Box::new(SqliteSealedLane::open(worker, step, claim, transform).await?)),
        })
    }

    async fn count_shaped(&self, table: &Table, path: &Path, shape: &forgetd_connector::Shape) -> Result<u64, Fault> {
        let place = format!("{}.{}", self.database, table.name);
        let query = query::shaped(table, path, shape, &place)?;
        let job = move |session: &mut Session| session.snapshot("count rows", |connection| query.number(connection));
        self.reads.call("count rows", job).await
    }

    async fn done_rows(&self, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault> {
        let (scope, after, place) = (self.scope(&step.done()).await?, after.cloned(), step.place(&self.database));
        let job = move |session: &mut Session| done::rows(session, &scope, after.as_ref(), rows_max, &place);
        self.reads.call("read rows", job).await
    }

    async fn close(&self) {
        for worker in [&self.lanes, &self.reads, &self.writes] {
            let closed = worker.call("close", |session: &mut Session| {
                session.close();
                Ok(())
            });
            // A worker that does not answer has nothing that could be closed more.
            drop(closed.await);
        }
    }
}
