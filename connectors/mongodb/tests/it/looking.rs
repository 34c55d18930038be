//! What is said of a collection before anything happens to it.

use forgetd_connector::{KeptWhy, RowCap, SinceForm, TableKind, TableRef};
use mongodb::IndexModel;
use mongodb::bson::doc;
use mongodb::options::IndexOptions;
use serde_json::json;

use crate::fixture::{arena, due_by};
use crate::server;

#[tokio::test]
async fn a_collection_declares_nothing_but_its_key_and_its_indexes() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "a": { "b": 1 } })]).await;
    let collection = database.collection("item").await;
    for keys in [doc! { "a.b": 1 }, doc! { "a.b": -1, "c": 1 }, doc! { "t": "hashed" }] {
        let index = IndexModel::builder().keys(keys).build();
        // Not every server has every kind.
        drop(collection.create_index(index).await);
    }
    let names = [TableRef::parse("item"), TableRef::parse("nothing")];
    let catalog = arena.connector.describe(&names).await.unwrap();
    let [table] = catalog.tables.as_slice() else { panic!("{catalog:?}") };
    assert_eq!((table.kind, table.key.as_slice()), (TableKind::Collection, ["_id".to_owned()].as_slice()));
    assert!(table.leads_index("a.b") && table.leads_index("_id") && !table.leads_index("c") && !table.leads_index("t"));
    assert_eq!(table.rows_estimate, Some(1));
    assert_eq!(table.name.schema.as_deref(), Some(database.name.0.as_str()));
}

#[tokio::test]
async fn documents_that_would_live_for_ever_are_told_by_their_types() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let old = json!({ "$date": "2024-01-01T00:00:00Z" });
    let far = json!({ "$date": "2999-01-01T00:00:00Z" });
    database
        .fill(&[
            json!({ "_id": 1, "at": old }),
            json!({ "_id": 2, "at": "2024-01-01" }),
            json!({ "_id": 3, "at": "2024-01-01" }),
            json!({ "_id": 4, "at": 5 }),
            json!({ "_id": 5 }),
            json!({ "_id": 6, "at": far }),
        ])
        .await;
    let step = arena.step(due_by("at", None, None)).await;
    let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
    let rows = |why: KeptWhy| profile.kept.iter().find(|kept| kept.why == why).and_then(|kept| kept.rows.rows());
    assert_eq!(rows(KeptWhy::Mistyped("string".into())), Some(2), "{profile:?}");
    assert_eq!(rows(KeptWhy::Mistyped("int".into())), Some(1));
    assert_eq!((rows(KeptWhy::Null), rows(KeptWhy::Future)), (Some(1), Some(1)));
    let findings = arena.connector.preflight(&step).await.unwrap();
    let said = |id: &str| findings.iter().find(|finding| finding.id == id).map(|finding| finding.message.as_str());
    let mistyped = said("since_unreadable").unwrap();
    assert!(mistyped.contains("1 int, 2 string") && !mistyped.contains("2024-01-01"), "{mistyped}");
    assert!(said("since_missing").unwrap().contains("1 have nothing"), "{findings:?}");
}

#[tokio::test]
async fn what_else_deletes_or_cannot_be_asked_is_said() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "at": { "$date": "2024-01-01T00:00:00Z" } })]).await;
    let ttl = IndexOptions::builder().expire_after(std::time::Duration::from_secs(864_000_000)).build();
    let index = IndexModel::builder().keys(doc! { "at": 1 }).options(ttl).build();
    database.collection("item").await.create_index(index).await.unwrap();
    let ids = async |selection| {
        let step = arena.step(selection).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        findings.into_iter().map(|finding| finding.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(due_by("at", None, None)).await, ["other_retention"]);
    for native in [r#"{"$where": "true"}"#, r#"{"at": {"$nothing": 1}}"#, "x"] {
        let mut selection = due_by("_id", Some(SinceForm::ObjectId), None);
        selection.terms.native = Some(native.into());
        assert_eq!(ids(selection).await.last().map(String::as_str), Some("where_native"), "{native}");
    }
}
