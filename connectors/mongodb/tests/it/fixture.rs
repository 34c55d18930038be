//! Fresh databases for the suite and for this crate's own tests.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    ConnectContext, Connector, Cutoff, Fault, Predicate, Selection, Since, SinceColumn, SinceForm, TableRef, Terms,
    WhenNull,
};
use forgetd_mongodb::Config;
use forgetd_testkit::{Arena, Cell, ColumnSql, Fixture, Keeps, Kind, Snare, TableSpec, TestDatabase, Wanted, member};
use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Collection, Database as Documents, IndexModel};
use serde_json::Value as Json;

use crate::server;

/// The server as the suite needs it.
pub(crate) struct MongoFixture;

/// One database and its control collections. They go with the last owner.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) name: Arc<Name>,
}

pub(crate) struct Name(pub(crate) String);

/// How many documents one message inserts.
const INSERT_ROWS: usize = 500;

#[async_trait]
impl Fixture for MongoFixture {
    fn is_there(&self) -> bool {
        server::url().is_some()
    }

    fn keeps(&self) -> Keeps {
        Keeps::Documents
    }

    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Int => ("long", None),
            Kind::Bool => ("bool", None),
            Kind::Real => ("double", None),
            Kind::Text | Kind::LongText | Kind::LaxText | Kind::Uuid | Kind::Address => ("string", None),
            Kind::Json => ("object", None),
            Kind::Instant => ("date", None),
            Kind::UnixS => ("long", Some(SinceForm::UnixS)),
            Kind::UnixMs => ("long", Some(SinceForm::UnixMs)),
            Kind::Iso8601 => ("string", Some(SinceForm::Iso8601)),
            Kind::Naive | Kind::NaiveText => ("string", Some(SinceForm::Timestamp)),
            Kind::Date | Kind::DateText => ("string", Some(SinceForm::Date)),
            Kind::Julian => ("double", Some(SinceForm::Julian)),
            _ => return None,
        };
        Some(ColumnSql { type_name, form })
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

    /// The application's collections, beside the connector.
    pub(crate) async fn documents(&self) -> Documents {
        server::client().await.database(&self.name.0)
    }

    /// One of them.
    pub(crate) async fn collection(&self, name: &str) -> Collection<Document> {
        self.documents().await.collection(name)
    }

    #[allow(clippy::print_stdout, reason = "a test says which server it ran on")]
    pub(crate) async fn connect_by(&self, url: &str, instance: &str) -> Result<Box<dyn Connector>, Fault> {
        let connector =
            forgetd_mongodb::connect(Config { url: url.into(), password: None }, self.context(instance)).await?;
        let facts = connector.facts();
        println!("on {} {}", facts.product, facts.version);
        Ok(connector)
    }

    pub(crate) fn context(&self, instance: &str) -> ConnectContext {
        ConnectContext {
            database: "crm".into(),
            instance: instance.into(),
            control_name: format!("{}_forgetd", self.name.0),
            lock_wait_ms: 100,
            call_timeout_ms: 20_000,
            batch_rows_max: 1_000,
            connections_max: 3,
            application: "forgetd test".into(),
            connections: forgetd_connector::Connections::default(),
            unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
        }
    }
}

#[async_trait]
impl TestDatabase for Database {
    async fn create(&self, _fixture: &dyn Fixture, table: &TableSpec) {
        let collection = self.collection(table.name).await;
        self.documents().await.create_collection(table.name).await.unwrap();
        for columns in &table.indexes {
            let keys: Document = columns.iter().map(|column| ((*column).to_owned(), Bson::Int32(1))).collect();
            collection.create_index(IndexModel::builder().keys(keys).build()).await.unwrap();
        }
        let rows: Vec<Document> = table.rows.iter().map(|row| document(table.document(row))).collect();
        for rows in rows.chunks(INSERT_ROWS) {
            collection.insert_many(rows).await.unwrap();
        }
    }

    async fn count(&self, table: &str, wanted: &[(&str, Wanted<'_>)]) -> i64 {
        let mut found = self.collection(table).await.find(doc! {}).await.unwrap();
        let mut rows = 0;
        while found.advance().await.unwrap() {
            let Json::Object(row) = serde_json::to_value(found.deserialize_current().unwrap()).unwrap() else {
                panic!("a document is an object")
            };
            let meets = |(column, wanted): &(&str, Wanted<'_>)| {
                wanted.meets(row.get(if *column == "id" { "_id" } else { column }))
            };
            rows += i64::from(wanted.iter().all(meets));
        }
        rows
    }

    async fn change(&self, table: &str, ids: &[i64], column: &str, cell: Cell) {
        let value: Bson = serde_json::from_value(member(Kind::Text, &cell)).unwrap();
        let mut set = Document::new();
        set.insert(column, value);
        let filter = doc! { "_id": { "$in": ids } };
        self.collection(table).await.update_many(filter, doc! { "$set": set }).await.unwrap();
    }

    async fn remove(&self, table: &str, ids: &[i64]) {
        self.collection(table).await.delete_many(doc! { "_id": { "$in": ids } }).await.unwrap();
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        self.connect_by(&server::url_of(&self.name.0), instance).await.unwrap()
    }
}

/// A document of extended JSON.
pub(crate) fn document(json: serde_json::Map<String, Json>) -> Document {
    serde_json::from_value(Json::Object(json)).unwrap()
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

/// What is due in the collection `item` by a moment at a path: before 2024-03-11, nothing kept beside.
pub(crate) fn due_by(column: &str, form: Option<SinceForm>, zone: Option<&str>) -> Selection {
    let zone = zone.map(|zone| TimeZone::get(zone).unwrap());
    let terms = Terms {
        since: Since::Column(SinceColumn { column: column.into(), zone, form }),
        cutoff: Cutoff("2024-03-11T00:00:00Z".parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Selection::new(TableRef::parse("item"), terms)
}

impl Database {
    /// Fills `item` with these documents, in extended JSON.
    pub(crate) async fn fill(&self, documents: &[Json]) {
        let documents = documents.iter().map(|json| document(json.as_object().unwrap().clone()));
        self.collection("item").await.insert_many(documents).await.unwrap();
    }

    /// The documents that are left in `item`, in the order of their keys.
    pub(crate) async fn left(&self) -> Vec<Json> {
        let found = self.collection("item").await.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let found: Vec<Document> = found.try_collect().await.unwrap();
        found.iter().map(|document| serde_json::to_value(document).unwrap()).collect()
    }
}
