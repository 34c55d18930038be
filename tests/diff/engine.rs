//! The engines, as cases need them: one database each, kept open.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use forgetd_connector::{ConnectContext, Connector, SinceForm};
use forgetd_testkit::generator::{Case, EditSpec};
use forgetd_testkit::{ColumnSpec, ColumnSql, Fixture, Held, KeySpec, Kind, Row, Snare, TableSpec, TestDatabase};
use rusqlite::types::ValueRef;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::harness;

/// A database of an engine.
#[async_trait]
pub(crate) trait Site: Fixture {
    /// The engine's name.
    fn engine(&self) -> &'static str;

    /// The case as it can be run here; none where it is about what the engine does not have.
    fn adapted(&self, case: &Case) -> Option<Case>;

    /// A case that was drawn, with what only this engine's rows hold put in.
    fn drawn(&self, case: &Case) -> Case {
        case.clone()
    }

    /// What rows are, where they are no rows of tables.
    fn documents(&self) -> Option<&dyn Documents> {
        None
    }

    /// Whether a row's key is its number, in the case at hand.
    fn knows_keys(&self) -> bool {
        true
    }

    /// Creates a table with its rows.
    async fn make(&self, table: &TableSpec);

    /// The ids that are left in a table, ascending.
    async fn ids(&self, table: &str) -> Vec<i64>;

    /// These columns of every row as the engine's own texts, by id.
    async fn texts(&self, table: &str, columns: &[ColumnSpec]) -> Vec<(i64, Vec<Option<String>>)>;

    /// Runs statements.
    async fn sql(&self, sql: &str);
}

/// A case's documents, outside the connector.
#[async_trait]
pub(crate) trait Documents: Sync {
    /// Every document of a collection, by its number.
    async fn contents(&self, table: &TableSpec) -> Vec<Row>;

    /// Writes one field, as an application does.
    async fn edit(&self, table: &TableSpec, edit: &EditSpec);

    /// Adds documents.
    async fn insert(&self, table: &TableSpec, rows: &[Row]);

    /// Makes the server refuse the same value twice. What is not there at all is none.
    async fn make_unique(&self, table: &TableSpec, column: &str);
}

/// A case on an engine of tables.
pub(crate) fn in_tables(fixture: &dyn Fixture, case: &Case) -> Option<Case> {
    let keyed = !fixture.needs_key() || case.table().key != KeySpec::None;
    let inserts = case.transform.iter().flat_map(|spec| &spec.inserts);
    let fits = case.tables.iter().all(|table| table.fits(fixture))
        && inserts.into_iter().all(|row| case.table().holds(fixture, row));
    (keyed && fits).then(|| case.clone())
}

pub(crate) fn context(instance: &str) -> ConnectContext {
    ConnectContext {
        database: "crm".into(),
        instance: instance.into(),
        control_name: "forgetd".into(),
        lock_wait_ms: 5_000,
        call_timeout_ms: 60_000,
        batch_rows_max: 1_000,
        connections_max: 3,
        application: "forgetd test".into(),
        connections: forgetd_connector::Connections::default(),
        unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
    }
}

// === PostgreSQL ===

/// A database on the tests' server.
#[derive(Clone)]
pub(crate) struct PostgresSite {
    url: String,
    client: Arc<Client>,
}

/// A collation for which case, accents and spaces make no difference.
const LAX: &str = "create collation lax (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false)";

impl PostgresSite {
    /// Opens what [`harness::Postgres`] made.
    pub(crate) async fn open(url: String) -> Self {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(LAX).await.unwrap();
        Self { url, client: Arc::new(client) }
    }
}

#[async_trait]
impl Fixture for PostgresSite {
    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Int => ("bigint", None),
            Kind::Bool => ("boolean", None),
            Kind::Text | Kind::LongText | Kind::Latin | Kind::Narrow | Kind::Label | Kind::Marks => ("text", None),
            Kind::Unsigned | Kind::Bits | Kind::InstantOf(_) | Kind::NaiveOf(_) => return None,
            Kind::LaxText => ("text collate lax", None),
            Kind::Real => ("double precision", None),
            Kind::Numeric => ("numeric", None),
            Kind::Json => ("jsonb", None),
            Kind::Uuid => ("uuid", None),
            Kind::Address => ("inet", None),
            Kind::Instant => ("timestamptz", None),
            Kind::Naive => ("timestamp", None),
            Kind::Date => ("date", None),
            Kind::Iso8601 => ("text", Some(SinceForm::Iso8601)),
            Kind::NaiveText => ("text", Some(SinceForm::Timestamp)),
            Kind::DateText => ("text", Some(SinceForm::Date)),
            Kind::UnixS => ("bigint", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("bigint", Some(SinceForm::UnixMs)),
            Kind::Julian => ("double precision", Some(SinceForm::Julian)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn snare(&self, _snare: &Snare<'_>) -> Option<String> {
        None
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl TestDatabase for PostgresSite {
    async fn sql(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        let config = forgetd_postgres::Config { url: self.url.as_str().into(), password: None };
        forgetd_postgres::connect(config, context(instance)).await.unwrap()
    }

    async fn hold(&self, _table: &str, _condition: &str) -> Box<dyn Held> {
        panic!("no case holds locks")
    }
}

#[async_trait]
impl Site for PostgresSite {
    fn engine(&self) -> &'static str {
        "postgres"
    }

    fn adapted(&self, case: &Case) -> Option<Case> {
        in_tables(self, case)
    }

    async fn make(&self, table: &TableSpec) {
        TestDatabase::create(self, self, table).await;
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let sql = format!("select id from {} order by id", self.quote(table));
        let messages = self.client.simple_query(&sql).await.unwrap();
        let id = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().parse().unwrap()),
            _ => None,
        };
        messages.into_iter().filter_map(id).collect()
    }

    async fn texts(&self, table: &str, columns: &[ColumnSpec]) -> Vec<(i64, Vec<Option<String>>)> {
        let list: Vec<String> = columns.iter().map(|column| format!(", {}::text", self.quote(column.name))).collect();
        let sql = format!("select id{} from {} order by id", list.concat(), self.quote(table));
        let messages = self.client.simple_query(&sql).await.unwrap();
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                let texts = (1..row.len()).map(|at| row.get(at).map(str::to_owned)).collect();
                Some((row.get(0).unwrap().parse().unwrap(), texts))
            }
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }

    async fn sql(&self, sql: &str) {
        TestDatabase::sql(self, sql).await;
    }
}

// === SQLite ===

/// A file in the working folder of [`harness::Sqlite`].
#[derive(Clone)]
pub(crate) struct SqliteSite {
    file: Arc<harness::Sqlite>,
    connection: Arc<Mutex<rusqlite::Connection>>,
}

impl SqliteSite {
    /// An empty file.
    pub(crate) fn open() -> Self {
        let file = harness::Sqlite::database();
        let connection = file.session();
        // Only our own processes end here, never the machine.
        connection.pragma_update(None, "synchronous", false).unwrap();
        Self { file: Arc::new(file), connection: Arc::new(Mutex::new(connection)) }
    }
}

#[async_trait]
impl Fixture for SqliteSite {
    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Int => ("integer", None),
            Kind::Bool => ("boolean", None),
            Kind::Text | Kind::LongText | Kind::Latin | Kind::Narrow | Kind::Label | Kind::Marks => ("text", None),
            Kind::Unsigned | Kind::Bits | Kind::InstantOf(_) | Kind::NaiveOf(_) => return None,
            Kind::LaxText => ("text collate nocase", None),
            Kind::Real => ("real", None),
            Kind::Numeric => ("numeric", None),
            Kind::Json => ("json", None),
            Kind::Uuid | Kind::Address => ("text", None),
            Kind::Instant | Kind::Iso8601 => ("text", Some(SinceForm::Iso8601)),
            Kind::Naive => ("datetime", None),
            Kind::NaiveText => ("text", Some(SinceForm::Timestamp)),
            Kind::Date => ("date", None),
            Kind::DateText => ("text", Some(SinceForm::Date)),
            Kind::UnixS => ("integer", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("integer", Some(SinceForm::UnixMs)),
            Kind::Julian => ("real", Some(SinceForm::Julian)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn snare(&self, _snare: &Snare<'_>) -> Option<String> {
        None
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl TestDatabase for SqliteSite {
    async fn sql(&self, sql: &str) {
        let connection = self.connection.lock().unwrap();
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    async fn number(&self, sql: &str) -> i64 {
        self.connection.lock().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        let config = forgetd_sqlite::Config { path: self.file.path() };
        forgetd_sqlite::connect(config, context(instance)).await.unwrap()
    }

    async fn hold(&self, _table: &str, _condition: &str) -> Box<dyn Held> {
        panic!("no case holds locks")
    }
}

#[async_trait]
impl Site for SqliteSite {
    fn engine(&self) -> &'static str {
        "sqlite"
    }

    fn adapted(&self, case: &Case) -> Option<Case> {
        in_tables(self, case)
    }

    async fn make(&self, table: &TableSpec) {
        TestDatabase::create(self, self, table).await;
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let connection = self.connection.lock().unwrap();
        let mut statement = connection.prepare(&format!("select id from {} order by id", self.quote(table))).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    async fn texts(&self, table: &str, columns: &[ColumnSpec]) -> Vec<(i64, Vec<Option<String>>)> {
        let list: Vec<String> = columns.iter().map(|column| format!(", {}", self.quote(column.name))).collect();
        let sql = format!("select id{} from {} order by id", list.concat(), self.quote(table));
        let connection = self.connection.lock().unwrap();
        let mut statement = connection.prepare(&sql).unwrap();
        let text = |value: ValueRef<'_>| match value {
            ValueRef::Null => None,
            ValueRef::Integer(value) => Some(value.to_string()),
            ValueRef::Real(value) => Some(format!("{value:?}")),
            ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(_) => Some("a blob".into()),
        };
        let row = |row: &rusqlite::Row<'_>| {
            let texts = (1..=columns.len()).map(|at| row.get_ref(at).map(text)).collect::<Result<_, _>>()?;
            Ok((row.get(0)?, texts))
        };
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    }

    async fn sql(&self, sql: &str) {
        TestDatabase::sql(self, sql).await;
    }
}
