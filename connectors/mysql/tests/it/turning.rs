//! Walks by `since` that turn out to be the wrong ones: how rows lie is looked at while a lane works.

use std::sync::Arc;

use forgetd_connector::{
    AtomicLane, Commit, Cursor, FIRST_LANE, FaultClass, Lane, LaneClaim, Next, Order, SECOND_LANE, Step, Untouched,
};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, order, step};
use crate::server::Product;

/// Of 80,000 rows one in so many is due; they lie in the order in which they are due, or in none.
fn filled(key: &str, due_of: u32, place: &str) -> String {
    let digits = "(select 0 d union all select 1 union all select 2 union all select 3 union all select 4 union all select 5 \
                  union all select 6 union all select 7 union all select 8 union all select 9)";
    let numbers: Vec<String> = (0..5).map(|n| format!("{digits} d{n}")).collect();
    format!(
        "create table item (id {key} not null primary key, at datetime(6) not null, pad varchar(80) not null, key (at)); \
         insert into item select {place}, (if(n % {due_of} = 0, '2020-01-01', '2026-01-01')) + interval n minute, repeat('x', 80) \
         from (select d0.d + 10 * d1.d + 100 * d2.d + 1000 * d3.d + 10000 * d4.d as n from {}) as numbers where n < 80000",
        numbers.join(", ")
    )
}

const IN_ORDER: &str = "n";
const IN_NONE: &str = "(n * 7919) % 80000";

/// Deletes by batches, until none is left or `most` are done; how many rows went, and where the lane goes on, if it does.
async fn go_on(
    arena: &Arena,
    lane: &mut dyn AtomicLane,
    step: &Step,
    mut from: Option<Cursor>,
    most: u64,
) -> (u64, Option<Cursor>) {
    let mut changed = 0;
    let mut sequence = arena.connector.control().next_sequence(&step.rule, FIRST_LANE).await.unwrap();
    for _ in 0..most {
        let effect = lane.change(&Order { from, ..order(500) }).await.unwrap();
        from = effect.next.cursor().cloned();
        if effect.changed > 0 {
            let mut receipt = arena.receipt(FIRST_LANE, sequence, from.clone());
            receipt.key.rule.clone_from(&step.rule);
            let next = Order { from: from.clone(), ..order(500) };
            assert_eq!(lane.commit_then(&receipt, &next).await, Commit::Committed);
            (changed, sequence) = (changed + effect.changed, sequence + 1);
        } else {
            lane.undo().await.unwrap();
        }
        if effect.next == Next::End {
            break;
        }
    }
    lane.undo().await.unwrap();
    (changed, from)
}

async fn walk(arena: &Arena, step: &Step, from: Option<Cursor>, most: u64) -> (u64, Option<Cursor>) {
    go_on(arena, &mut *arena.lane(step).await, step, from, most).await
}

fn is_by_key(cursor: Option<&Cursor>) -> bool {
    cursor.unwrap().as_text().starts_with("{\"keys\"")
}

async fn left(database: &Database) -> i64 {
    database.number("select count(*) from item where at < '2025-01-01'").await
}

#[tokio::test]
async fn rows_that_lie_scattered_are_walked_by_key() {
    for product in Product::each() {
        for key in ["bigint", "int unsigned"] {
            let (arena, database) = arena(product, &filled(key, 2, IN_NONE)).await;
            let step = step(&arena, "item").await;
            let (before, cursor) = walk(&arena, &step, None, 1).await;
            assert!(!is_by_key(cursor.as_ref()));
            let (rest, cursor) = walk(&arena, &step, cursor, 9).await;
            assert!(!is_by_key(cursor.as_ref()), "a lane that is opened again goes on as it went");
            let (turned, cursor) = walk(&arena, &step, None, 10).await;
            assert!(is_by_key(cursor.as_ref()));
            let (again, cursor) = walk(&arena, &step, cursor, 2).await;
            assert!(is_by_key(cursor.as_ref()), "that one, too");
            assert_eq!(left(&database).await, 40_000 - i64::try_from(before + rest + turned + again).unwrap());
            let (end, cursor) = walk(&arena, &step, cursor, 1_000).await;
            assert_eq!((before + rest + turned + again + end, left(&database).await), (40_000, 0), "{product:?} {key}");
            assert_eq!((cursor, arena.count("item").await), (None, 40_000));
        }
    }
}

#[tokio::test]
async fn rows_that_lie_together_few_among_many_and_those_without_numbers_are_walked_by_since() {
    for product in Product::each() {
        for (key, due_of, place) in [("bigint", 2, IN_ORDER), ("bigint", 40, IN_NONE), ("varchar(20)", 2, IN_NONE)] {
            let (arena, database) = arena(product, &filled(key, due_of, place)).await;
            let step = step(&arena, "item").await;
            let due = left(&database).await;
            let mut lane = arena.lane(&step).await;
            let (mut changed, mut from) = (0, None);
            for _ in 0..12 {
                let effect = lane.change(&Order { from, ..order(20) }).await.unwrap();
                from = effect.next.cursor().cloned();
                let mut receipt = arena.receipt(FIRST_LANE, changed + 1, from.clone());
                receipt.key.rule.clone_from(&step.rule);
                assert_eq!(lane.commit(&receipt).await, Commit::Committed);
                changed += effect.changed;
            }
            assert!(!is_by_key(from.as_ref()), "{product:?} {key} {due_of} {place}");
            assert_eq!(left(&database).await, due - i64::try_from(changed).unwrap());
        }
    }
}

/// It would be met again behind a turn, and counted twice.
#[tokio::test]
async fn a_lane_that_passed_over_a_row_does_not_turn() {
    for product in Product::each() {
        let (arena, database) = arena(product, &filled("bigint", 2, IN_NONE)).await;
        let oldest = database.number("select id from item order by at limit 1").await;
        let snare = format!(
            "create trigger snare before delete on item for each row begin \
             if old.id = {oldest} then signal sqlstate '45000' set message_text = 'no'; end if; end"
        );
        database.sql(&snare).await;
        let step = step(&arena, "item").await;
        let mut lane = arena.lane(&step).await;
        let fault = lane.change(&order(1)).await.unwrap_err();
        assert!(matches!(fault.class, FaultClass::Row(_)), "{fault}");
        let (passed, next) = lane.pass(&order(1)).await.unwrap();
        assert_eq!(passed, 1);
        let (_, cursor) = go_on(&arena, &mut *lane, &step, next.cursor().cloned(), 12).await;
        assert!(!is_by_key(cursor.as_ref()), "{product:?}");
    }
}

/// One by key is divided by key: the first lane ends there, the second begins, and neither meets a row of the other's.
#[tokio::test]
async fn two_lanes_by_key_share_the_rest() {
    for product in Product::each() {
        let (arena, database) = arena(product, &filled("bigint", 2, IN_NONE)).await;
        let step = step(&arena, "item").await;
        let (turned, cursor) = walk(&arena, &step, None, 10).await;
        assert!(is_by_key(cursor.as_ref()));
        let at = arena.connector.divide(&step, cursor.as_ref(), 1_000).await.unwrap();
        assert!(is_by_key(at.as_ref()));
        let open = |lane: &'static str, until: Option<Cursor>| {
            let claim = LaneClaim { lane: lane.into(), until, ..arena.claim() };
            let (connector, step) = (&arena.connector, &step);
            async move {
                match connector.lane(step, &claim, Arc::new(Untouched)).await.unwrap() {
                    Lane::Atomic(lane) => lane,
                    Lane::Sealed(_) => panic!("sealed"),
                }
            }
        };
        let mut second = open(SECOND_LANE, None).await;
        let begun = second.change(&Order { from: at.clone(), ..order(500) }).await.unwrap();
        let mut first = open(FIRST_LANE, at.clone()).await;
        let (mut of_first, mut from, mut ended) = (0, cursor, false);
        let mut sequence = arena.connector.control().next_sequence(&step.rule, FIRST_LANE).await.unwrap();
        while !ended {
            let effect = first.change(&Order { from, ..order(500) }).await.unwrap();
            from = effect.next.cursor().cloned();
            let mut receipt = arena.receipt(FIRST_LANE, sequence, from.clone());
            receipt.key.rule.clone_from(&step.rule);
            assert_eq!(first.commit(&receipt).await, Commit::Committed);
            (sequence, of_first) = (sequence + 1, of_first + effect.changed);
            assert!(from.is_some(), "it went past its end");
            ended = from == at;
        }
        assert!(begun.changed > 0 && of_first > 1_000, "{} {of_first}", begun.changed);
        second.undo().await.unwrap();
        drop((first, second));
        let (rest, cursor) = walk(&arena, &step, at, 1_000).await;
        assert_eq!((turned + of_first + rest, cursor, left(&database).await), (40_000, None, 0), "{product:?}");
        assert!(rest > 1_000, "{rest}");
    }
}

/// Batches by key look at as many rows as hold the rows that they may change: half-empty ones would never grow.
#[tokio::test]
async fn batches_by_key_are_nearly_full() {
    for product in Product::each() {
        for due_of in [2, 4] {
            let (arena, _database) = arena(product, &filled("bigint", due_of, IN_NONE)).await;
            let step = step(&arena, "item").await;
            let mut lane = arena.lane(&step).await;
            let (_, mut cursor) = go_on(&arena, &mut *lane, &step, None, 12).await;
            assert!(is_by_key(cursor.as_ref()));
            for _ in 0..5 {
                let (changed, next) = go_on(&arena, &mut *lane, &step, cursor, 1).await;
                assert!((375..=500).contains(&changed), "{product:?} {due_of}: {changed}");
                cursor = next;
            }
        }
    }
}
