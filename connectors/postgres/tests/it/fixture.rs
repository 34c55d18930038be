//! Fresh databases for the suite and for this crate's own tests.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Acquired, Atomicity, Compare, ConnectContext, Connector, Cutoff, Effect, Fault, FenceRaise, Installed, Lane,
    LeaseClaim, LockWait, Next, Order, Predicate, Selection, Since, SinceColumn, Step, TableRef, Terms, Untouched,
    WhenNull,
};
use forgetd_postgres::Config;
use forgetd_testkit::{Arena, ColumnSql, Fixture, HOLDER, Held, Kind, Snare, TestDatabase};
use tokio_postgres::Client;

use crate::server::{Server, session};

/// PostgreSQL as the suite needs it.
pub(crate) struct PostgresFixture;

/// One database.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
}

/// A transaction of another session.
struct Locker(Client);

#[async_trait]
impl Fixture for PostgresFixture {
    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        use forgetd_connector::SinceForm;
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
            Kind::Real => ("double precision", None),
            Kind::Numeric => ("numeric", None),
            Kind::Text | Kind::LongText => ("text", None),

            Kind::LaxText => ("text collate \"und-x-icu\"", None),
            Kind::Json => ("jsonb", None),
            Kind::Uuid => ("uuid", None),
            Kind::Address => ("inet", None),
            Kind::Instant => ("timestamptz", None),
            Kind::Naive => ("timestamp", None),
            Kind::Date => ("date", None),
            Kind::UnixS => ("bigint", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("bigint", Some(SinceForm::UnixMs)),
            Kind::Julian => ("double precision", Some(SinceForm::Julian)),
            Kind::Iso8601 => ("text", Some(SinceForm::Iso8601)),
            Kind::NaiveText => ("text", Some(SinceForm::Timestamp)),
            Kind::DateText => ("text", Some(SinceForm::Date)),
        };
        Some(ColumnSql { type_name, form })
    }

    fn snare(&self, snare: &Snare<'_>) -> Option<String> {
        let refuse = |row: &str, id: &i64| {
            format!("if old.id = {id} then raise exception 'marker of a row'; end if; return {row};")
        };
        let (table, when, body) = match snare {
            Snare::AlsoDeletes { table, other } => (table, "after delete", format!("delete from {other}; return old;")),
            Snare::Cancels { table } => (table, "before delete", "return null;".into()),
            Snare::Refuses { table, id } => (table, "before delete", refuse("old", id)),
            Snare::UpdateMoves { table, column } => {
                (table, "before update", format!("new.{column} := clock_timestamp(); return new;"))
            }
            Snare::UpdateReaches { table, other } => {
                (table, "after update", format!("update {other} set n = n + 1; return new;"))
            }
            Snare::UpdateCancels { table } => (table, "before update", "return null;".into()),
            Snare::UpdateRefuses { table, id } => (table, "before update", refuse("new", id)),
        };
        Some(format!(
            "create function snare() returns trigger language plpgsql as $$ begin {body} end $$;
             create trigger snare {when} on {table} for each row execute function snare()"
        ))
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(Database::new().await)
    }
}

// === impl Database ===

impl Database {
    /// An empty database on the tests' server.
    pub(crate) async fn new() -> Self {
        let server = Server::get();
        let name = server.database().await;
        Self { url: server.url(&name) }
    }

    /// An empty database whose texts are in this encoding.
    pub(crate) async fn encoded(encoding: &str) -> Self {
        let server = Server::get();
        let name = format!("{}_{}", server.database().await, encoding.to_lowercase());
        let options = format!("encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0");
        session(&server.url("postgres"))
            .await
            .batch_execute(&format!("create database {name} {options}"))
            .await
            .unwrap();
        Self { url: server.url(&name) }
    }

    /// One more session of the superuser.
    pub(crate) async fn session(&self) -> Client {
        session(&self.url).await
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let messages = self.session().await.simple_query(sql).await.unwrap();
        let text = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        messages.iter().filter_map(text).collect()
    }
}

pub(crate) fn context(instance: &str) -> ConnectContext {
    ConnectContext {
        database: "crm".into(),
        instance: instance.into(),
        control_name: "forgetd".into(),
        lock_wait_ms: 100,
        call_timeout_ms: 20_000,
        batch_rows_max: 1_000,
        connections_max: 3,
        application: "forgetd test".into(),
        connections: forgetd_connector::Connections::default(),
        unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
    }
}

/// Connects to a URL.
pub(crate) async fn connect(url: &str, instance: &str) -> Result<Box<dyn Connector>, Fault> {
    forgetd_postgres::connect(Config { url: url.into(), password: None }, context(instance)).await
}

#[async_trait]
impl TestDatabase for Database {
    async fn sql(&self, sql: &str) {
        self.session().await.batch_execute(sql).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        let text = self.texts(sql).await;
        text[0].parse().unwrap()
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        connect(&self.url, instance).await.unwrap()
    }

    async fn hold(&self, table: &str, condition: &str) -> Box<dyn Held> {
        let client = self.session().await;
        let lock = format!("begin; select * from {table} where {condition} for update");
        client.batch_execute(&lock).await.unwrap();
        Box::new(Locker(client))
    }
}

#[async_trait]
impl Held for Locker {
    async fn release(self: Box<Self>) {
        self.0.batch_execute("rollback").await.unwrap();
    }
}

/// A database with control tables and a holder, and tables made by `sql`.
pub(crate) async fn arena(sql: &str) -> (Arena, Database) {
    let database = Database::new().await;
    database.sql(sql).await;
    let url = database.url.clone();
    (installed(&database, &url).await, database)
}

/// The same for a database that is there, worked on through `url`.
pub(crate) async fn installed(database: &Database, url: &str) -> Arena {
    let connector = connect(url, "conformance").await.unwrap();
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

/// The ids, or whatever the key's first column holds, of all rows that the step means, in order; by the sealed lane, which
/// picks before it changes.
pub(crate) async fn due(arena: &Arena, mut step: Step) -> Result<Vec<String>, Fault> {
    step.atomicity = Atomicity::Sealed;
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await? else {
        panic!("a sealed step")
    };
    let mut ids = vec![];
    let mut order = order(1_000);
    for _ in 0..1_000 {
        let picked = lane.pick(&order).await?;
        ids.extend(picked.keys.iter().map(|key| key.0[0].canonical_text().into_owned()));
        match picked.next {
            Next::At(cursor) => order.from = Some(cursor),
            Next::End => {
                ids.sort_by_key(|id| (id.len(), id.clone()));
                return Ok(ids);
            }
        }
    }
    panic!("picking does not end");
}

/// One batch from the start, undone again.
pub(crate) async fn attempt(arena: &Arena, step: &Step, order: &Order) -> Result<Effect, Fault> {
    let mut lane = arena.lane(step).await;
    let effect = lane.change(order).await;
    lane.undo().await.unwrap();
    effect
}
