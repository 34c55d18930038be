//! Periods that count from another collection.

use forgetd_connector::{
    Cause, Count, Cutoff, Except, FaultClass, Joined, Latest, RowCap, Selection, Since, SinceColumn, TableRef, Terms,
    WhenNull,
};
use mongodb::bson::doc;
use serde_json::{Value as Json, json};

use crate::fixture::{arena, document, due_by};
use crate::server;

const OLD: &str = "2024-03-10T00:00:00Z";
const NEW: &str = "2024-03-12T00:00:00Z";

fn date(at: &str) -> Json {
    json!({ "$date": at })
}

fn moment(column: &str) -> SinceColumn {
    SinceColumn { column: column.into(), zone: None, form: None }
}

/// The latest `at` in a collection, else the document's own `made`.
fn latest(table: &str, on: &[(&str, &str)]) -> Since {
    let on = on.iter().map(|(other, own)| Joined { other: (*other).into(), own: (*own).into() }).collect();
    Since::Latest(Box::new(Latest { table: TableRef::parse(table), at: moment("at"), on, or: Some(moment("made")) }))
}

fn due(since: Since) -> Selection {
    let mut selection = due_by("made", None, None);
    selection.terms.since = since;
    selection
}

/// All of `item`, but for what another rule keeps by this activity.
fn shielded(since: Since) -> Selection {
    let mut selection = due_by("made", None, None);
    let kept = Terms { since, when_null: WhenNull::Delete, ..selection.terms.clone() };
    selection.terms.cutoff = Cutoff("2999-01-01T00:00:00Z".parse().unwrap());
    selection.except.push(Except::Kept { rule: "keeper".into(), terms: kept });
    selection
}

#[tokio::test]
async fn activity_is_found_through_arrays_on_either_side() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let items = [
        ("scalar", json!({ "k": 1 })),
        ("of several", json!({ "k": [8, 1] })),
        ("inside", json!({ "k": 7, "l": [{ "k": 9 }, { "k": 1 }] })),
        ("in both", json!({ "k": [7, null], "l": [{ "k": [9, 1] }] })),
        ("null", json!({ "k": null, "l": [{ "k": null }] })),
        ("empty", json!({ "k": [], "l": [] })),
        ("missing", json!({})),
    ];
    let items: Vec<Json> = items
        .into_iter()
        .map(|(id, mut item)| {
            (item["_id"], item["made"]) = (json!(id), date(OLD));
            item
        })
        .collect();
    database.fill(&items).await;
    let all = ["empty", "in both", "inside", "missing", "null", "of several", "scalar"];
    let but = |kept: &[&str]| all.iter().filter(|id| !kept.contains(id)).copied().collect::<Vec<_>>();
    let (by_k, by_l) = (["of several", "scalar"], ["in both", "inside"]);
    let visits = database.collection("visit").await;
    for indexed in [false, true] {
        for (theirs, other) in [
            (json!({ "c": 1 }), "c"),
            (json!({ "c": [5, 1] }), "c"),
            (json!({ "c": [null, 1] }), "c"),
            (json!({ "lines": [{ "c": 5 }, { "c": 1 }] }), "lines.c"),
            (json!({ "lines": [{ "c": [5, 1] }, {}] }), "lines.c"),
        ] {
            visits.drop().await.unwrap();
            if indexed {
                let index = mongodb::IndexModel::builder().keys(doc! { other: 1 }).build();
                visits.create_index(index).await.unwrap();
            }
            let nobody = json!({ "at": date(NEW), "c": null, "lines": [{ "c": null }] });
            for (mut visit, at) in [(theirs.clone(), NEW), (theirs.clone(), OLD), (nobody, NEW)] {
                visit["at"] = date(at);
                visits.insert_one(document(visit.as_object().unwrap().clone())).await.unwrap();
            }
            for (own, kept) in [("k", by_k), ("l.k", by_l)] {
                for selection in [due(latest("visit", &[(other, own)])), shielded(latest("visit", &[(other, own)]))] {
                    let step = arena.step(selection).await;
                    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
                    let expected = but(&kept);
                    assert_eq!(measure.due, Count::Exact(expected.len() as u64), "{theirs} {other} {own} {indexed}");
                    for id in all {
                        let key = forgetd_connector::Key(vec![forgetd_connector::Value::Text(id.into())]);
                        let judged = arena.connector.judge(&step, &key).await.unwrap().unwrap();
                        assert_eq!(judged.due, expected.contains(&id), "{theirs} {other} {own} {indexed}: {id}");
                    }
                }
            }
        }
    }
    let step = arena.step(due(latest("visit", &[("lines.c", "l.k")]))).await;
    assert_eq!(arena.drain(&step, 2).await.changed, 5);
    let left: Vec<Json> = database.left().await.into_iter().map(|item| item["_id"].clone()).collect();
    assert_eq!(left, by_l);
}

/// Where several fields join, elements that meet one each may belong to somebody else: that keeps, and never lets go.
#[tokio::test]
async fn activity_that_may_be_anothers_only_keeps() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database
        .fill(&[
            json!({ "_id": 1, "made": date(NEW), "k": 1, "m": 2 }),
            json!({ "_id": 2, "made": date(OLD), "k": 1, "m": 2 }),
            json!({ "_id": 3, "made": date(OLD), "k": 3, "m": 4 }),
            json!({ "_id": 4, "made": date(NEW), "k": 5, "m": 6 }),
        ])
        .await;
    let visits = [
        json!({ "at": date(OLD), "lines": [{ "a": 1, "b": 9 }, { "a": 9, "b": 2 }] }),
        json!({ "at": date(NEW), "lines": [{ "a": 3, "b": 9 }, { "a": 9, "b": 4 }] }),
        json!({ "at": date(OLD), "lines": { "a": 5, "b": 6 } }),
    ];
    let visits: Vec<_> = visits.iter().map(|visit| document(visit.as_object().unwrap().clone())).collect();
    database.collection("visit").await.insert_many(visits).await.unwrap();
    let step = arena.step(due(latest("visit", &[("lines.a", "k"), ("lines.b", "m")]))).await;
    assert_eq!(arena.drain(&step, 10).await.changed, 2);
    let left: Vec<Json> = database.left().await.into_iter().map(|item| item["_id"].clone()).collect();
    assert_eq!(left, [json!(1), json!(3)]);
}

#[tokio::test]
async fn activity_in_another_database_is_refused_by_name() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "made": date(OLD), "k": 1 })]).await;
    // What lies in this database under the same name says nothing.
    database.collection("visit").await.insert_one(doc! { "c": 5 }).await.unwrap();
    let elsewhere = format!("{}_forgetd.visit", database.name.0);
    let visit = document(json!({ "at": date(NEW), "c": 1 }).as_object().unwrap().clone());
    database.control().await.collection("visit").insert_one(visit).await.unwrap();
    for (selection, whose) in [
        (due(latest(&elsewhere, &[("c", "k")])), "the activity lies"),
        (shielded(latest(&elsewhere, &[("c", "k")])), "of the rule keeper lies"),
    ] {
        let step = arena.step(selection).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let found = findings.iter().find(|finding| finding.id == "unsupported").unwrap();
        assert_eq!(found.blocking_cause(), Some(Cause::Unsupported));
        assert!(found.message.contains(whose) && found.message.contains(&elsewhere), "{found:?}");
        let faults = [
            arena.connector.measure(&step, RowCap(None)).await.unwrap_err(),
            arena.connector.statements(&step).unwrap_err(),
            arena
                .connector
                .lane(&step, &arena.claim(), std::sync::Arc::new(forgetd_connector::Untouched))
                .await
                .err()
                .unwrap(),
        ];
        for fault in faults {
            assert_eq!(fault.class, FaultClass::Blocked(Cause::Unsupported));
        }
    }
    // By its full name it is the same collection as without.
    let here = format!("{}.visit", database.name.0);
    let step = arena.step(due(latest(&here, &[("c", "k")]))).await;
    assert_eq!(arena.drain(&step, 2).await.changed, 1);
}

#[tokio::test]
async fn what_decides_elsewhere_is_said_with_the_rule_that_it_keeps_for() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "made": date(OLD), "k": 1 })]).await;
    let visits = [json!({ "at": date(OLD), "c": 1 }), json!({ "at": "x", "c": 2 }), json!({ "at": 5, "c": 3 })];
    let visits: Vec<_> = visits.iter().map(|visit| document(visit.as_object().unwrap().clone())).collect();
    database.collection("visit").await.insert_many(visits).await.unwrap();
    let since = || latest("visit", &[("c", "k")]);
    for (selection, rule) in [(due(since()), None), (shielded(since()), Some("by which the rule keeper keeps"))] {
        let step = arena.step(selection).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let said = |id: &str| findings.iter().find(|finding| finding.id == id).unwrap();
        let unguarded = said("latest_unguarded");
        assert!(unguarded.message.contains(rule.unwrap_or("into visit while")), "{unguarded:?}");
        let unreadable = said("since_unreadable");
        assert!(unreadable.place.ends_with("visit.at"), "{unreadable:?}");
        assert!(unreadable.message.contains("1 int, 1 string") && unreadable.message.contains("belong to is kept"));
    }
    // Where nothing lies elsewhere, nothing is said.
    let step = arena.step(due_by("made", None, None)).await;
    assert_eq!(arena.connector.preflight(&step).await.unwrap(), []);
}
