//! What is said of a collection before anything happens to it.

use forgetd_connector::{
    Action, Cause, KeptWhy, Path, Place, Put, Rewrite, RowCap, Shape, Since, SinceColumn, SinceForm, Step, TableKind,
    TableRef, Undone, Value, WhenNull,
};
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
    let there = || Some(doc! { "p": { "$exists": true } });
    for (keys, sparse, partial) in [
        (doc! { "a.b": 1 }, false, None),
        (doc! { "a.b": -1, "c": 1 }, false, None),
        (doc! { "d": -1 }, false, None),
        (doc! { "t": "hashed" }, false, None),
        (doc! { "s": 1 }, true, None),
        (doc! { "p": 1 }, false, there()),
    ] {
        let options = IndexOptions::builder().sparse(sparse).partial_filter_expression(partial).build();
        let index = IndexModel::builder().keys(keys).options(options).build();
        collection.create_index(index).await.unwrap();
    }
    let names = [TableRef::parse("item"), TableRef::parse("nothing")];
    let catalog = arena.connector.describe(&names).await.unwrap();
    let [table] = catalog.tables.as_slice() else { panic!("{catalog:?}") };
    assert_eq!((table.kind, table.key.as_slice()), (TableKind::Collection, ["_id".to_owned()].as_slice()));
    for (field, leads) in
        [("_id", true), ("a.b", true), ("d", true), ("c", false), ("t", false), ("s", false), ("p", false)]
    {
        assert_eq!(table.leads_index(field), leads, "{field}");
    }
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

#[tokio::test]
async fn what_holds_no_time_is_said_of_every_field_that_counts_and_of_arrays() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let old = || json!({ "$date": "2024-01-01T00:00:00Z" });
    database
        .fill(&[
            json!({ "_id": 1, "a": old(), "b": old(), "l": [{ "at": old() }], "word": "2024-01-01" }),
            json!({ "_id": 2, "a": "x", "b": 7, "l": [{ "at": old() }, { "at": "x" }], "word": "x" }),
            json!({ "_id": 3, "a": [old(), "x"], "b": [old()], "l": [] }),
            json!({ "_id": 4 }),
        ])
        .await;
    let column = |column: &str| SinceColumn { column: column.into(), zone: None, form: None };
    let mut greatest = due_by("a", None, None);
    greatest.terms.since = Since::Greatest(vec![column("a"), column("b")]);
    let mut using = due_by("a", None, None);
    using.terms.when_null = WhenNull::Use("b".into());
    let form = due_by("word", Some(SinceForm::Date), Some("UTC"));
    let (a, b) = ("of 4 documents looked at, 1 array, 1 string", "of 4 documents looked at, 1 int");
    for (case, selection, unreadable, missing) in [
        ("column", due_by("a", None, None), &[("a", a)][..], "1 have nothing at a"),
        ("greatest", greatest, &[("a", a), ("b", b)][..], "1 have nothing at a and b"),
        ("use", using, &[("a", a), ("b", b)][..], "1 have nothing at a and b"),
        ("array", due_by("l.at", None, None), &[("l.at", "2 array")][..], "1 have nothing at l.at"),
        ("text", form, &[("word", "1 string")][..], "2 have nothing at word"),
    ] {
        let step = arena.step(selection).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let said = |id: &str| findings.iter().filter(|found| found.id == id).collect::<Vec<_>>();
        assert_eq!(said("since_unreadable").len(), unreadable.len(), "{case}: {findings:?}");
        for (found, (column, words)) in said("since_unreadable").iter().zip(unreadable) {
            assert!(found.place.ends_with(&format!("item.{column}")), "{case}: {found:?}");
            assert!(found.message.contains(words) && found.message.contains("they are kept"), "{case}: {found:?}");
        }
        let [found] = said("since_missing")[..] else { panic!("{case}: {findings:?}") };
        assert!(found.message.contains(missing), "{case}: {found:?}");
    }
}

#[tokio::test]
async fn a_constant_where_values_must_be_unique_is_refused() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "at": { "$date": "2024-01-01T00:00:00Z" } })]).await;
    let there = || Some(doc! { "partial": { "$exists": true } });
    for (keys, unique, partial) in [
        (doc! { "unique": 1 }, true, None),
        (doc! { "items.mail": 1 }, true, None),
        (doc! { "plain": 1 }, false, None),
        (doc! { "first": 1, "second": 1 }, true, None),
        (doc! { "partial": 1 }, true, there()),
    ] {
        let options = IndexOptions::builder().unique(unique).partial_filter_expression(partial).build();
        let index = IndexModel::builder().keys(keys).options(options).build();
        database.collection("item").await.create_index(index).await.unwrap();
    }
    let gone = || Value::Text("gone".into());
    let constant = || (Put::Constant(gone()), Shape::Constant(gone()));
    let null = || (Put::Constant(Value::Null), Shape::Nothing);
    for (path, (put, shape), refused) in [
        ("unique", constant(), Some("the constant is the same")),
        ("unique", null(), Some("null is the same")),
        ("unique", (Put::Computed, Shape::Like(vec!["p1.%".into()])), None),
        // Inside a document a constant is computed.
        ("items[].mail", (Put::Computed, Shape::Constant(gone())), Some("the constant is the same")),
        ("items[].mail", (Put::Computed, Shape::Nothing), Some("null is the same")),
        ("plain", constant(), None),
        ("first", constant(), None),
        ("partial", constant(), None),
    ] {
        let path = Path::parse(path).unwrap();
        let mut selection = due_by("at", None, None);
        selection.undone.push(Undone::Other { path: path.clone(), shape });
        let places = vec![Place { path: path.clone(), put, samples: vec![] }];
        let rewrite = Rewrite { marker: None, version: None, places, follows: vec![] };
        let step = Step { action: Action::Transform(rewrite), ..arena.step(selection).await };
        let findings = arena.connector.preflight(&step).await.unwrap();
        let found = findings.iter().find(|found| found.blocking_cause() == Some(Cause::NotUnique));
        assert_eq!(found.is_some(), refused.is_some(), "{path}: {findings:?}");
        assert!(found.is_none_or(|found| found.message.contains(refused.unwrap())), "{path}: {findings:?}");
    }
}

#[tokio::test]
async fn deletes_name_the_index_of_keys_by_what_it_holds() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    database.fill(&[json!({ "_id": 1, "at": { "$date": "2024-01-01T00:00:00Z" } })]).await;
    let step = arena.step(due_by("at", None, None)).await;
    let change = arena.connector.statements(&step).unwrap().change;
    assert!(change.contains(r#""hint":{"_id":1}"#), "{change}");
    assert_eq!(arena.drain(&step, 10).await.changed, 1);
}
