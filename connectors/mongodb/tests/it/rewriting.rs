//! Transforms of documents: what is written, where, and what stays.

use std::sync::Arc;

use forgetd_connector::{
    Action, Cause, FaultClass, Key, Lane, LaneClaim, Marker, NewRow, OldRow, Path, Place, Put, Rewrite, Shape, Step,
    Transform, Undone, Value,
};
use forgetd_testkit::{Arena, Looks, Tagger};
use mongodb::IndexModel;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::options::IndexOptions;
use serde_json::{Value as Json, json};

use crate::fixture::{arena, due_by};
use crate::server;

fn old() -> Json {
    json!({ "$date": { "$numberLong": "1704067200000" } })
}

async fn step(arena: &Arena, places: &[(&str, Put, Option<Shape>)], marker: Option<&str>) -> Step {
    let path = |path: &str| Path::parse(path).unwrap();
    let mut selection = due_by("at", None, None);
    selection.undone.extend(marker.map(|marker| Undone::Unmarked(marker.into())));
    for (at, _, shape) in places {
        selection.undone.extend(shape.clone().map(|shape| Undone::Other { path: path(at), shape }));
    }
    let rewrite = Rewrite {
        version: None,
        marker: marker
            .map(|column| Marker { column: column.into(), value: Value::Text("2024-03-11T00:00:00Z".into()) }),
        places: places.iter().map(|(at, put, _)| Place { path: path(at), put: put.clone(), samples: vec![] }).collect(),
        follows: vec![],
    };
    Step { action: Action::Transform(rewrite), ..arena.step(selection).await }
}

#[tokio::test]
async fn only_the_elements_that_match_are_written_and_nothing_is_made() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database
        .fill(&[
            json!({ "_id": 1, "at": old(), "p": { "items": [{ "mail": "a", "n": 1 }, { "mail": "p1.b" }, { "n": 2 }, 5] } }),
            json!({ "_id": 2, "at": old(), "p": null }),
            json!({ "_id": 3, "at": old(), "p": { "items": { "mail": "c" } } }),
            json!({ "_id": 4, "at": old() }),
            json!({ "_id": 5, "at": old(), "p": { "items": [{ "mail": null }, { "mail": ["d"] }] } }),
            json!({ "_id": 6, "at": old(), "p": { "items": [{ "mail": "e" }], "big": { "$numberLong": "7" }, "d": old() } }),
        ])
        .await;
    let before = database.left().await;
    let step = step(&arena, &[("p.items[].mail", Put::Computed, Some(Tagger::shape()))], None).await;
    let drained = arena.drain(&step, 2).await;
    // What is no text cannot be written, and is said.
    assert_eq!((drained.changed, drained.unfit), (2, 1));
    let after = database.left().await;
    let mut expected = before.clone();
    expected[0]["p"]["items"][0]["mail"] = json!("p1.a");
    expected[5]["p"]["items"][0]["mail"] = json!("p1.e");
    assert_eq!(after, expected);
    assert_eq!(arena.drain(&step, 2).await.changed, 0);
}

#[tokio::test]
async fn constants_keep_out_of_what_is_not_there_and_markers_are_dates() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database
        .fill(&[
            json!({ "_id": 1, "at": old(), "name": "a", "tags": ["x"] }),
            json!({ "_id": 2, "at": old(), "name": null }),
            json!({ "_id": 3, "at": old() }),
            json!({ "_id": 4, "at": old(), "done": old(), "name": "b" }),
        ])
        .await;
    let text = |text: &str| Value::Text(text.into());
    let places = [
        ("name", Put::Constant(text("gone")), Some(Shape::Constant(text("gone")))),
        ("tags", Put::Constant(Value::Null), Some(Shape::Nothing)),
    ];
    let step = step(&arena, &places, Some("done")).await;
    assert_eq!(arena.drain(&step, 10).await.changed, 4);
    let left = database.left().await;
    let marked = json!({ "$date": { "$numberLong": "1710115200000" } });
    assert_eq!(left[0], json!({ "_id": 1, "at": old(), "name": "gone", "tags": null, "done": marked }));
    assert_eq!(left[1], json!({ "_id": 2, "at": old(), "name": null, "done": marked }));
    assert_eq!(left[2], json!({ "_id": 3, "at": old(), "done": marked }));
    assert_eq!(left[3]["name"], json!("gone"));
    assert_eq!(arena.drain(&step, 10).await.changed, 0);
}

/// Writes the same into every document.
#[derive(Debug)]
struct Same;

impl Transform for Same {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(|_| NewRow::Values(vec![Value::Text("p1.same".into())])).collect()
    }
}

#[tokio::test]
async fn a_document_that_the_server_refuses_costs_itself_alone() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let documents: Vec<Json> = (1..=3).map(|id| json!({ "_id": id, "at": old(), "mail": format!("m{id}") })).collect();
    database.fill(&documents).await;
    let unique = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "mail": 1 }).options(unique).build();
    database.collection("item").await.create_index(index).await.unwrap();
    let step = step(&arena, &[("mail", Put::Computed, Some(Tagger::shape()))], None).await;
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Same)).await.unwrap() else {
        panic!("no sealed lane")
    };
    let keys: Vec<Key> = (1..=3).map(|id| Key(vec![Value::Int(id)])).collect();
    let outcome = lane.finish(&keys).await.unwrap();
    assert_eq!((outcome.changed, outcome.gone, outcome.kept), (1, 1, 2));
    assert_eq!(outcome.unfit.get(&Cause::Unique), Some(&2));
}

fn at(moment: &str) -> Json {
    json!({ "$date": { "$numberLong": moment } })
}

/// What the period counts from, a constant and the marker lie beside a value that is computed, in the same field.
#[tokio::test]
async fn everything_that_is_read_may_lie_in_one_field() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let seen = |seen: &str, more: Json| {
        let mut profile = json!({ "seen_at": at(seen), "email": "a@b", "name": "n" });
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile
    };
    database
        .fill(&[
            json!({ "_id": 1, "at": old(), "profile": seen("1704067200000", json!({})) }),
            json!({ "_id": 2, "at": old(), "profile": seen("1704067200000", json!({ "done_at": at("1600000000000") })) }),
        ])
        .await;
    let gone = Value::Text("gone".into());
    let places = [
        ("profile.email", Put::Computed, Some(Tagger::shape())),
        ("profile.name", Put::Constant(gone.clone()), Some(Shape::Constant(gone))),
    ];
    let mut step = step(&arena, &places, Some("profile.done_at")).await;
    let (marker, since) = ("profile.done_at".into(), "profile.seen_at".into());
    step.selection.undone.push(Undone::MarkedBefore { marker, since });
    assert_eq!(arena.drain(&step, 10).await.changed, 2);
    for document in database.left().await {
        let profile = &document["profile"];
        assert_eq!((&profile["email"], &profile["name"]), (&json!("p1.a@b"), &json!("gone")), "{document}");
    }
    assert_eq!(arena.drain(&step, 10).await.changed, 0);
}

#[tokio::test]
async fn a_document_with_bytes_that_are_no_text_costs_itself_alone() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let document = |id: i32| {
        let at = mongodb::bson::DateTime::from_millis(1_704_067_200_000);
        RawDocumentBuf::try_from(&doc! { "_id": id, "at": at, "mail": "a@b" }).unwrap()
    };
    let mut bytes = document(2).into_bytes();
    let odd = bytes.iter().position(|byte| *byte == b'@').unwrap();
    bytes[odd] = 0xff;
    let items = database.documents().await.collection::<RawDocumentBuf>("item");
    items.insert_one(document(1)).await.unwrap();
    // A server that takes no such bytes has none to give.
    if items.insert_one(RawDocumentBuf::from_bytes(bytes).unwrap()).await.is_err() {
        return;
    }
    let step = step(&arena, &[("mail", Put::Computed, Some(Tagger::shape()))], None).await;
    let drained = arena.drain(&step, 10).await;
    assert_eq!((drained.changed, drained.unfit), (1, 1));
}

/// Of several writes of one batch none is sent once the lease is over, and what the earlier ones did is known.
#[tokio::test]
async fn each_write_of_a_batch_asks_the_deadline() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let rest = "x".repeat(900_000);
    let large: Vec<Json> =
        (1..=6).map(|id| json!({ "_id": id, "at": old(), "p": { "mail": format!("m{id}"), "rest": rest } })).collect();
    database.fill(&large).await;
    let step = step(&arena, &[("p.mail", Put::Computed, Some(Tagger::shape()))], None).await;
    let claim = LaneClaim { deadline: Arc::new(Looks::new(1)), ..arena.claim() };
    let tagger = Arc::new(Tagger::new(step.rewrite().unwrap()));
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &claim, tagger).await.unwrap() else {
        panic!("no sealed lane")
    };
    let keys: Vec<Key> = (1..=6).map(|id| Key(vec![Value::Int(id)])).collect();
    let late = lane.finish(&keys).await.unwrap_err();
    assert_eq!(late.class, FaultClass::Blocked(Cause::Fenced), "{late}");
    let items = database.collection("item").await;
    let done = items.count_documents(doc! { "p.mail": { "$regex": "^p1\\.m" } }).await.unwrap();
    assert!((1..6).contains(&done), "{done} of 6");
    assert_eq!((lane.owed(), lane.owed()), (done, 0), "what was done is said, and once");
}

/// Documents of several slices are all written, each once.
#[tokio::test]
async fn large_documents_are_written_a_few_at_a_time() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let large = "x".repeat(900_000);
    let large: Vec<Json> =
        (1..=6).map(|id| json!({ "_id": id, "at": old(), "p": { "mail": format!("m{id}"), "rest": large } })).collect();
    database.fill(&large).await;
    let step = step(&arena, &[("p.mail", Put::Computed, Some(Tagger::shape()))], None).await;
    let drained = arena.drain(&step, 10).await;
    assert_eq!((drained.changed, drained.batches, drained.unfit), (6, 1, 0));
    let items = database.collection("item").await;
    let done = items.count_documents(doc! { "p.mail": { "$regex": "^p1\\.m" } }).await.unwrap();
    assert_eq!(done, 6);
}
