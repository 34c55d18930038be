//! Databases of documents, as cases need them, and cases as they need them: a row is a document, nothing is declared, and what
//! tables cannot hold is put in: members that are missing, values of other types, arrays, keys of several types.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use forgetd_connector::{ConnectContext, Connector, Since, SinceForm, WhenNull};
use forgetd_testkit::generator::{Case, RuleSpec};
use forgetd_testkit::{Cell, ColumnSpec, ColumnSql, Fixture, Keeps, KeySpec, Kind, Snare, TableSpec, TestDatabase};
use jiff::Timestamp;
use mongodb::Client;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value as Json, json};

use crate::engine::{Site, context};

/// A database on the tests' server.
#[derive(Clone)]
pub(crate) struct MongoSite {
    url: String,
    name: String,
    client: Client,
    /// Whether the keys of the case at hand are of several types.
    mixed: Arc<AtomicBool>,
}

/// Names that no path to a field can hold, or that mean something in one, and what stands for each.
const RENAMED: &[(&str, &str)] = &[
    ("user name", "user_name"),
    ("a.b", "a_b"),
    ("x[]", "x_each"),
    ("quo\"te", "quote"),
    (r"back\slash", "backslash"),
    ("`tick`", "tick"),
    ("it's", "its"),
    ("x y", "x_y"),
    ("0", "nought"),
    ("$", "dollar"),
    ("[0]", "zeroth"),
    ("q\"q", "qq"),
];

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
        let document = |row| {
            let json = Json::Object(table.document(row));
            let mut document: Document = serde_json::from_value(json).unwrap();
            document.insert("_id", self.key(row.0));
            document
        };
        let documents: Vec<Document> = table.rows.iter().map(document).collect();
        if !documents.is_empty() {
            database.collection(table.name).insert_many(documents).await.unwrap();
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
        let case = adapted(case)?;
        self.mixed.store(has_mixed_keys(&case), Ordering::Relaxed);
        case.tables.iter().all(|table| table.fits(self)).then_some(case)
    }

    fn knows_keys(&self) -> bool {
        !self.mixed.load(Ordering::Relaxed)
    }

    async fn make(&self, table: &TableSpec) {
        TestDatabase::create(self, self, table).await;
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let collection = self.client.database(&self.name).collection::<Document>(table);
        let mut found = collection.find(doc! {}).projection(doc! { "_id": 1 }).await.unwrap();
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

/// The same case with documents for rows; none where it is about what collections do not have, or transforms.
fn adapted(case: &Case) -> Option<Case> {
    if case.transform.is_some() || case.below.is_some() || case.beside.is_some() {
        return None;
    }
    let mut case = Case::from_json(&renamed(case.to_json())).ok()?;
    case.sealed = true;
    let rules = std::iter::once(&mut case.rule).chain(&mut case.keepers).chain(&mut case.counted);
    for rule in rules {
        // Everything can be missing.
        rule.when_null.get_or_insert(WhenNull::Keep);
        if let Since::Latest(latest) = &mut rule.since {
            latest.on.iter_mut().filter(|joined| joined.own == "id").for_each(|joined| joined.own = "_id".into());
        }
    }
    let rules: Vec<RuleSpec> = case.rules().cloned().collect();
    // Text is no document, whatever stands in it.
    let inside = |test: &&forgetd_connector::Test| !test.path.steps.is_empty();
    let tests: Vec<_> = rules.iter().flat_map(|rule| rule.predicate.tests()).collect();
    let is_odd = |test: &&forgetd_connector::Test| {
        test.path.column == "id" || (inside(test) && case.table().kind(&test.path.column) != Kind::Json)
    };
    if tests.iter().any(is_odd) {
        return None;
    }
    for table in &mut case.tables {
        table.key = KeySpec::Id;
        table.indexes.clear();
        let columns = table.columns.clone();
        for (id, cells) in &mut table.rows {
            for ((n, spec), cell) in (0..).zip(&columns).zip(cells) {
                *cell = in_document(spec, *id, n, cell);
            }
        }
    }
    Some(case)
}

/// A cell as a document holds it: moments to the millisecond, some of what is nothing left out, some values of another type.
fn in_document(spec: &ColumnSpec, id: i64, n: i64, cell: &Cell) -> Cell {
    let draw = id * 7 + n * 3;
    if spec.nullable && spec.kind != Kind::Json && draw % 23 == 5 {
        return match draw / 23 % 5 {
            0 => Cell::Text("of another type".into()),
            // As a Julian day it would lie before the year 0, which no engine reads as time.
            1 if spec.kind != Kind::Julian => Cell::Int(5),
            1 => Cell::Bool(false),
            2 => Cell::Bool(true),
            3 => Cell::Json(json!([1, "x", null])),
            _ => Cell::Json(json!({ "a": 1 })),
        };
    }
    match cell {
        Cell::Null if draw % 2 == 0 => Cell::Missing,
        Cell::Instant(at) => Cell::Instant(Timestamp::from_millisecond(at.as_millisecond()).unwrap()),
        cell => cell.clone(),
    }
}

/// Whether nothing in the case is about the key itself, so that it may be of any type.
fn has_mixed_keys(case: &Case) -> bool {
    let about = |rule: &RuleSpec| rule.native.is_some() || matches!(rule.since, Since::Latest(_));
    !case.rules().any(about) && case.now.as_second() % 2 == 0
}

/// What a case has that only documents can have.
pub(crate) fn met(case: &Case) -> [(&'static str, bool); 4] {
    let holds = |what: &dyn Fn(&ColumnSpec, &Cell) -> bool| {
        case.tables.iter().any(|table| {
            let mut cells = table.rows.iter().flat_map(|row| table.columns.iter().zip(&row.1));
            cells.any(|(spec, cell)| what(spec, cell))
        })
    };
    [
        ("missing", holds(&|_, cell| *cell == Cell::Missing)),
        ("other_type", holds(&|_, cell| *cell == Cell::Text("of another type".into()))),
        ("array", holds(&|spec, cell| spec.kind != Kind::Json && matches!(cell, Cell::Json(Json::Array(_))))),
        ("mixed_keys", has_mixed_keys(case)),
    ]
}

/// The case's text with other names for columns and members, wherever they stand.
fn renamed(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(name(&text)),
        Json::Array(elements) => elements.into_iter().map(renamed).collect(),
        Json::Object(members) => members
            .into_iter()
            .map(|(member, value)| (name(&member), renamed(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// A name alone, or behind the dot of a step.
fn name(text: &str) -> String {
    let (dot, bare) = text.strip_prefix('.').map_or(("", text), |bare| (".", bare));
    let plain = RENAMED.iter().find(|(name, _)| *name == bare);
    plain.map_or_else(|| text.to_owned(), |(_, plain)| format!("{dot}{plain}"))
}
