//! Fresh databases for the suite and for this crate's own tests.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{ConnectContext, Connector, Fault};
use forgetd_mongodb::Config;
use forgetd_testkit::{Arena, ColumnSql, Fixture, Held, Kind, Snare, TestDatabase};
use mongodb::Database as Documents;

use crate::server;

/// The server as the suite needs it.
pub(crate) struct MongoFixture;

/// One database and its control collections. They go with the last owner.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) name: Arc<Name>,
}

pub(crate) struct Name(pub(crate) String);

/// Whatever speaks SQL has no place here.
const NO_SQL: &str = "the server speaks no SQL";

#[async_trait]
impl Fixture for MongoFixture {
    fn is_there(&self) -> bool {
        server::url().is_some()
    }

    fn column(&self, _kind: Kind) -> Option<ColumnSql> {
        None
    }

    fn snare(&self, _snare: &Snare<'_>) -> Option<String> {
        None
    }

    async fn database(&self) -> Box<dyn TestDatabase> {
        Box::new(Database::new())
    }
}

// === impl Name ===

impl Drop for Name {
    fn drop(&mut self) {
        // A failed test leaves it to be looked at.
        if std::thread::panicking() {
            return;
        }
        let name = self.0.clone();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(server::drop_databases(&name));
        });
        drop(dropping.join());
    }
}

// === impl Database ===

impl Database {
    pub(crate) fn new() -> Self {
        Self { name: Arc::new(Name(server::fresh_name())) }
    }

    /// The control collections, beside the connector.
    pub(crate) async fn control(&self) -> Documents {
        server::client().await.database(&format!("{}_forgetd", self.name.0))
    }

    pub(crate) async fn connect_by(&self, url: &str, instance: &str) -> Result<Box<dyn Connector>, Fault> {
        forgetd_mongodb::connect(Config { url: url.into(), password: None }, self.context(instance)).await
    }

    pub(crate) fn context(&self, instance: &str) -> ConnectContext {
        ConnectContext {
            database: "crm".into(),
            instance: instance.into(),
            control_name: format!("{}_forgetd", self.name.0),
            lock_wait_ms: 100,
            call_timeout_ms: 20_000,
            batch_rows_max: 1_000,
            application: "forgetd test".into(),
        }
    }
}

#[async_trait]
impl TestDatabase for Database {
    async fn sql(&self, _sql: &str) {
        panic!("{NO_SQL}");
    }

    async fn number(&self, _sql: &str) -> i64 {
        panic!("{NO_SQL}");
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        self.connect_by(&server::url_of(&self.name.0), instance).await.unwrap()
    }

    async fn hold(&self, _table: &str, _condition: &str) -> Box<dyn Held> {
        panic!("{NO_SQL}");
    }
}

/// A database with control collections and a holder, and both to look behind them.
pub(crate) async fn arena() -> (Arena, Database) {
    let database = Database::new();
    let connector = database.connect("conformance").await;
    let forgetd_connector::Installed::Created(generation) = connector.control().install().await.unwrap() else {
        panic!("not fresh")
    };
    let claim = forgetd_connector::LeaseClaim { holder: forgetd_testkit::HOLDER.into(), duration_ms: 600_000 };
    let forgetd_connector::Acquired::Held { term } = connector.control().acquire(&claim, false).await.unwrap() else {
        panic!("taken")
    };
    connector.control().raise_fence(term).await.unwrap();
    (Arena { database: Box::new(database.clone()), connector, generation, term }, database)
}
