//! Sealed receipts: the conformance suite's area without a lane.

use forgetd_connector::{Cause, Commit, Cursor, Endless, Key, Receipt, SealEnd, Value};
use forgetd_testkit::{Looks, RULE};
use mongodb::bson::{Document, doc};

use crate::fixture::arena;
use crate::server;

fn keys() -> Vec<Key> {
    let typed = Value::Typed { kind: "objectId".into(), text: "665f1f77bcf86cd799439011".into() };
    vec![Key(vec![Value::Int(1)]), Key(vec![Value::Text("marker".into())]), Key(vec![typed])]
}

fn at(position: &str) -> Option<Cursor> {
    Some(Cursor::from_text(position))
}

/// Only a done receipt is pending, with the body it was done with; no key is left, and the cursor has moved.
#[tokio::test]
async fn seal_and_unseal() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let sealed = arena.receipt("0", 1, at("p1"));
    assert_eq!(control.seal(&sealed, &keys(), &Endless).await, Commit::Committed);
    assert_eq!(control.pending_count().await.unwrap(), 0, "a sealed receipt is not relayed");
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), None, "the position counts once it is done");
    let done = Receipt { body: b"{\"done\":1}".to_vec(), mac: [7; 32], ..sealed.clone() };
    for _ in 0..2 {
        assert_eq!(control.unseal(&done).await, SealEnd::Done);
    }
    assert_eq!(control.unseal(&sealed).await, SealEnd::Adopted, "other bytes are another's");
    let pending = control.pending(10).await.unwrap();
    assert_eq!((pending.len(), &pending[0].body, pending[0].mac), (1, &done.body, done.mac));
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), at("p1"));
    assert_eq!(control.adopt(arena.term + 1).await.unwrap(), [], "nothing is open");
    let receipts = database.control().await.collection::<Document>("receipt");
    let stored = receipts.find_one(doc! {}).await.unwrap().unwrap();
    assert!(!stored.to_string().contains("marker") && !stored.contains_key("keys"), "{stored}");

    let gone = arena.receipt("0", 2, None);
    assert_eq!(control.seal(&gone, &keys(), &Endless).await, Commit::Committed);
    assert_eq!(control.unseal(&gone).await, SealEnd::Done);
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), None, "the lane is at its end");
}

/// A successor takes the open seal with its keys; the old holder finds it adopted, the successor ends it once.
#[tokio::test]
async fn an_adopted_seal_is_lost_to_its_holder() {
    let Some(_) = server::url() else { return };
    let (arena, _database) = arena().await;
    let control = arena.connector.control();
    let sealed = arena.receipt("0", 1, at("p1"));
    assert_eq!(control.seal(&sealed, &keys(), &Endless).await, Commit::Committed);
    let successor = arena.database.connect("conformance").await;
    let term = arena.term + 1;
    successor.control().raise_fence(term).await.unwrap();
    let open = successor.control().adopt(term).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0].receipt, &open[0].keys), (&Receipt { term, ..sealed.clone() }, &keys()));
    assert_eq!(control.unseal(&sealed).await, SealEnd::Adopted);
    let done = Receipt { term, body: b"{\"adopted\":1}".to_vec(), ..sealed.clone() };
    assert_eq!(successor.control().unseal(&done).await, SealEnd::Done);
    assert_eq!(control.unseal(&sealed).await, SealEnd::Adopted, "a done receipt is nobody's");
    assert_eq!(successor.control().next_sequence(RULE, "0").await.unwrap(), 2);
}

/// However keys are kept, whoever adopts them gets those that were announced.
#[tokio::test]
async fn announced_keys_come_back_as_they_were() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let id = |n: u32| Value::Typed { kind: "bson".into(), text: format!(r#"{{"$oid":"665f1f77bcf86cd7{n:08x}"}}"#) };
    let ids = |n: u32| (0..n).map(|n| Key(vec![id(n)])).collect::<Vec<_>>();
    let numbers = vec![Key(vec![Value::Int(1)]), Key(vec![Value::Text("marker".into())])];
    let lists = [keys(), numbers.clone(), [numbers, ids(1)].concat(), ids(1), ids(5_000)];
    for (sequence, keys) in (1..).zip(&lists) {
        assert_eq!(control.seal(&arena.receipt("0", sequence, None), keys, &Endless).await, Commit::Committed);
    }
    let open = control.adopt(arena.term).await.unwrap();
    assert_eq!(open.len(), lists.len());
    for (open, keys) in open.iter().zip(&lists) {
        assert!(open.keys == *keys, "{} keys came back of {}", open.keys.len(), keys.len());
        assert_eq!(control.unseal(&open.receipt).await, SealEnd::Done);
    }
    let receipts = database.control().await.collection::<Document>("receipt");
    assert_eq!(receipts.count_documents(doc! { "keys": { "$exists": true } }).await.unwrap(), 0);
}

/// Under an old term nothing is sealed, and of two with one sequence the second stops.
#[tokio::test]
async fn a_seal_has_one_writer() {
    let Some(_) = server::url() else { return };
    let (arena, _database) = arena().await;
    let control = arena.connector.control();
    let first = arena.receipt("0", 1, None);
    assert_eq!(control.seal(&first, &keys(), &Endless).await, Commit::Committed);
    assert_eq!(
        control.seal(&Receipt { body: b"{}".to_vec(), ..first.clone() }, &keys(), &Endless).await,
        Commit::Fenced
    );
    let takeover = Receipt { body: b"{\"type\":\"takeover\"}".to_vec(), ..first };
    assert_eq!(control.append(&takeover).await, Commit::Fenced, "a takeover meets the open seal");
    assert_eq!(control.adopt(arena.term).await.unwrap().len(), 1);
    assert_eq!(control.seal(&arena.receipt("0", 2, None), &keys(), &Looks::new(1)).await, Commit::Committed);
    let late = control.seal(&arena.receipt("0", 3, None), &keys(), &Looks::new(0)).await;
    assert!(matches!(&late, Commit::RolledBack(fault) if fault.cause() == Cause::Fenced), "{late:?}");
    assert_eq!(
        control.next_sequence(RULE, "0").await.unwrap(),
        3,
        "the lease was over when the fence had been looked at"
    );
    control.raise_fence(arena.term + 1).await.unwrap();
    assert_eq!(control.seal(&arena.receipt("0", 3, None), &keys(), &Endless).await, Commit::Fenced);
    assert_eq!(control.next_sequence(RULE, "0").await.unwrap(), 3);
}
