//! Which documents are due: the traps of filters, one document each.

use forgetd_connector::{
    Check, Comparison, Count, Path, Predicate, RowCap, Selection, Since, SinceColumn, SinceForm, Test, Value, WhenNull,
};
use serde_json::{Value as Json, json};

use crate::fixture::{arena, due_by};
use crate::server;

const OLD: &str = "2024-03-10T00:00:00Z";
const NEW: &str = "2024-03-12T00:00:00Z";

fn date(at: &str) -> Json {
    json!({ "$date": at })
}

/// Of documents with these members those go that are named, by these terms; every way of asking agrees.
async fn agree(documents: &[(&str, Json)], cases: &[(&str, Selection, &[&str])]) {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let filled: Vec<Json> = documents
        .iter()
        .map(|(id, members)| {
            let mut document = members.clone();
            document["_id"] = json!(id);
            document
        })
        .collect();
    database.fill(&filled).await;
    for (case, selection, due) in cases {
        let step = arena.step(selection.clone()).await;
        let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
        assert_eq!(measure.due, Count::Exact(due.len() as u64), "{case}");
        for (id, _) in documents {
            let key = forgetd_connector::Key(vec![Value::Text((*id).into())]);
            let judged = arena.connector.judge(&step, &key).await.unwrap().unwrap();
            assert_eq!(judged.due, due.contains(id), "{case}: {id}");
        }
    }
}

#[tokio::test]
async fn a_date_is_compared_with_dates_alone() {
    let documents = [
        ("old", json!({ "at": date(OLD) })),
        ("new", json!({ "at": date(NEW) })),
        ("null", json!({ "at": null })),
        ("missing", json!({})),
        ("text", json!({ "at": OLD })),
        ("number", json!({ "at": 5 })),
        ("id", json!({ "at": { "$oid": "5f0000000000000000000000" } })),
        ("timestamp", json!({ "at": { "$timestamp": { "t": 1000, "i": 1 } } })),
        ("object", json!({ "at": { "at": date(OLD) } })),
        ("all old", json!({ "at": [date(OLD), date(OLD)] })),
        ("one new", json!({ "at": [date(OLD), date(NEW)] })),
        ("one text", json!({ "at": [date(OLD), "x"] })),
        ("one null", json!({ "at": [date(OLD), null] })),
        ("empty", json!({ "at": [] })),
        ("deeper", json!({ "at": [[date(OLD)]] })),
    ];
    let with = |when_null| {
        let mut selection = due_by("at", None, None);
        selection.terms.when_null = when_null;
        selection
    };
    agree(
        &documents,
        &[
            ("keep", with(WhenNull::Keep), &["old", "all old"]),
            ("delete", with(WhenNull::Delete), &["old", "all old", "null", "missing"]),
            ("object", due_by("at.at", None, None), &["object"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_element_on_the_way_must_be_over() {
    let at = |at: &str| json!({ "at": date(at) });
    let documents = [
        ("one", json!({ "a": at(OLD) })),
        ("all old", json!({ "a": [at(OLD), at(OLD)] })),
        ("one new", json!({ "a": [at(OLD), at(NEW)] })),
        ("one without", json!({ "a": [at(OLD), {}] })),
        ("one no object", json!({ "a": [at(OLD), 5] })),
        ("arrays in both", json!({ "a": [{ "at": [date(OLD), date(OLD)] }, at(OLD)] })),
        ("one new inside", json!({ "a": [{ "at": [date(OLD), date(NEW)] }, at(OLD)] })),
        ("empty", json!({ "a": [] })),
        ("null", json!({ "a": null })),
    ];
    let due: &[&str] = &["one", "all old", "arrays in both"];
    let mut using = due_by("b", None, None);
    using.terms.when_null = WhenNull::Use("a.at".into());
    let mut greatest = due_by("b", None, None);
    let column = |column: &str| SinceColumn { column: column.into(), zone: None, form: None };
    greatest.terms.since = Since::Greatest(vec![column("b"), column("a.at")]);
    agree(
        &documents,
        &[
            ("plain", due_by("a.at", None, None), due),
            ("each", due_by("a[].at", None, None), due),
            ("use", using, due),
            ("greatest", greatest, due),
        ],
    )
    .await;
}

#[tokio::test]
async fn moments_are_read_in_the_form_that_the_rule_names() {
    let documents = [
        ("seconds", json!({ "n": 1_710_115_199 })),
        ("this second", json!({ "n": 1_710_115_200 })),
        ("millis", json!({ "n": 1_710_115_199_999_i64 })),
        ("double", json!({ "n": 1_710_115_198.5 })),
        ("decimal", json!({ "n": { "$numberDecimal": "1710115199" } })),
        ("not a number", json!({ "n": { "$numberDouble": "NaN" } })),
        ("infinite", json!({ "n": { "$numberDouble": "-Infinity" } })),
        ("made before", json!({ "o": { "$oid": "65ee497f0000000000000000" } })),
        ("made then", json!({ "o": { "$oid": "65ee49800000000000000000" } })),
        ("utc", json!({ "s": "2024-03-10T23:59:59Z" })),
        ("east", json!({ "s": "2024-03-11T01:59:59+02:00" })),
        ("west", json!({ "s": "2024-03-10T23:59:59-01:00" })),
        ("fraction", json!({ "s": "2024-03-10T23:59:59.123456789Z" })),
        ("no such day", json!({ "s": "2024-02-30T00:00:00Z" })),
        ("no time", json!({ "s": "2024" })),
        ("local", json!({ "s": "2024-03-10 23:59:59" })),
        ("local with a T", json!({ "s": "2024-03-10T23:59:59.5" })),
        ("local of tomorrow", json!({ "s": "2024-03-11 00:00:00" })),
        ("day", json!({ "s": "2024-03-10" })),
        ("today", json!({ "s": "2024-03-11" })),
        ("stored day", json!({ "s": date("2024-03-10T00:00:00Z") })),
    ];
    use SinceForm::{Date, Iso8601, ObjectId, Timestamp, UnixMs, UnixS};
    agree(
        &documents,
        &[
            ("unix_s", due_by("n", Some(UnixS), None), &["seconds", "double", "decimal"]),
            ("unix_ms", due_by("n", Some(UnixMs), None), &["seconds", "this second", "double", "decimal", "millis"]),
            ("object_id", due_by("o", Some(ObjectId), None), &["made before"]),
            ("iso8601", due_by("s", Some(Iso8601), None), &["utc", "east", "fraction"]),
            ("timestamp", due_by("s", Some(Timestamp), Some("UTC")), &["local", "local with a T", "stored day"]),
            ("date", due_by("s", Some(Date), Some("UTC")), &["day", "stored day"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn conditions_hold_for_what_is_there_and_of_the_type() {
    let old = || date(OLD);
    let documents = [
        ("closed", json!({ "at": old(), "status": "closed", "hold": false })),
        ("held", json!({ "at": old(), "status": "closed", "hold": true })),
        ("array", json!({ "at": old(), "status": ["closed"] })),
        ("inside", json!({ "at": old(), "status": { "now": "closed" } })),
        ("inside one", json!({ "at": old(), "status": [{ "now": "closed" }] })),
        ("loud", json!({ "at": old(), "status": "CLOSED" })),
        ("missing", json!({ "at": old() })),
    ];
    let test = |path: &str, check, or_null| Predicate::Test(Test { path: Path::parse(path).unwrap(), check, or_null });
    let closed = || Check::Compare(Comparison::Equal, Value::Text("closed".into()));
    let by = |predicate| {
        let mut selection = due_by("at", None, None);
        selection.terms.predicate = predicate;
        selection
    };
    let not_held = test("hold", Check::Compare(Comparison::NotEqual, Value::Bool(true)), false);
    let perhaps_held = test("hold", Check::Compare(Comparison::NotEqual, Value::Bool(true)), true);
    let not_closed = Predicate::Not { part: Box::new(test("status", closed(), false)), or_null: false };
    let mut native = due_by("at", None, None);
    native.terms.native =
        Some(r#"{"status": {"$in": ["closed"]}, "at": {"$lt": {"$date": "2024-03-11T00:00:00Z"}}}"#.into());
    agree(
        &documents,
        &[
            ("equal", by(test("status", closed(), false)), &["closed", "held"]),
            ("inside", by(test("status.now", closed(), false)), &["inside"]),
            ("each", by(test("status[]", closed(), false)), &["array"]),
            ("each inside", by(test("status[].now", closed(), false)), &["inside one"]),
            ("not", by(not_closed), &["loud"]),
            ("unequal", by(not_held), &["closed"]),
            ("or null", by(perhaps_held), &["closed", "array", "inside", "inside one", "loud", "missing"]),
            (
                "missing",
                by(test("status.now", Check::Null(true), false)),
                &["closed", "held", "array", "inside one", "loud", "missing"],
            ),
            ("native", native, &["closed", "held", "array"]),
        ],
    )
    .await;
}
