//! Settling: a commit whose answer was lost is looked up, never guessed.

use forgetd_connector::{Commit, Receipt, Settled};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture};

/// Another connection finds the receipt of a committed batch.
pub async fn a_committed_batch_is_present(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(4)).await.unwrap();
    let receipt = arena.receipt("0", 1, None);
    assert_eq!(lane.commit(&receipt).await, Commit::Committed);
    let second = arena.database.connect("conformance").await;
    assert_eq!(second.control().settle(&receipt.key).await, Settled::Present);
    assert_eq!(second.control().settle(&arena.receipt("0", 2, None).key).await, Settled::Absent);
}

/// A batch that was never committed is gone with its transaction, also when that is still open.
pub async fn an_abandoned_batch_is_absent(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(4)).await.unwrap().changed, 4);
    drop(lane);
    let key = arena.receipt("0", 1, None).key;
    let second = arena.database.connect("conformance").await;
    assert_eq!(second.control().settle(&key).await, Settled::Absent);
    assert_eq!(arena.count("item").await, 10);
    assert_eq!(arena.connector.control().next_sequence(&key.rule, "0").await.unwrap(), 1);
}

/// A holder whose receipt got lost while the next one took its sequence must not take that one's for its own.
pub async fn anothers_receipt_in_our_place_is_not_ours(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let ours = arena.receipt("0", 1, None);
    assert_eq!(control.settle_ours(&ours).await, Settled::Absent);
    assert_eq!(control.append(&ours).await, Commit::Committed);
    assert_eq!(control.settle_ours(&ours).await, Settled::Present);
    for other in [Receipt { term: ours.term + 1, ..ours.clone() }, Receipt { mac: [9; 32], ..ours.clone() }] {
        assert_eq!(control.settle_ours(&other).await, Settled::Foreign);
    }
}
