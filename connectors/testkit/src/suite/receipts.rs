//! Receipts: one per batch, gapless, never lost, never chosen by a mark.

use std::time::Duration;

use forgetd_connector::{Commit, Connector, Cursor, Pending, Receipt, ReceiptKey};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture, RULE};

async fn append(connector: &dyn Connector, receipt: &Receipt) {
    assert_eq!(connector.control().append(receipt).await, Commit::Committed, "{}", receipt.key);
}

async fn pending(connector: &dyn Connector, limit: u32) -> Vec<(String, u64)> {
    let pending = connector.control().pending(limit).await.unwrap();
    pending.into_iter().map(|receipt| (receipt.key.lane, receipt.key.sequence)).collect()
}

/// Body, MAC and key are what was given, byte by byte.
pub async fn bytes_come_back_as_they_went_in(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let receipt = Receipt { rows: Some((0..64).collect()), ..arena.receipt("-", 1, None) };
    append(&*arena.connector, &receipt).await;
    assert_eq!(arena.connector.control().rows(&receipt.key).await.unwrap(), receipt.rows);
    let nowhere = ReceiptKey { sequence: 2, ..receipt.key.clone() };
    assert_eq!(arena.connector.control().rows(&nowhere).await.unwrap(), None);
    let expected = Pending { key: receipt.key.clone(), body: receipt.body, mac: receipt.mac };
    let pending = arena.connector.control().pending(10).await.unwrap();
    assert_eq!(pending, vec![expected.clone()]);
    assert_eq!(arena.connector.control().bodies(None, 10).await.unwrap(), [expected]);
    assert_eq!(arena.connector.control().newest().await.unwrap(), [receipt.key]);
}

/// Whoever comes second with a sequence loses; the first one's bytes stay.
pub async fn a_sequence_has_one_writer(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.next_sequence(RULE, "0").await.unwrap(), 1);
    let first = arena.receipt("0", 1, None);
    append(&*arena.connector, &first).await;
    let second = Receipt { body: b"{}".to_vec(), ..first.clone() };
    assert_eq!(control.append(&second).await, Commit::Fenced);
    assert_eq!(control.next_sequence(RULE, "0").await.unwrap(), 2);
    assert_eq!(control.next_sequence(RULE, "1").await.unwrap(), 1, "lanes count for themselves");
    assert_eq!(control.pending(10).await.unwrap()[0].body, first.body);
}

/// A receipt that commits later with a smaller key is still found.
pub async fn pending_is_never_chosen_by_a_mark(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    for (lane, sequence) in [("0", 1), ("1", 1), ("1", 2)] {
        append(&*arena.connector, &arena.receipt(lane, sequence, None)).await;
    }
    let key = |lane: &str, sequence| arena.receipt(lane, sequence, None).key;
    control.acknowledge(&[(key("1", 1), 0), (key("1", 2), 1)]).await.unwrap();
    append(&*arena.connector, &arena.receipt("0", 2, None)).await;
    assert_eq!(pending(&*arena.connector, 10).await, [("0".into(), 1), ("0".into(), 2)]);
    assert_eq!(pending(&*arena.connector, 1).await, [("0".into(), 1)], "in the order of their keys");
    assert_eq!(control.pending_count().await.unwrap(), 2);
}

/// The second acknowledgement of a receipt is no error and keeps the first one's index.
pub async fn acknowledging_twice_changes_nothing(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    for sequence in 1..=2 {
        append(&*arena.connector, &arena.receipt("0", sequence, None)).await;
    }
    let key = arena.receipt("0", 1, None).key;
    for _ in 0..2 {
        control.acknowledge(&[(key.clone(), 0)]).await.unwrap();
        assert_eq!(pending(&*arena.connector, 10).await, [("0".into(), 2)]);
    }
}

/// Pruning takes what is acknowledged, covered and old enough, and never a lane's newest.
pub async fn pruning_keeps_the_newest_and_the_unacknowledged(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    for sequence in 1..=5 {
        append(&*arena.connector, &arena.receipt("0", sequence, None)).await;
    }
    let key = |sequence| arena.receipt("0", sequence, None).key;
    control.acknowledge(&[(key(1), 10), (key(2), 11), (key(3), 12), (key(5), 13)]).await.unwrap();
    assert_eq!(control.prune(20, 3_600).await.unwrap(), 0, "too young");
    // Engines keep the time of the acknowledgement in units of up to a second.
    let mut gone = 0;
    for _ in 0..1_000 {
        gone += control.prune(12, 0).await.unwrap();
        if gone >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(gone, 2, "1 and 2 stand below the covered index");
    assert_eq!(control.prune(20, 0).await.unwrap(), 1, "3 follows; 4 is pending, 5 is the newest");
    let left: Vec<u64> = control.bodies(None, 10).await.unwrap().iter().map(|body| body.key.sequence).collect();
    assert_eq!(left, [4, 5]);
    assert_eq!(control.next_sequence(RULE, "0").await.unwrap(), 6);
}

/// Reading bodies page by page meets each one once.
pub async fn bodies_are_read_in_the_order_of_their_keys(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    // 10 comes after 9: sequences are numbers, not text.
    for sequence in 1..=12 {
        append(&*arena.connector, &arena.receipt("0", sequence, None)).await;
    }
    control.acknowledge(&[(arena.receipt("0", 3, None).key, 0)]).await.unwrap();
    let mut seen = vec![];
    let mut after: Option<ReceiptKey> = None;
    for _ in 0..12 {
        let page = control.bodies(after.as_ref(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        seen.extend(page.iter().map(|body| body.key.sequence));
    }
    assert_eq!(seen, (1..=12).collect::<Vec<u64>>());
    let newest: Vec<u64> = control.newest().await.unwrap().iter().map(|key| key.sequence).collect();
    assert_eq!(newest, [12]);
}

/// The cursor of the last commit is the lane's, and the one before is gone.
pub async fn a_commit_leaves_its_cursor(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let control = arena.connector.control();
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), None);
    let mut lane = arena.lane(&step).await;
    let mut from: Option<Cursor> = None;
    for sequence in 1..=2 {
        let effect = lane.change(&forgetd_connector::Order { from: from.clone(), ..order(3) }).await.unwrap();
        assert_eq!(effect.changed, 3);
        from = effect.next.cursor().cloned();
        assert!(from.is_some(), "rows are left");
        assert_eq!(lane.commit(&arena.receipt("0", sequence, from.clone())).await, Commit::Committed);
        assert_eq!(control.cursor(RULE, "0").await.unwrap(), from);
    }
    assert_eq!(control.pending_count().await.unwrap(), 2);
    assert_eq!(arena.count("item").await, 4);
}

/// After `undo` the rows are there, and no receipt or cursor is.
pub async fn a_batch_that_changed_nothing_leaves_no_trace(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(4)).await.unwrap().changed, 4);
    lane.undo().await.unwrap();
    assert_eq!(arena.count("item").await, 10);
    assert_eq!(arena.connector.control().next_sequence(RULE, "0").await.unwrap(), 1);
    assert_eq!(arena.connector.control().cursor(RULE, "0").await.unwrap(), None);
    assert_eq!(lane.change(&order(4)).await.unwrap().changed, 4, "the lane can be used on");
    lane.undo().await.unwrap();
}
