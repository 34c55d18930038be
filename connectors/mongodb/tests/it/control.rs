//! The control collections where a write is cut off in the middle, and what they hold.

use forgetd_connector::{
    Append, Cause, Commit, ControlState, Head, Installed, LeafRow, Published, Receipt, RequestState, RunRow, Settled,
    StandingRow,
};
use forgetd_testkit::{Arena, RULE};
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use crate::fixture::{Database, arena};
use crate::server;

const ORIGIN: &str = "example.org/forgetd/mongodb";

async fn collection(database: &Database, name: &str) -> Collection<Document> {
    database.control().await.collection(name)
}

fn run(run: &str) -> RunRow {
    RunRow {
        run: run.into(),
        rule: RULE.into(),
        cutoff: "2026-01-01T00:00:00.123456789Z".parse().unwrap(),
        rule_digest: "aa".into(),
        catalog_digest: "bb".into(),
        started_at: "2026-01-02T00:00:00.5Z".parse().unwrap(),
        result: None,
    }
}

fn receipt(arena: &Arena, sequence: u64) -> Receipt {
    arena.receipt("-", sequence, None)
}

#[tokio::test]
async fn installing_again_changes_nothing_and_what_is_lost_is_a_new_generation() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(arena.generation.clone()));
    assert_eq!(control.install().await.unwrap(), Installed::Unchanged(arena.generation.clone()));
    collection(&database, "receipt").await.drop().await.unwrap();
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["receipt".into()]));
    let Installed::Created(generation) = control.install().await.unwrap() else { panic!("nothing was created") };
    assert_ne!(generation, arena.generation);
    let Commit::RolledBack(fault) = control.append(&receipt(&arena, 1)).await else { panic!("written") };
    assert_eq!(fault.cause(), Cause::Restored);
    // Collections by which no receipt is known may be younger than the others.
    for later in ["standing", "request"] {
        collection(&database, later).await.drop().await.unwrap();
        assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec![later.into()]));
        assert_eq!(control.install().await.unwrap(), Installed::Created(generation.clone()));
    }
    assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(generation));
    collection(&database, "control").await.update_one(doc! {}, doc! { "$set": { "version": 9 } }).await.unwrap();
    assert_eq!(control.inspect().await.unwrap(), ControlState::OtherVersion(9));
    collection(&database, "control").await.delete_many(doc! {}).await.unwrap();
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["control".into()]));
}

/// A run is open, and closed, with its receipt, whether or not its own document was written.
#[tokio::test]
async fn a_run_stands_in_its_receipt_until_it_is_written() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let (open, receipts) = (run("01RUN"), collection(&database, "receipt").await);
    assert_eq!(control.open(&open, &receipt(&arena, 1)).await, Commit::Committed);
    assert_eq!(control.unfinished().await.unwrap(), std::slice::from_ref(&open));
    let runs = collection(&database, "run").await;
    let document = runs.find_one(doc! {}).await.unwrap().unwrap();
    // As if the process had died behind the receipt.
    let owe = |document: &Document| doc! { "$set": { "debtor": "conformance", "owes": document } };
    runs.delete_many(doc! {}).await.unwrap();
    receipts.update_one(doc! { "sequence": 1 }, owe(&document)).await.unwrap();
    assert_eq!(control.unfinished().await.unwrap(), std::slice::from_ref(&open));
    assert_eq!(runs.count_documents(doc! {}).await.unwrap(), 0, "reading writes nothing");

    let closed = RunRow { result: Some("{}".into()), ..open };
    assert_eq!(control.close(&closed, &receipt(&arena, 2)).await, Commit::Committed);
    assert_eq!(runs.count_documents(doc! {}).await.unwrap(), 1, "the debt was paid with the next one");
    let finished = runs.find_one(doc! {}).await.unwrap().unwrap();
    runs.update_one(doc! {}, doc! { "$set": { "result": null } }).await.unwrap();
    receipts.update_one(doc! { "sequence": 2 }, owe(&finished)).await.unwrap();
    let cursors = collection(&database, "cursor").await;
    cursors.insert_one(doc! { "instance": "conformance", "rule": RULE, "position": "marker" }).await.unwrap();
    assert_eq!(control.unfinished().await.unwrap(), []);
    assert_eq!(control.last(RULE).await.unwrap(), Some(closed.clone()));
    control.adopt(arena.term).await.unwrap();
    assert_eq!(receipts.count_documents(doc! { "debtor": { "$exists": true } }).await.unwrap(), 0);
    assert_eq!(cursors.count_documents(doc! {}).await.unwrap(), 0, "a finished run leaves no cursor");
    assert_eq!(control.last(RULE).await.unwrap(), Some(closed));
}

/// A step of the log is taken with its head, whether or not its tiles and leaves were spread.
#[tokio::test]
async fn a_step_of_the_log_stands_in_its_head_until_it_is_spread() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let head = |size, mark: u8| Head { origin: ORIGIN.into(), size, root: [mark; 32] };
    let leaf = LeafRow { key: arena.receipt("0", 1, None).key, index: 0, hash: [5; 32] };
    let first = Append {
        expected: None,
        next: head(1, 1),
        objects: vec![("tile/0/000.p/1".into(), vec![1, 0, 255])],
        superseded: vec![],
        leaves: vec![leaf.clone()],
    };
    assert_eq!(control.publish(&first, arena.term).await, Published::Done);
    let heads = collection(&database, "log_head").await;
    let (objects, leaves) = (collection(&database, "log_object").await, collection(&database, "log_leaf").await);
    assert_eq!(heads.count_documents(doc! { "carries": { "$exists": true } }).await.unwrap(), 0);
    // As if the process had died behind the swap.
    let carries = doc! {
        "objects": [objects.find_one(doc! {}).await.unwrap().unwrap()],
        "leaves": [leaves.find_one(doc! {}).await.unwrap().unwrap()], "superseded": [],
    };
    heads.update_one(doc! {}, doc! { "$set": { "carries": carries } }).await.unwrap();
    objects.delete_many(doc! {}).await.unwrap();
    leaves.delete_many(doc! {}).await.unwrap();
    assert_eq!(control.head(ORIGIN).await.unwrap().unwrap().head, head(1, 1));
    assert_eq!(control.object(ORIGIN, "tile/0/000.p/1").await.unwrap(), Some(vec![1, 0, 255]));
    assert_eq!(control.paths(ORIGIN).await.unwrap(), ["tile/0/000.p/1"]);
    assert_eq!(control.leaves(std::slice::from_ref(&leaf.key)).await.unwrap(), std::slice::from_ref(&leaf));
    assert_eq!(control.newest_leaves().await.unwrap(), std::slice::from_ref(&leaf.key));
    assert_eq!(objects.count_documents(doc! {}).await.unwrap(), 0, "reading writes nothing");

    let twice = Append { expected: Some(head(1, 1)), next: head(2, 2), objects: vec![], ..first };
    assert_eq!(control.publish(&twice, arena.term).await, Published::Conflict, "what the head carried is a leaf");
    let key = arena.receipt("0", 2, None).key;
    let second = Append { leaves: vec![LeafRow { key, index: 1, hash: [6; 32] }], ..twice };
    assert_eq!(control.publish(&second, arena.term).await, Published::Done);
    assert_eq!(leaves.count_documents(doc! {}).await.unwrap(), 2);
    assert_eq!(objects.count_documents(doc! {}).await.unwrap(), 1);
}

/// A holder that was frozen behind its look at the fence meets the term in what it would write.
#[tokio::test]
async fn a_takeover_tells_its_term_to_every_document() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let row = forgetd_connector::RulebookRow { rule: RULE.into(), ..Default::default() };
    assert_eq!(control.keep_rule(&row, arena.term).await, Commit::Committed);
    let standing = StandingRow { rule: RULE.into(), body: "{}".into() };
    assert_eq!(control.keep_standing(&standing, arena.term).await, Commit::Committed);
    control.post("01ASKED", "{}").await.unwrap();
    let head = Head { origin: ORIGIN.into(), size: 1, root: [1; 32] };
    let begin = Append { expected: None, next: head.clone(), objects: vec![], superseded: vec![], leaves: vec![] };
    assert_eq!(control.publish(&begin, arena.term).await, Published::Done);
    let successor = arena.term + 1;
    control.raise_fence(successor).await.unwrap();
    // What the look at the fence would have said before.
    let fence = collection(&database, "fence").await;
    let old = i64::try_from(arena.term).unwrap();
    fence.update_one(doc! {}, doc! { "$set": { "term": old } }).await.unwrap();
    assert_eq!(control.keep_rule(&row, arena.term).await, Commit::Fenced);
    assert_eq!(control.keep_standing(&standing, arena.term).await, Commit::Fenced);
    assert_eq!(control.drop_standing(RULE, arena.term).await, Commit::Fenced);
    assert_eq!(control.answer("01ASKED", RequestState::Taken, "", arena.term).await, Commit::Fenced);
    let on = Append { expected: Some(head.clone()), next: Head { size: 2, ..head }, ..begin };
    assert_eq!(control.publish(&on, arena.term).await, Published::Fenced);
}

#[tokio::test]
async fn a_receipt_is_settled_by_a_look() {
    let Some(_) = server::url() else { return };
    let (arena, _database) = arena().await;
    let control = arena.connector.control();
    let first = receipt(&arena, 1);
    assert_eq!(control.settle(&first.key).await, Settled::Absent);
    assert_eq!(control.append(&first).await, Commit::Committed);
    assert_eq!(control.settle(&first.key).await, Settled::Present);
}

/// The newest finished run alone is read, however many there are; a receipt that still owes one is heeded.
#[tokio::test]
async fn the_last_run_is_found_without_the_others() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = arena.connector.control();
    let runs = collection(&database, "run").await;
    for (n, name) in (1..).zip(["01A", "01B"]) {
        let row = RunRow { result: Some("{}".into()), ..run(name) };
        assert_eq!(
            control.open(&RunRow { result: None, ..row.clone() }, &receipt(&arena, 2 * n - 1)).await,
            Commit::Committed
        );
        assert_eq!(control.close(&row, &receipt(&arena, 2 * n)).await, Commit::Committed);
    }
    assert_eq!(control.last(RULE).await.unwrap().unwrap().run, "01B", "the later of one moment");
    // Who reads the first one stumbles.
    runs.update_one(doc! { "run": "01A" }, doc! { "$unset": { "cutoff": "" } }).await.unwrap();
    assert_eq!(control.last(RULE).await.unwrap().unwrap().run, "01B");
    assert_eq!(control.last("other").await.unwrap(), None);
}
