//! Poison: a row that cannot go is isolated, named and passed; its neighbours go.

use forgetd_connector::{Cause, FaultClass};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture, Kind, Snare, TableSpec};

const CHILD: &str = "foreign key (item_id) references item (id)";

async fn with_children(fixture: &dyn Fixture, parents: &[i64]) -> Arena {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    let child = TableSpec::new("child")
        .column("item_id", Kind::Int)
        .constraint(CHILD)
        .rows(parents.iter().map(|id| vec![crate::Cell::Int(*id)]));
    arena.create(fixture, &child).await;
    arena
}

/// One parent with a child that forbids: nine go, one stays.
pub async fn one_row_with_a_child_stays_alone(fixture: &dyn Fixture) {
    let arena = with_children(fixture, &[6]).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&order(100)).await.expect_err("a child was orphaned");
    assert_eq!(fault.class, FaultClass::Row(Cause::ForeignKey));
    assert_eq!(arena.count("item").await, 10, "nothing of a failed batch remains");
    drop(lane);
    let done = arena.drain(&step, 8).await;
    assert_eq!((done.changed, done.passed, arena.count("item").await), (9, 1, 1));
    assert!(arena.has("item", 6).await);
    assert_eq!(arena.count("child").await, 1);
}

/// A trigger that raises an error for one row.
pub async fn one_row_refused_by_a_trigger_stays_alone(fixture: &dyn Fixture) {
    let Some(trap) = fixture.snare(&Snare::Refuses { table: "item", id: 1 }) else { return };
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    arena.database.sql(&trap).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&order(100)).await.expect_err("the trigger was not asked");
    assert!(matches!(fault.class, FaultClass::Row(_)), "{fault}");
    drop(lane);
    let done = arena.drain(&step, 16).await;
    assert_eq!((done.changed, done.passed, arena.count("item").await), (9, 1, 1));
}

/// Nothing can go, and the lane still ends.
pub async fn every_row_poisoned(fixture: &dyn Fixture) {
    let arena = with_children(fixture, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let done = arena.drain(&step, 4).await;
    assert_eq!((done.changed, done.passed, done.batches), (0, 10, 0));
    assert_eq!(arena.count("item").await, 10);
}
