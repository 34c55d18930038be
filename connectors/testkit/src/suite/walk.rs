//! The walk: every due row is met once, no batch exceeds its limit, and the lane ends.

use forgetd_connector::{Commit, Order};
use jiff::SignedDuration;
use jiff::civil::date;

use super::fence::{day, late, order};
use crate::{Arena, Cell, Fixture, Kind, TableSpec, oracle};

/// Many more rows share one moment than fit into a batch, between rows that do not.
pub async fn more_ties_than_a_batch_holds(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let moments = (0..20).chain(std::iter::repeat_n(20, 300)).chain(21..40);
    let table = TableSpec::new("item").column("at", Kind::Instant).rows(moments.map(|n| vec![day(n)]));
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let done = arena.drain(&step, 50).await;
    assert_eq!((done.changed, arena.count("item").await), (339, 0));
    assert!(done.batch_rows_max <= 50, "{done:?}");
}

/// A date has many rows; the day of the cutoff stays.
pub async fn ties_in_a_date(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let dates = (0..600).map(|n| vec![Cell::Date(date(2024, 1, 1 + (n % 3) as i8))]);
    let table = TableSpec::new("item").column("day", Kind::Date).rows(dates);
    if !table.fits(fixture) {
        return;
    }
    arena.create(fixture, &table).await;
    let selection = table.selection(fixture, "day", "2024-01-03T12:00:00Z".parse().unwrap());
    assert_eq!(oracle::due(&table, &selection).len(), 400);
    let step = arena.step(selection).await;
    let done = arena.drain(&step, 64).await;
    assert_eq!((done.changed, arena.count("item").await), (400, 200));
    assert!(done.batch_rows_max <= 64, "{done:?}");
}

/// A new connection goes on behind the last committed batch; the abandoned one's rows are met again.
pub async fn a_lane_resumes_where_its_last_commit_left_it(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table =
        TableSpec::new("item").column("at", Kind::Instant).rows((0..90).map(|n| vec![day(if n < 60 { 1 } else { n })]));
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&order(25)).await.unwrap();
    let cursor = effect.next.cursor().cloned();
    assert_eq!(lane.commit(&arena.receipt("0", 1, cursor.clone())).await, Commit::Committed);
    let lost = lane.change(&Order { from: cursor, ..order(25) }).await.unwrap();
    assert!(lost.changed > 0);
    drop(lane);
    let second = Arena { connector: arena.database.connect("conformance").await, ..arena };
    let done = second.drain(&step, 25).await;
    assert_eq!((effect.changed + done.changed, second.count("item").await), (90, 0));
}

/// Rows outside the predicate, far more than a batch, lie between the due ones.
pub async fn rows_that_cannot_go_do_not_stop_the_walk(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let state = |n: i64| Cell::Text(if n % 40 == 0 { "closed" } else { "open" }.into());
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .column("state", Kind::Text)
        .rows((0..400).map(|n| vec![day(n / 100), state(n)]));
    arena.create(fixture, &table).await;
    let mut selection = table.selection(fixture, "at", late());
    selection.terms.predicate = super::predicate::text("state", "closed");
    let step = arena.step(selection).await;
    let done = arena.drain(&step, 7).await;
    assert_eq!((done.changed, arena.count("item").await), (10, 390));
    assert!(done.batch_rows_max <= 7, "{done:?}");
}

/// What is begun behind a commit is the next batch if it is asked for, and nothing if anything else is.
pub async fn a_change_begun_ahead_counts_only_when_asked_for(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .rows((0..3_000).map(|n| vec![Cell::Instant(late() - SignedDuration::from_mins(n + 1))]));
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let mut sequence = 0;
    let mut next = order(300);
    // 0: as announced. 1: another order. 2: undone. 3: passed over.
    for then in [0, 1, 2, 3, 0] {
        let effect = lane.change(&next).await.unwrap();
        let keys = effect.keys.as_ref().map(|keys| keys.len() as u64);
        assert_eq!(keys, next.want_keys.then_some(effect.changed), "the order that was given, not the one announced");
        let gone = arena.count("item").await;
        sequence += 1;
        let from = effect.next.cursor().cloned();
        next = Order { from: from.clone(), ..order(300) };
        let receipt = arena.receipt("0", sequence, from.clone());
        assert_eq!(lane.commit_then(&receipt, &next).await, Commit::Committed);
        assert_eq!(arena.count("item").await + i64::try_from(effect.changed).unwrap(), gone, "{then}");
        match then {
            1 => next = Order { want_keys: true, ..next },
            2 => lane.undo().await.unwrap(),
            3 => {
                let (passed, behind) = lane.pass(&Order { rows_max: 1, ..next.clone() }).await.unwrap();
                assert_eq!(passed, 1);
                next = Order { from: behind.cursor().cloned(), ..next };
            }
            _ => {}
        }
    }
    drop(lane);
    let receipts = arena.connector.control().pending_count().await.unwrap();
    assert_eq!((receipts, sequence), (5, 5));
    let left = arena.count("item").await;
    assert_eq!(arena.drain(&step, 300).await.changed, u64::try_from(left).unwrap() - 1, "the passed row lies behind");
}
