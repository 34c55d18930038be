//! Locks of other sessions: waited for briefly, then passed, counted, and never broken.

use forgetd_connector::{Compare, FaultClass, LockWait, Order, RowLock};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture};

/// Where rows are locked one by one, the rest goes and the locked ones are counted; the next run takes them.
pub async fn locked_rows_are_passed_and_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    if arena.connector.capabilities().row_lock != RowLock::SkipLocked {
        return;
    }
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let held = arena.database.hold("item", "id in (3, 4, 9)").await;
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&order(100)).await.expect_err("a locked row was changed");
    assert_eq!(fault.class, FaultClass::Locked);
    assert_eq!(arena.count("item").await, 10);
    drop(lane);
    let done = arena.drain(&step, 4).await;
    assert_eq!((done.changed, done.locked, done.waited), (7, 3, true));
    for id in [3, 4, 9] {
        assert!(arena.has("item", id).await);
    }
    held.release().await;
    // A run begins at the start: its predecessor's cursor went with it.
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(100)).await.unwrap().changed, 3);
    lane.undo().await.unwrap();
}

/// Where one writer owns the whole database, a batch waits its time, says so and changes nothing.
pub async fn a_locked_database_is_waited_for_and_left_alone(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    if arena.connector.capabilities().row_lock != RowLock::WholeDatabase {
        return;
    }
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let held = arena.database.hold("item", "id = 1").await;
    let mut lane = arena.lane(&step).await;
    for locks in [LockWait::Wait, LockWait::Skip] {
        let order = Order { from: None, rows_max: 100, locks, compare: Compare::Announced, want_keys: false };
        let fault = lane.change(&order).await.expect_err("the writer's lock was broken");
        assert_eq!(fault.class, FaultClass::Locked);
    }
    held.release().await;
    assert_eq!(lane.change(&order(100)).await.unwrap().changed, 10);
    lane.undo().await.unwrap();
    assert_eq!(arena.count("item").await, 10);
}
