//! Fences: whoever holds an older term changes nothing, whenever it wakes.

use forgetd_connector::{Cause, Commit, Compare, FenceRaise, LockWait, Order};
use jiff::Timestamp;

use crate::{Arena, Cell, Fixture, Kind, TableSpec};

pub(super) fn order(rows_max: u32) -> Order {
    Order { from: None, rows_max, locks: LockWait::Wait, compare: Compare::Announced, want_keys: false }
}

pub(super) fn day(n: i64) -> Cell {
    Cell::Instant(Timestamp::from_second(1_700_000_000 + n * 86_400).unwrap())
}

/// Ten old rows.
pub(super) fn ten() -> TableSpec {
    TableSpec::new("item").column("at", Kind::Instant).rows((0..10).map(|n| vec![day(n)]))
}

/// A cutoff behind all of them.
pub(super) fn late() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// Raising again is fine, lowering is refused with the term that stands.
pub async fn a_fence_never_falls(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.raise_fence(arena.term).await.unwrap(), FenceRaise::Raised);
    assert_eq!(control.raise_fence(arena.term + 5).await.unwrap(), FenceRaise::Raised);
    assert_eq!(control.raise_fence(arena.term).await.unwrap(), FenceRaise::Later(arena.term + 5));
}

/// A batch begun after the takeover fails before it changes a row.
pub async fn a_stale_holder_changes_nothing(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let successor = arena.database.connect("conformance").await;
    successor.control().raise_fence(arena.term + 1).await.unwrap();
    let fault = lane.change(&order(100)).await.expect_err("a stale holder changed rows");
    assert_eq!(fault.cause(), Cause::Fenced);
    assert_eq!(arena.count("item").await, 10);
}

/// Neither does a receipt that is no batch get in.
pub async fn a_stale_holder_writes_no_receipt(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let successor = arena.database.connect("conformance").await;
    successor.control().raise_fence(arena.term + 1).await.unwrap();
    assert_eq!(arena.connector.control().append(&arena.receipt("-", 1, None)).await, Commit::Fenced);
    assert_eq!(successor.control().pending_count().await.unwrap(), 0);
}

/// A takeover that meets an open batch waits for it or ends it: rows gone are always rows with a receipt.
pub async fn a_takeover_and_a_batch_never_both_win(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&order(100)).await.unwrap();
    assert_eq!(effect.changed, 10);
    let successor = arena.database.connect("conformance").await;
    let receipt = arena.receipt("0", 1, None);
    let raise = async { successor.control().raise_fence(arena.term + 1).await };
    let (raised, commit) = tokio::join!(raise, lane.commit(&receipt));
    let receipts = successor.control().pending_count().await.unwrap();
    let gone = 10 - arena.count("item").await;
    match commit {
        Commit::Committed => assert_eq!((gone, receipts), (10, 1)),
        other => assert_eq!((gone, receipts), (0, 0), "{other:?}"),
    }
    assert_eq!(raised.unwrap(), FenceRaise::Raised);
    let fault = lane.change(&order(100)).await.expect_err("a stale holder went on");
    assert_eq!(fault.cause(), Cause::Fenced);
}
