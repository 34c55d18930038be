//! Two lanes: they meet where the table was divided, and neither touches a row of the other's.

use std::sync::Arc;

use forgetd_connector::{
    AtomicLane, Atomicity, Commit, Cursor, FIRST_LANE, FenceKind, ForeignKey, Lane, LaneClaim, Next, OnDelete, Order,
    SECOND_LANE, Step, Untouched, WhenNull,
};

use super::fence::{day, late, order};
use crate::{Arena, Cell, Fixture, Kind, TableSpec};

/// A lane of the arena's under way.
struct Under {
    lane: Box<dyn AtomicLane>,
    name: &'static str,
    sequence: u64,
    from: Option<Cursor>,
    changed: u64,
    batches: u64,
}

/// Rows that are due: one a day, and 150 that share the day in the middle.
const ONE_A_DAY: i64 = 200;
const SHARED: i64 = 150;

/// Whether the engine has two lanes.
fn divides(arena: &Arena) -> bool {
    let engine = arena.connector.engine();
    ["mysql", "postgresql"].contains(&engine) && arena.connector.capabilities().fence == FenceKind::Lock
}

fn table() -> TableSpec {
    let days = (0..100).chain(std::iter::repeat_n(100, SHARED as usize)).chain(100..ONE_A_DAY);
    let open = Cell::Instant(late() + jiff::SignedDuration::from_hours(1));
    let rows = days.map(|n| vec![day(n)]).chain(std::iter::repeat_n(vec![open], 30));
    TableSpec::new("item").column("at", Kind::Instant).index(&["at"]).rows(rows)
}

/// Both are at work at once, with a transaction open each; divided at a day that many rows share, and at one where no batch of
/// the first lane would end by itself.
pub async fn two_lanes_share_a_table_and_no_row(fixture: &dyn Fixture) {
    for (rows, firsts) in [(180, 100), (50, 50)] {
        let arena = Arena::new(fixture).await;
        arena.create(fixture, &table()).await;
        let step = arena.step(table().selection(fixture, "at", late())).await;
        let Some(at) = divided(&arena, &step, rows).await else { return };
        let mut first = under(&arena, &step, FIRST_LANE, None, Some(at.clone())).await;
        let mut second = under(&arena, &step, SECOND_LANE, Some(at.clone()), None).await;
        both(&arena, &mut first, &mut second, &at, (23, 17)).await;
        assert_eq!(first.changed + second.changed, (ONE_A_DAY + SHARED).unsigned_abs());
        assert_eq!(first.changed, firsts, "of {}", first.changed + second.changed);
        assert_eq!(arena.count("item").await, 30);
        assert_eq!(arena.connector.control().pending_count().await.unwrap(), first.batches + second.batches);
    }
}

/// Without an index PostgreSQL goes through the blocks, and divides them; MySQL goes by key, and divides numbers.
pub async fn two_lanes_share_a_table_without_an_index(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let rows = (0..3_000).map(|n| vec![day(n % 100), Cell::Text("x".repeat(60))]);
    let table = TableSpec::new("item").column("at", Kind::Instant).column("pad", Kind::Text).rows(rows);
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let at = arena.connector.divide(&step, None, 1_500).await.unwrap();
    assert_eq!(at.is_some(), divides(&arena));
    let Some(at) = at else { return };
    let mut first = under(&arena, &step, FIRST_LANE, None, Some(at.clone())).await;
    let mut second = under(&arena, &step, SECOND_LANE, Some(at.clone()), None).await;
    both(&arena, &mut first, &mut second, &at, (100, 100)).await;
    assert!(first.changed > 500 && second.changed > 500, "{} and {}", first.changed, second.changed);
    assert_eq!((first.changed + second.changed, arena.count("item").await), (3_000, 0));
}

/// The first lane ends before the rows that share the moment at which the table is divided, and says so.
pub async fn the_first_lane_leaves_what_is_the_seconds(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table()).await;
    let step = arena.step(table().selection(fixture, "at", late())).await;
    let Some(at) = divided(&arena, &step, 180).await else { return };
    let mut first = under(&arena, &step, FIRST_LANE, None, Some(at.clone())).await;
    // A batch of one row counts what is due, the others what there is.
    for rows in (0..1_000).map(|n| if n % 3 == 0 { 1 } else { 40 }) {
        let next = first.begins(rows).await;
        match first.ends(&arena, next).await {
            Some(cursor) if cursor == at => break,
            cursor => assert!(cursor.is_some(), "the lane went to the last row"),
        }
    }
    let left = arena.count("item").await;
    assert_eq!(i64::try_from(first.changed).unwrap() + left, ONE_A_DAY + SHARED + 30);
    assert_eq!(first.from, Some(at.clone()));
    drop(first);
    // What a run does that goes on by one lane.
    let mut behind = under(&arena, &step, FIRST_LANE, Some(at), None).await;
    behind.sequence = 1_000;
    while behind.from.is_some() {
        let next = behind.begins(40).await;
        behind.ends(&arena, next).await;
    }
    assert_eq!((i64::try_from(behind.changed).unwrap(), arena.count("item").await), (left - 30, 30));
}

/// A lane that is opened with an end which it has passed finds nothing.
pub async fn a_lane_beyond_its_end_has_nothing_left(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table()).await;
    let step = arena.step(table().selection(fixture, "at", late())).await;
    let Some(at) = divided(&arena, &step, 50).await else { return };
    let beyond = divided(&arena, &step, 300).await;
    ends_without_a_row(&arena, &step, beyond, &at).await;
    assert_eq!(arena.count("item").await, ONE_A_DAY + SHARED + 30);
}

/// The same by row id.
pub async fn a_lane_by_row_id_beyond_its_end_has_nothing_left(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let rows = (0..3_000).map(|n| vec![day(n % 100), Cell::Text("x".repeat(60))]);
    let table = TableSpec::new("item").column("at", Kind::Instant).column("pad", Kind::Text).rows(rows);
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let Some(at) = arena.connector.divide(&step, None, 1_500).await.unwrap() else { return };
    let beyond = arena.connector.divide(&step, Some(&at), 700).await.unwrap();
    assert!(beyond.is_some());
    ends_without_a_row(&arena, &step, beyond, &at).await;
    assert_eq!(arena.count("item").await, 3_000);
}

/// A lane from `beyond` to `at` ends within two batches, where it shall, and meets no row.
async fn ends_without_a_row(arena: &Arena, step: &Step, beyond: Option<Cursor>, at: &Cursor) {
    assert_ne!(beyond.as_ref(), Some(at));
    let mut lane = under(arena, step, FIRST_LANE, beyond, Some(at.clone())).await;
    for _ in 0..2 {
        let next = lane.begins(40).await;
        assert_eq!(next.0, 0);
        lane.lane.undo().await.unwrap();
        lane.from = next.1.cursor().cloned();
        if lane.from.is_none() || lane.from.as_ref() == Some(at) {
            return;
        }
    }
    panic!("the lane does not end");
}

/// Fewer rows than asked for, and rows that a second lane could not be kept from.
pub async fn what_two_lanes_cannot_share_is_not_divided(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table()).await;
    let step = arena.step(table().selection(fixture, "at", late())).await;
    assert_eq!(arena.connector.divide(&step, None, 180).await.unwrap().is_some(), divides(&arena));
    let by_since = arena.connector.divide(&step, None, 5_000).await.unwrap();
    assert!(by_since.is_none() || arena.connector.statements(&step).unwrap().walk != "since");
    let mut nulls = step.clone();
    nulls.selection.terms.when_null = WhenNull::Delete;
    assert_eq!(arena.connector.divide(&nulls, None, 180).await.unwrap(), None);
    let mut sealed = step.clone();
    sealed.atomicity = Atomicity::Sealed;
    assert_eq!(arena.connector.divide(&sealed, None, 180).await.unwrap(), None);
    // What refers to a row of one lane may be a row of the other.
    let mut parent = step.clone();
    parent.table.referenced_by.push(ForeignKey {
        name: "item_item".into(),
        child: step.table.name.clone(),
        child_columns: vec!["parent".into()],
        parent: step.table.name.clone(),
        parent_columns: vec!["id".into()],
        on_delete: OnDelete::Refuse,
        follows: false,
        indexed: true,
        unsettable: vec![],
    });
    assert_eq!(arena.connector.divide(&parent, None, 180).await.unwrap(), None);
}

/// Works both to their ends, a batch of one within each of the other.
async fn both(arena: &Arena, first: &mut Under, second: &mut Under, at: &Cursor, rows_max: (u32, u32)) {
    let (mut first_ends, mut second_ends) = (false, false);
    for _ in 0..1_000 {
        // Each change finds the other's rows locked if they meet.
        let under_way = if first_ends { None } else { Some(first.begins(rows_max.0).await) };
        if !second_ends {
            let next = second.begins(rows_max.1).await;
            second_ends = second.ends(arena, next).await.is_none();
        }
        if let Some(next) = under_way {
            first_ends = first.ends(arena, next).await.as_ref() == Some(at);
        }
        if first_ends && second_ends {
            return;
        }
    }
    panic!("a lane does not end");
}

/// Where the table is divided; nothing where the engine has one lane.
async fn divided(arena: &Arena, step: &Step, rows: u64) -> Option<Cursor> {
    let at = arena.connector.divide(step, None, rows).await.unwrap();
    assert_eq!(at.is_some(), divides(arena));
    at
}

async fn under(arena: &Arena, step: &Step, name: &'static str, from: Option<Cursor>, until: Option<Cursor>) -> Under {
    let claim = LaneClaim { lane: name.into(), until, ..arena.claim() };
    let Lane::Atomic(lane) = arena.connector.lane(step, &claim, Arc::new(Untouched)).await.unwrap() else {
        panic!("an atomic step opened a sealed lane")
    };
    Under { lane, name, sequence: 1, from, changed: 0, batches: 0 }
}

// === impl Under ===

impl Under {
    /// Changes the next rows and leaves the transaction open: how many, and where the lane goes on.
    async fn begins(&mut self, rows_max: u32) -> (u64, Next) {
        let effect = self.lane.change(&Order { from: self.from.clone(), ..order(rows_max) }).await.unwrap();
        (effect.changed, effect.next)
    }

    /// Commits it; where the lane goes on.
    async fn ends(&mut self, arena: &Arena, (changed, next): (u64, Next)) -> Option<Cursor> {
        let cursor = next.cursor().cloned();
        if changed == 0 {
            self.lane.undo().await.unwrap();
        } else {
            let receipt = arena.receipt(self.name, self.sequence, cursor.clone());
            assert_eq!(self.lane.commit(&receipt).await, Commit::Committed);
            self.sequence += 1;
            self.changed += changed;
            self.batches += 1;
        }
        self.from.clone_from(&cursor);
        cursor
    }
}
