//! Databases of documents, as cases need them.

mod adapted;
mod drawn;
mod names;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use forgetd_connector::{ConnectContext, Connector, SinceForm};
use forgetd_testkit::generator::{Case, EditSpec};
use forgetd_testkit::{Cell, ColumnSpec, ColumnSql, Fixture, Keeps, Kind, Row, Snare, TableSpec, TestDatabase, member};
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Client, Collection, IndexModel};

use crate::engine::{Documents, Site, context};
use adapted::has_mixed_keys;

/// What a case has that only documents can have.
pub(crate) fn met(case: &Case) -> Vec<(&'static str, bool)> {
    drawn::met(case, has_mixed_keys(case))
}

/// A database on the tests' server.
#[derive(Clone)]
pub(crate) struct MongoSite {
    url: String,
    name: String,
    client: Client,
    /// Whether the keys of the case at hand are of several types.
    mixed: Arc<AtomicBool>,
}

// === impl MongoSite ===

impl MongoSite {
    /// Opens what [`crate::harness::Mongo`] made.
    pub(crate) async fn open(url: String, name: String) -> Self {
        let client = Client::with_uri_str(&url).await.unwrap();
        Self { url, name, client, mixed: Arc::new(AtomicBool::new(false)) }
    }

    fn key(&self, id: i64) -> Bson {
        if !self.mixed.load(Ordering::Relaxed) {
            return Bson::Int64(id);
        }
        match id % 5 {
            0 => Bson::String(id.to_string()),
            1 => Bson::Int64(id),
            2 => Bson::ObjectId(object_id(id)),
            3 => Bson::Document(doc! { "n": id }),
            _ => Bson::Double(id as f64 + 0.5),
        }
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.client.database(&self.name).collection(name)
    }

    /// Some rows of a table as documents.
    fn documents(&self, table: &TableSpec, rows: &[Row]) -> Vec<Document> {
        rows.iter()
            .map(|row| {
                let mut document = doc! { "_id": self.key(row.0) };
                for (column, cell) in table.columns.iter().zip(&row.1).filter(|(_, cell)| **cell != Cell::Missing) {
                    put(&mut document, column.name, value(column.kind, cell));
                }
                document
            })
            .collect()
    }
}

fn value(kind: Kind, cell: &Cell) -> Bson {
    serde_json::from_value(member(kind, cell)).unwrap()
}

/// Puts a value where a name with dots says.
fn put(document: &mut Document, name: &str, value: Bson) {
    match name.split_once('.') {
        None => drop(document.insert(name, value)),
        Some((first, rest)) => {
            let inner = document.entry(first).or_insert_with(|| Document::new().into());
            put(inner.as_document_mut().unwrap(), rest, value);
        }
    }
}

/// What lies there.
fn found<'a>(document: &'a Document, name: &str) -> Option<&'a Bson> {
    match name.split_once('.') {
        None => document.get(name),
        Some((first, rest)) => found(document.get(first)?.as_document()?, rest),
    }
}

/// A value, read as what its column holds; as what it is where it is something else.
fn cell(kind: Kind, value: Option<&Bson>) -> Cell {
    match (kind, value) {
        (_, None) => Cell::Missing,
        (_, Some(Bson::Null)) => Cell::Null,
        (Kind::Json, Some(value)) => Cell::Json(serde_json::to_value(value).unwrap()),
        (_, Some(Bson::Int32(number))) => Cell::Int((*number).into()),
        (_, Some(Bson::Int64(number))) => Cell::Int(*number),
        (_, Some(Bson::Double(number))) => Cell::Real(*number),
        (_, Some(Bson::Boolean(value))) => Cell::Bool(*value),
        (_, Some(Bson::DateTime(at))) => Cell::Instant(Timestamp::from_millisecond(at.timestamp_millis()).unwrap()),
        (Kind::Naive, Some(Bson::String(text))) => text.parse().map_or_else(|_| Cell::Text(text.clone()), Cell::Naive),
        (Kind::Date, Some(Bson::String(text))) => text.parse().map_or_else(|_| Cell::Text(text.clone()), Cell::Date),
        (_, Some(Bson::String(text))) => Cell::Text(text.clone()),
        (_, Some(other)) => Cell::Json(serde_json::to_value(other).unwrap()),
    }
}

fn object_id(id: i64) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&id.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

/// The number of a row by its document's key.
fn number(key: &Bson) -> i64 {
    match key {
        Bson::String(text) => text.parse().unwrap(),
        Bson::Int64(id) => *id,
        Bson::ObjectId(id) => i64::from_be_bytes(id.bytes()[4..].try_into().unwrap()),
        Bson::Document(document) => document.get_i64("n").unwrap(),
        Bson::Double(id) => id.floor() as i64,
        other => panic!("{other} is no key of a case"),
    }
}

#[async_trait]
impl Fixture for MongoSite {
    fn keeps(&self) -> Keeps {
        Keeps::Documents
    }

    fn column(&self, kind: Kind) -> Option<ColumnSql> {
        let (type_name, form) = match kind {
            Kind::Int => ("long", None),
            Kind::Bool => ("bool", None),
            Kind::Real | Kind::Numeric => ("double", None),
            Kind::Text | Kind::LongText | Kind::LaxText | Kind::Latin | Kind::Narrow | Kind::Label | Kind::Marks => {
                ("string", None)
            }
            Kind::Uuid | Kind::Address => ("string", None),
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
        Box::new(self.clone())
    }
}

#[async_trait]
impl TestDatabase for MongoSite {
    async fn create(&self, _fixture: &dyn Fixture, table: &TableSpec) {
        let database = self.client.database(&self.name);
        database.create_collection(table.name).await.unwrap();
        let documents = MongoSite::documents(self, table, &table.rows);
        if !documents.is_empty() {
            self.collection(table.name).insert_many(documents).await.unwrap();
        }
    }

    async fn connect(&self, instance: &str) -> Box<dyn Connector> {
        let config = forgetd_mongodb::Config { url: self.url.as_str().into(), password: None };
        let context = ConnectContext { control_name: format!("{}_forgetd", self.name), ..context(instance) };
        forgetd_mongodb::connect(config, context).await.unwrap()
    }
}

#[async_trait]
impl Site for MongoSite {
    fn engine(&self) -> &'static str {
        "mongodb"
    }

    fn adapted(&self, case: &Case) -> Option<Case> {
        let case = adapted::adapted(case, self)?;
        self.mixed.store(has_mixed_keys(&case), Ordering::Relaxed);
        Some(case)
    }

    fn drawn(&self, case: &Case) -> Case {
        drawn::drawn(case)
    }

    fn documents(&self) -> Option<&dyn Documents> {
        Some(self)
    }

    fn knows_keys(&self) -> bool {
        !self.mixed.load(Ordering::Relaxed)
    }

    async fn make(&self, table: &TableSpec) {
        TestDatabase::create(self, self, table).await;
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let mut found = self.collection(table).find(doc! {}).projection(doc! { "_id": 1 }).await.unwrap();
        let mut ids = vec![];
        while found.advance().await.unwrap() {
            ids.push(number(found.deserialize_current().unwrap().get("_id").unwrap()));
        }
        ids.sort_unstable();
        ids
    }

    async fn texts(&self, table: &str, _columns: &[ColumnSpec]) -> Vec<(i64, Vec<Option<String>>)> {
        panic!("no case looks at texts of {table}")
    }

    async fn sql(&self, sql: &str) {
        panic!("no engine of SQL: {sql}")
    }
}

#[async_trait]
impl Documents for MongoSite {
    async fn contents(&self, table: &TableSpec) -> Vec<Row> {
        let mut cursor = self.collection(table.name).find(doc! {}).await.unwrap();
        let mut rows = vec![];
        while cursor.advance().await.unwrap() {
            let document = cursor.deserialize_current().unwrap();
            let cells = table.columns.iter().map(|column| cell(column.kind, found(&document, column.name)));
            rows.push((number(document.get("_id").unwrap()), cells.collect()));
        }
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }

    async fn edit(&self, table: &TableSpec, edit: &EditSpec) {
        let change = match &edit.cell {
            Cell::Missing => doc! { "$unset": { edit.column: "" } },
            cell => doc! { "$set": { edit.column: value(table.kind(edit.column), cell) } },
        };
        self.collection(table.name).update_one(doc! { "_id": self.key(edit.id) }, change).await.unwrap();
    }

    async fn insert(&self, table: &TableSpec, rows: &[Row]) {
        let documents = MongoSite::documents(self, table, rows);
        if !documents.is_empty() {
            self.collection(table.name).insert_many(documents).await.unwrap();
        }
    }

    async fn make_unique(&self, table: &TableSpec, column: &str) {
        let options = IndexOptions::builder().unique(true).sparse(true).build();
        let index = IndexModel::builder().keys(doc! { column: 1 }).options(options).build();
        self.collection(table.name).create_index(index).await.unwrap();
    }
}
