//! MySQL and MariaDB, as cases need them.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{ConnectContext, Connector, SinceForm};
use forgetd_testkit::generator::Case;
use forgetd_testkit::{ColumnSpec, ColumnSql, Fixture, Held, Kind, Snare, TableSpec, TestDatabase};
use jiff::Timestamp;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row};
use tokio::sync::Mutex;

use crate::engine::{Site, context, in_tables};

/// A database on one of the tests' two servers.
#[derive(Clone)]
pub(crate) struct MysqlSite {
    engine: &'static str,
    url: String,
    name: String,
    session: Arc<Mutex<Conn>>,
}

/// What the session of a case is set to: texts are what stands between their quotes, moments are in UTC.
const SETTINGS: &str = "set names utf8mb4, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'";

/// As [`forgetd_testkit::LABELS`] says.
const LABEL: &str = "enum('open', 'closed', 'Closed', 'it''s', 'two words', 'caf\u{e9}', 'cafe', '\u{3a9}', '100%', 'a') \
    character set utf8mb4 collate utf8mb4_bin";

/// Times that keep fewer digits of a second than there can be.
const INSTANTS: [&str; 6] =
    ["timestamp(0)", "timestamp(1)", "timestamp(2)", "timestamp(3)", "timestamp(4)", "timestamp(5)"];

/// The same without a zone.
const NAIVES: [&str; 6] = ["datetime(0)", "datetime(1)", "datetime(2)", "datetime(3)", "datetime(4)", "datetime(5)"];

impl MysqlSite {
    /// Opens what [`crate::harness::Mysql`] made.
    pub(crate) async fn open(engine: &'static str, url: String, name: String) -> Self {
        let opts = OptsBuilder::from_opts(Opts::from_url(&url).unwrap()).setup(vec![SETTINGS]).prefer_socket(false);
        let session = Arc::new(Mutex::new(Conn::new(opts).await.unwrap()));
        Self { engine, url, name, session }
    }

    async fn rows(&self, sql: &str) -> Vec<Row> {
        self.session.lock().await.query(sql).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"))
    }
}

#[async_trait]
impl Fixture for MysqlSite {
    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Int => ("bigint", None),
            Kind::Bool => ("boolean", None),
            Kind::Text => ("varchar(700) collate utf8mb4_bin", None),
            Kind::LongText => ("longtext", None),
            Kind::LaxText => ("varchar(700) collate utf8mb4_general_ci", None),
            Kind::Latin => ("varchar(200) character set latin1 collate latin1_swedish_ci", None),
            Kind::Narrow => ("varchar(200) character set utf8mb3 collate utf8mb3_general_ci", None),
            Kind::Label => (LABEL, None),
            Kind::Marks => ("set('seen', 'paid', 'Paid', 'x y') character set utf8mb4 collate utf8mb4_bin", None),
            Kind::Unsigned => ("bigint unsigned", None),
            Kind::Bits => ("bit(40)", None),
            Kind::InstantOf(digits) => (INSTANTS[usize::from(digits)], None),
            Kind::NaiveOf(digits) => (NAIVES[usize::from(digits)], None),
            Kind::Real => ("double", None),
            Kind::Numeric => ("decimal(38, 10)", None),
            Kind::Json => ("json", None),
            // MariaDB's own type refuses every 64th UUID of version 8, and with it as many tokens.
            Kind::Uuid => ("char(36)", None),
            Kind::Address => ("varchar(43)", None),
            Kind::Instant => ("timestamp(6)", None),
            Kind::Naive => ("datetime(6)", None),
            Kind::Date => ("date", None),
            Kind::Iso8601 => ("varchar(64)", Some(SinceForm::Iso8601)),
            Kind::NaiveText => ("varchar(64)", Some(SinceForm::Timestamp)),
            Kind::DateText => ("varchar(64)", Some(SinceForm::Date)),
            Kind::UnixS => ("bigint", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("bigint", Some(SinceForm::UnixMs)),
            Kind::Julian => ("double", Some(SinceForm::Julian)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn quote(&self, name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    fn instant(&self, instant: Timestamp) -> String {
        format!("'{}'", instant.strftime("%Y-%m-%d %H:%M:%S%.f"))
    }

    fn has_zero_dates(&self) -> bool {
        true
    }

    fn needs_key(&self) -> bool {
        true
    }

    fn snare(&self, _snare: &Snare<'_>) -> Option<String> {
        None
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl TestDatabase for MysqlSite {
    async fn sql(&self, sql: &str) {
        let mut session = self.session.lock().await;
        let done = async { session.query_iter(sql).await?.drop_result().await };
        done.await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await.remove(0).take(0).unwrap()
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        let config = forgetd_mysql::Config { url: self.url.as_str().into(), password: None };
        let context = ConnectContext { control_name: format!("{}_forgetd", self.name), ..context(instance) };
        forgetd_mysql::connect(config, context).await.unwrap()
    }

    async fn hold(&self, _table: &str, _condition: &str) -> Box<dyn Held> {
        panic!("no case holds locks")
    }
}

#[async_trait]
impl Site for MysqlSite {
    fn engine(&self) -> &'static str {
        self.engine
    }

    fn adapted(&self, case: &Case) -> Option<Case> {
        in_tables(self, case)
    }

    async fn make(&self, table: &TableSpec) {
        TestDatabase::create(self, self, table).await;
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let rows = self.rows(&format!("select id from {} order by id", self.quote(table))).await;
        rows.into_iter().map(|mut row| row.take(0).unwrap()).collect()
    }

    async fn texts(&self, table: &str, columns: &[ColumnSpec]) -> Vec<(i64, Vec<Option<String>>)> {
        let read = |column: &ColumnSpec| {
            let name = self.quote(column.name);
            // Bits are bytes where they are no number.
            if column.kind == Kind::Bits { format!(", {name} + 0") } else { format!(", {name}") }
        };
        let list: Vec<String> = columns.iter().map(read).collect();
        let sql = format!("select id{} from {} order by id", list.concat(), self.quote(table));
        let row = |mut row: Row| {
            let texts = (1..=columns.len()).map(|at| row.take(at).unwrap()).collect();
            (row.take(0).unwrap(), texts)
        };
        self.rows(&sql).await.into_iter().map(row).collect()
    }

    async fn sql(&self, sql: &str) {
        TestDatabase::sql(self, sql).await;
    }
}
