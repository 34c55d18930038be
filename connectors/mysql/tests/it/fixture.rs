//! Fresh databases for the suite and for this crate's own tests.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Acquired, Compare, ConnectContext, Connector, Cutoff, Fault, FenceRaise, Installed, LeaseClaim, LockWait, Order,
    Predicate, Selection, Since, SinceColumn, SinceForm, Step, TableRef, Terms, WhenNull,
};
use forgetd_mysql::Config;
use forgetd_testkit::{Arena, ColumnSql, Fixture, HOLDER, Held, Kind, Snare, TestDatabase};
use jiff::Timestamp;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::server::Product;

/// One product as the suite needs it.
pub(crate) struct MyFixture {
    pub(crate) product: Product,
}

/// One database. It goes with its last owner.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) product: Product,
    pub(crate) url: String,
    pub(crate) name: Arc<Name>,
}

/// The name of a database that is dropped with it.
pub(crate) struct Name {
    product: Product,
    pub(crate) text: String,
}

/// A transaction of another session.
struct Locker(Conn);

// === impl MyFixture ===

impl MyFixture {
    pub(crate) const fn mariadb() -> Self {
        Self { product: Product::MariaDb }
    }

    pub(crate) const fn mysql() -> Self {
        Self { product: Product::MySql }
    }
}

#[async_trait]
impl Fixture for MyFixture {
    fn is_there(&self) -> bool {
        self.product.is_there()
    }

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
            Kind::Int => ("bigint", None),
            Kind::Bool => ("boolean", None),
            Kind::Real => ("double", None),
            Kind::Numeric => ("decimal(38, 10)", None),
            Kind::Text => ("varchar(700) collate utf8mb4_bin", None),
            Kind::LongText => ("longtext", None),
            Kind::LaxText => ("varchar(700) collate utf8mb4_general_ci", None),
            Kind::Json => ("json", None),
            Kind::Uuid if self.product == Product::MariaDb => ("uuid", None),
            Kind::Uuid => ("char(36)", None),
            Kind::Address => ("varchar(43)", None),
            Kind::Instant => ("timestamp(6)", None),
            Kind::Naive => ("datetime(6)", None),
            Kind::Date => ("date", None),
            Kind::UnixS => ("bigint", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("bigint", Some(SinceForm::UnixMs)),
            Kind::Julian => ("double", Some(SinceForm::Julian)),
            Kind::Iso8601 => ("varchar(64)", Some(SinceForm::Iso8601)),
            Kind::NaiveText => ("varchar(64)", Some(SinceForm::Timestamp)),
            Kind::DateText => ("varchar(64)", Some(SinceForm::Date)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn quote(&self, name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    fn instant(&self, instant: Timestamp) -> String {
        format!("'{}'", instant.strftime("%Y-%m-%d %H:%M:%S%.f"))
    }

    fn needs_key(&self) -> bool {
        true
    }

    fn snare(&self, snare: &Snare<'_>) -> Option<String> {
        let refuse = |row: &str, id: &i64| {
            format!("if {row}.id = {id} then signal sqlstate '45000' set message_text = 'marker of a row'; end if;")
        };
        let (table, when, body) = match snare {
            Snare::AlsoDeletes { table, other } => (table, "after delete", format!("delete from {other};")),
            Snare::Refuses { table, id } => (table, "before delete", refuse("old", id)),
            Snare::UpdateMoves { table, column } => {
                (table, "before update", format!("set new.{column} = utc_timestamp(6);"))
            }
            Snare::UpdateReaches { table, other } => (table, "after update", format!("update {other} set n = n + 1;")),
            Snare::UpdateRefuses { table, id } => (table, "before update", refuse("new", id)),
            // A trigger can refuse here, and cannot skip.
            Snare::Cancels { .. } | Snare::UpdateCancels { .. } => return None,
        };
        Some(format!("create trigger snare {when} on {table} for each row begin {body} end"))
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(Database::new(self.product).await)
    }
}

// === impl Name ===

impl Drop for Name {
    fn drop(&mut self) {
        // A failed test leaves it to be looked at: the next process drops it.
        if std::thread::panicking() {
            return;
        }
        let (product, name) = (self.product, self.text.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(product.server().drop_database(&name));
        });
        drop(dropping.join());
    }
}

// === impl Database ===

impl Database {
    /// An empty database on the product's server.
    pub(crate) async fn new(product: Product) -> Self {
        let server = product.server();
        let text = server.database().await;
        Self { product, url: server.url(&text), name: Arc::new(Name { product, text }) }
    }

    /// One more session of the owner.
    pub(crate) async fn session(&self) -> Conn {
        self.product.server().session(Some(&self.name.text)).await
    }

    /// The name of the control tables' database.
    pub(crate) fn control(&self) -> String {
        format!("{}_forgetd", self.name.text)
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows: Vec<Option<String>> = self.session().await.query(sql).await.unwrap();
        rows.into_iter().map(|text| text.unwrap_or_else(|| "NULL".into())).collect()
    }

    /// Connects through `url`.
    pub(crate) async fn connect_by(&self, url: &str, instance: &str) -> Result<Box<dyn Connector>, Fault> {
        forgetd_mysql::connect(Config { url: url.into(), password: None }, self.context(instance)).await
    }

    pub(crate) fn context(&self, instance: &str) -> ConnectContext {
        context(instance, &self.control())
    }
}

pub(crate) fn context(instance: &str, control_name: &str) -> ConnectContext {
    ConnectContext {
        database: "crm".into(),
        instance: instance.into(),
        control_name: control_name.into(),
        lock_wait_ms: 100,
        call_timeout_ms: 20_000,
        batch_rows_max: 1_000,
        connections_max: 3,
        application: "forgetd test".into(),
        connections: forgetd_connector::Connections::default(),
        unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
    }
}

#[async_trait]
impl TestDatabase for Database {
    async fn sql(&self, sql: &str) {
        self.session().await.query_drop(sql).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        let text = self.texts(sql).await;
        text[0].parse().unwrap()
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        self.connect_by(&self.url, instance).await.unwrap()
    }

    async fn hold(&self, table: &str, condition: &str) -> Box<dyn Held> {
        let mut session = self.session().await;
        session.query_drop("begin").await.unwrap();
        session.query_drop(format!("select * from {table} where {condition} for update")).await.unwrap();
        Box::new(Locker(session))
    }
}

#[async_trait]
impl Held for Locker {
    async fn release(mut self: Box<Self>) {
        self.0.query_drop("rollback").await.unwrap();
    }
}

/// A database with control tables and a holder, and tables made by `sql`.
pub(crate) async fn arena(product: Product, sql: &str) -> (Arena, Database) {
    let database = Database::new(product).await;
    if !sql.is_empty() {
        database.sql(sql).await;
    }
    let url = database.url.clone();
    (installed(&database, &url).await, database)
}

/// The same for a database that is there, worked on through `url`.
pub(crate) async fn installed(database: &Database, url: &str) -> Arena {
    let connector = database.connect_by(url, "conformance").await.unwrap();
    let Installed::Created(generation) = connector.control().install().await.unwrap() else { panic!("not fresh") };
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 600_000 };
    let Acquired::Held { term } = connector.control().acquire(&claim, false).await.unwrap() else { panic!("taken") };
    assert_eq!(connector.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
    Arena { database: Box::new(database.clone()), connector, generation, term }
}

/// What is due in `table` by its column `at` before 2025, with the zone of Stockholm.
pub(crate) fn selection(table: &str) -> Selection {
    let zone = Some(jiff::tz::TimeZone::get("Europe/Stockholm").unwrap());
    let terms = Terms {
        since: Since::Column(SinceColumn { column: "at".into(), zone, form: None }),
        cutoff: Cutoff("2024-12-31T23:00:00Z".parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Selection::new(TableRef::parse(table), terms)
}

/// The step for [`selection`].
pub(crate) async fn step(arena: &Arena, table: &str) -> Step {
    arena.step(selection(table)).await
}

pub(crate) fn order(rows_max: u32) -> Order {
    Order { from: None, rows_max, locks: LockWait::Wait, compare: Compare::All, want_keys: false }
}
