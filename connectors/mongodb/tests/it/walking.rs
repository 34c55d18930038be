//! Walks of a collection whose keys are of every type.

use std::sync::Arc;

use forgetd_connector::{Compare, Lane, LockWait, Next, Order, SealedLane, Step, Untouched, Value};
use forgetd_testkit::Arena;
use serde_json::{Value as Json, json};

use crate::fixture::{arena, due_by};
use crate::server;

/// Keys of every type, and some that many comparisons do not reach.
fn keys() -> Vec<Json> {
    vec![
        json!(null),
        json!({ "$numberDouble": "NaN" }),
        json!({ "$numberDouble": "-Infinity" }),
        json!(1),
        json!({ "$numberLong": "9007199254740993" }),
        json!(2.5),
        json!({ "$numberDecimal": "3.10" }),
        json!("a"),
        json!("\u{1f600}"),
        json!({ "tenant": 1, "n": "x" }),
        json!({ "$binary": { "base64": "AAE=", "subType": "00" } }),
        json!({ "$binary": { "base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04" } }),
        json!({ "$oid": "65ee487f0000000000000000" }),
        json!(true),
        json!({ "$date": "2020-01-01T00:00:00Z" }),
        json!({ "$timestamp": { "t": 1000, "i": 1 } }),
    ]
}

fn order(from: Option<forgetd_connector::Cursor>, rows_max: u32) -> Order {
    Order { from, rows_max, locks: LockWait::Wait, compare: Compare::Announced, want_keys: false }
}

async fn lane(arena: &Arena, step: &Step) -> Box<dyn SealedLane> {
    match arena.connector.lane(step, &arena.claim(), Arc::new(Untouched)).await.unwrap() {
        Lane::Sealed(lane) => lane,
        Lane::Atomic(_) => panic!("no sealed lane"),
    }
}

#[tokio::test]
async fn every_key_is_met_once_by_one_cursor_and_by_many() {
    let Some(_) = server::url() else { return };
    for reopened in [false, true] {
        let (arena, database) = arena().await;
        let documents: Vec<Json> =
            keys().into_iter().map(|key| json!({ "_id": key, "at": { "$date": "2024-01-01T00:00:00Z" } })).collect();
        database.fill(&documents).await;
        let step = arena.step(due_by("at", None, None)).await;
        let mut walked = lane(&arena, &step).await;
        let (mut from, mut met) = (None, vec![]);
        loop {
            let picked = walked.pick(&order(from.clone(), 3)).await.unwrap();
            assert!(picked.keys.len() <= 3);
            met.extend(picked.keys);
            match picked.next {
                Next::End => break,
                Next::At(cursor) => from = Some(cursor),
            }
            if reopened {
                walked = lane(&arena, &step).await;
            }
        }
        assert_eq!(met.len(), keys().len(), "{met:?}");
        let outcome = walked.finish(&met).await.unwrap();
        assert_eq!((outcome.changed, outcome.gone, outcome.kept), (16, 16, 0), "{met:?}");
        assert_eq!(database.left().await, Vec::<Json>::new());
        // Again, as after a crash: everything is gone, and not by this call.
        let outcome = walked.finish(&met).await.unwrap();
        assert_eq!((outcome.changed, outcome.gone, outcome.kept), (0, 16, 0));
    }
}

/// Pages look at a thousand documents here, and one cursor takes over where few of them are due.
#[tokio::test]
async fn every_due_key_is_met_once_and_in_order_however_many_lie_between() {
    let Some(_) = server::url() else { return };
    type IsDue = fn(i64) -> bool;
    let layouts: [(&str, IsDue); 4] = [
        ("all", |_| true),
        ("every other", |n| n % 2 == 0),
        ("first all, then few", |n| n <= 1_100 || n % 90 == 0),
        ("few", |n| n % 400 == 7),
    ];
    for (layout, is_due) in layouts {
        let (arena, database) = arena().await;
        let at = |due| json!({ "$date": if due { "2024-01-01T00:00:00Z" } else { "2999-01-01T00:00:00Z" } });
        let mut documents: Vec<Json> = (1..=2_600).map(|n| json!({ "_id": n, "at": at(is_due(n)) })).collect();
        // Types that come behind numbers, some of them due.
        documents.extend([("a", true), ("b", false), ("c", true)].map(|(id, due)| json!({ "_id": id, "at": at(due) })));
        documents.push(json!({ "_id": true, "at": at(true) }));
        database.fill(&documents).await;
        let step = arena.step(due_by("at", None, None)).await;
        let mut walked = lane(&arena, &step).await;
        let (mut from, mut met) = (None, vec![]);
        for batch in 0.. {
            let picked = walked.pick(&order(from.clone(), 250)).await.unwrap();
            assert!(picked.keys.len() <= 250);
            met.extend(picked.keys.into_iter().map(|key| key.0[0].clone()));
            match picked.next {
                Next::End => break,
                Next::At(cursor) => from = Some(cursor),
            }
            if batch % 2 == 1 {
                walked = lane(&arena, &step).await;
            }
        }
        let mut due: Vec<Value> = (1..=2_600).filter(|n| is_due(*n)).map(Value::Int).collect();
        due.extend([Value::Text("a".into()), Value::Text("c".into()), Value::Bool(true)]);
        assert!(met == due, "{layout}: {} keys were met of {}", met.len(), due.len());
    }
}

/// The next page is read while a batch of this one's is deleted; what is deleted meanwhile, and what comes, moves nothing.
#[tokio::test]
async fn pages_that_are_read_ahead_meet_every_key_once() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let old = json!({ "$date": "2024-01-01T00:00:00Z" });
    let documents: Vec<Json> = (1..=5_300).map(|n| json!({ "_id": n * 10, "at": old })).collect();
    database.fill(&documents).await;
    let items = database.collection("item").await;
    let step = arena.step(due_by("at", None, None)).await;
    let mut walked = lane(&arena, &step).await;
    let (mut from, mut met) = (None, vec![]);
    loop {
        let picked = walked.pick(&order(from.clone(), 300)).await.unwrap();
        let keys = picked.keys.len() as u64;
        // One that was picked already, and comes back behind the walk.
        if let Some([Value::Int(first)]) = picked.keys.first().map(|key| key.0.as_slice()) {
            items.delete_one(mongodb::bson::doc! { "_id": first + 10 }).await.unwrap();
            let moment = mongodb::bson::DateTime::from_millis(1_704_067_200_000);
            items.insert_one(mongodb::bson::doc! { "_id": first - 5, "at": moment }).await.unwrap();
        }
        let outcome = walked.finish(&picked.keys).await.unwrap();
        assert_eq!((outcome.gone, outcome.kept), (keys, 0));
        met.extend(picked.keys.into_iter().map(|key| key.0[0].clone()));
        match picked.next {
            Next::End => break,
            Next::At(cursor) => from = Some(cursor),
        }
    }
    assert!(met == (1..=5_300).map(|n| Value::Int(n * 10)).collect::<Vec<_>>(), "{} keys were met", met.len());
}

#[tokio::test]
async fn what_the_application_took_back_stays_and_is_not_gone() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let old = json!({ "$date": "2024-01-01T00:00:00Z" });
    let documents: Vec<Json> = (1..=5).map(|id| json!({ "_id": id, "at": old })).collect();
    database.fill(&documents).await;
    let step = arena.step(due_by("at", None, None)).await;
    let mut walked = lane(&arena, &step).await;
    let picked = walked.pick(&order(None, 10)).await.unwrap();
    assert_eq!(picked.next, Next::End);
    assert_eq!(picked.keys[0].0, [Value::Int(1)]);
    let collection = database.collection("item").await;
    let now = mongodb::bson::DateTime::now();
    let again = mongodb::bson::doc! { "$set": { "at": now } };
    collection.update_one(mongodb::bson::doc! { "_id": 2 }, again).await.unwrap();
    collection.delete_one(mongodb::bson::doc! { "_id": 3 }).await.unwrap();
    let looked = walked.look(&picked.keys).await.unwrap();
    assert_eq!((looked.changed, looked.gone, looked.kept), (0, 2, 3));
    let outcome = walked.finish(&picked.keys).await.unwrap();
    // Two are gone that we did not delete: an interval, and no one number.
    assert_eq!((outcome.changed, outcome.gone, outcome.kept), (3, 5, 0));
    assert_eq!(database.left().await.len(), 1);
}
