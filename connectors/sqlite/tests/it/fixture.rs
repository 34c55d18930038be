//! Fresh files for the suite and for this crate's own tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Acquired, Compare, ConnectContext, Connector, Count, Cutoff, FenceRaise, Installed, LeaseClaim, LockWait, Next,
    Order, Predicate, RowCap, Selection, Since, SinceColumn, SinceForm, Step, TableRef, Terms, Value, WhenNull,
};
use forgetd_sqlite::Config;
use forgetd_testkit::{Arena, ColumnSql, Fixture, HOLDER, Held, Kind, Snare, TestDatabase};
use rusqlite::Connection;
use tempfile::TempDir;

/// SQLite as the suite needs it.
pub(crate) struct SqliteFixture;

/// One file in a folder of its own.
#[derive(Clone)]
pub(crate) struct File {
    folder: Arc<TempDir>,
}

/// A transaction of another connection.
struct Writer(Connection);

#[async_trait]
impl Fixture for SqliteFixture {
    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Unsigned
            | Kind::Bits
            | Kind::Latin
            | Kind::Narrow
            | Kind::Label
            | Kind::Marks
            | Kind::InstantOf(_)
            | Kind::NaiveOf(_) => return None,
            Kind::Int => ("integer", None),
            Kind::Bool => ("boolean", None),
            Kind::Real => ("real", None),
            Kind::Numeric => ("numeric", None),
            Kind::Text | Kind::LongText => ("text", None),
            Kind::LaxText => ("text collate nocase", None),
            Kind::Json => ("json", None),
            Kind::Uuid | Kind::Address => ("text", None),
            Kind::Instant | Kind::Iso8601 => ("text", Some(SinceForm::Iso8601)),
            Kind::Naive => ("datetime", None),
            Kind::Date => ("date", None),
            Kind::UnixS => ("integer", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("integer", Some(SinceForm::UnixMs)),
            Kind::NaiveText => ("text", Some(SinceForm::Timestamp)),
            Kind::DateText => ("text", Some(SinceForm::Date)),
            Kind::Julian => ("real", Some(SinceForm::Julian)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn snare(&self, snare: &Snare<'_>) -> Option<String> {
        Some(match snare {
            Snare::AlsoDeletes { table, other } => {
                format!("create trigger snare after delete on {table} begin delete from {other}; end")
            }
            Snare::Cancels { table } => {
                format!("create trigger snare before delete on {table} begin select raise(ignore); end")
            }
            Snare::Refuses { table, id } => format!(
                "create trigger snare before delete on {table} when old.id = {id}
                 begin select raise(abort, 'marker of a row'); end"
            ),
            Snare::UpdateMoves { table, column } => format!(
                "create trigger snare after update on {table}
                 begin update {table} set {column} = '2025-01-01T00:00:00Z' where id = new.id; end"
            ),
            Snare::UpdateReaches { table, other } => {
                format!("create trigger snare after update on {table} begin update {other} set n = n + 1; end")
            }
            Snare::UpdateCancels { table } => {
                format!("create trigger snare before update on {table} begin select raise(ignore); end")
            }
            Snare::UpdateRefuses { table, id } => format!(
                "create trigger snare before update on {table} when old.id = {id}
                 begin select raise(abort, 'marker of a row'); end"
            ),
        })
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(File::new())
    }
}

// === impl File ===

impl File {
    /// An empty database with a write-ahead log.
    pub(crate) fn new() -> Self {
        let file = Self::bare();
        file.open().execute_batch("pragma journal_mode = wal").unwrap();
        file
    }

    /// A file that is not there yet.
    pub(crate) fn bare() -> Self {
        Self { folder: Arc::new(TempDir::new().unwrap()) }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    /// A connection as an application has it.
    pub(crate) fn open(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }
}

/// Connects to a file.
pub(crate) async fn connect(path: &Path, instance: &str) -> Box<dyn Connector> {
    forgetd_sqlite::connect(Config { path: path.into() }, context(instance)).await.unwrap()
}

pub(crate) fn context(instance: &str) -> ConnectContext {
    ConnectContext {
        database: "crm".into(),
        instance: instance.into(),
        control_name: "forgetd".into(),
        lock_wait_ms: 100,
        call_timeout_ms: 10_000,
        batch_rows_max: 1_000,
        connections_max: 3,
        application: "test".into(),
        connections: forgetd_connector::Connections::default(),
        unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
    }
}

#[async_trait]
impl TestDatabase for File {
    async fn sql(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        connect(&self.path(), instance).await
    }

    async fn hold(&self, _table: &str, _condition: &str) -> Box<dyn Held> {
        let connection = self.open();
        connection.execute_batch("begin immediate").unwrap();
        Box::new(Writer(connection))
    }
}

#[async_trait]
impl Held for Writer {
    async fn release(self: Box<Self>) {
        self.0.execute_batch("rollback").unwrap();
    }
}

/// A file with control tables and a holder, and a table made by `sql`.
pub(crate) async fn arena(sql: &str) -> (Arena, File) {
    let file = File::new();
    file.open().execute_batch(sql).unwrap();
    (installed(&file).await, file)
}

/// The same for a file that is there.
pub(crate) async fn installed(file: &File) -> Arena {
    let connector = connect(&file.path(), "conformance").await;
    let Installed::Created(generation) = connector.control().install().await.unwrap() else { panic!("not fresh") };
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 600_000 };
    let Acquired::Held { term } = connector.control().acquire(&claim, false).await.unwrap() else { panic!("taken") };
    assert_eq!(connector.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
    Arena { database: Box::new(file.clone()), connector, generation, term }
}

/// What is due in `table` by `column` at `cutoff`, with the zone of Stockholm.
pub(crate) fn selection(table: &str, column: &str, form: Option<SinceForm>, cutoff: &str) -> Selection {
    let zone = Some(jiff::tz::TimeZone::get("Europe/Stockholm").unwrap());
    let terms = Terms {
        since: Since::Column(SinceColumn { column: column.into(), zone, form }),
        cutoff: Cutoff(cutoff.parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Selection::new(TableRef::parse(table), terms)
}

/// The step for a selection by date of everything before 2025.
pub(crate) async fn dated(arena: &Arena, table: &str) -> Step {
    arena.step(selection(table, "at", Some(SinceForm::Date), "2024-12-31T23:30:00Z")).await
}

pub(crate) fn order(rows_max: u32) -> Order {
    Order { from: None, rows_max, locks: LockWait::Wait, compare: Compare::All, want_keys: false }
}

/// The ids that are left in a table.
pub(crate) fn ids(file: &File, table: &str) -> Vec<i64> {
    let connection = file.open();
    let mut statement = connection.prepare(&format!("select id from {table} order by id")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The ids of the rows that are due, found the way a lane finds them; nothing is changed.
pub(crate) async fn due(arena: &Arena, selection: Selection) -> Vec<i64> {
    let step = arena.step(selection).await;
    let mut lane = arena.lane(&step).await;
    let mut due = vec![];
    let mut from = None;
    loop {
        let effect = lane.change(&Order { from, want_keys: true, ..order(1_000) }).await.unwrap();
        lane.undo().await.unwrap();
        due.extend(effect.keys.unwrap().into_iter().map(|key| match key.0.as_slice() {
            [Value::Int(id)] => *id,
            key => panic!("{key:?}"),
        }));
        match effect.next {
            Next::At(cursor) => from = Some(cursor),
            Next::End => break,
        }
    }
    due.sort_unstable();
    let count = arena.connector.measure(&step, RowCap(None)).await.unwrap().due;
    assert_eq!(count, Count::Exact(due.len() as u64), "measured and met");
    due
}
