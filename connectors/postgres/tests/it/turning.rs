//! Walks that turn out to be the wrong ones: how rows lie is looked at while a lane works, whatever the statistics say.

use forgetd_connector::{Cursor, Next, Order};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{arena, order, step};
use crate::server::Server;

/// Rows of which every other is due, in the order in which they are due or in none, 17 to a block: more than 2,048 blocks.
fn filled(order: &str) -> String {
    format!(
        "insert into item (at, pad) select timestamptz '2024-12-31 23:00+00' + (n - 25000) * interval '1 minute', repeat('x', 400)
           from generate_series(1, 50000) n {order}"
    )
}

const TABLE: &str = "create table item (id bigserial primary key, at timestamptz not null, pad text) \
                     with (autovacuum_enabled = off); create index on item (at)";

/// Whether a walk can turn at all: before version 14 a range of physical ids is found by reading the whole table.
async fn turns() -> bool {
    Server::get().version().await >= 14
}

/// How the statistics would have it walked.
async fn chosen(arena: &Arena) -> String {
    let step = step(arena, "item").await;
    arena.connector.explain(&step).await.unwrap();
    arena.connector.statements(&step).unwrap().walk
}

/// Every due row goes once, and the lane ends by the walk that is named.
async fn drains(arena: &Arena, due: u64, walk: &str) {
    let step = step(arena, "item").await;
    let before = arena.count("item").await;
    let drained = arena.drain(&step, 500).await;
    assert_eq!((drained.changed, drained.passed, drained.locked), (due, 0, 0), "{drained:?}");
    assert_eq!(arena.count("item").await, before - i64::try_from(due).unwrap());
    assert_eq!(arena.connector.statements(&step).unwrap().walk, walk);
}

#[tokio::test]
async fn rows_that_were_never_looked_at_and_lie_scattered_are_walked_by_row_id() {
    let (arena, database) = arena(TABLE).await;
    database.sql(&filled("order by random()")).await;
    assert_eq!(chosen(&arena).await, "since");
    drains(&arena, 24_999, if turns().await { "physical" } else { "since" }).await;
}

#[tokio::test]
async fn rows_that_lie_together_are_walked_in_their_order_to_the_end() {
    let (arena, database) = arena(TABLE).await;
    database.sql(&filled("order by n")).await;
    assert_eq!(chosen(&arena).await, "since");
    drains(&arena, 24_999, "since").await;
}

/// It would be met again behind a turn, and counted twice.
#[tokio::test]
async fn a_lane_that_passed_over_a_row_does_not_turn() {
    let (arena, database) = arena(TABLE).await;
    database.sql(&filled("order by random()")).await;
    database
        .sql(
            "create table part (id int primary key, item_id bigint references item);
             create index on part (item_id);
             insert into part select 1, id from item order by at limit 1",
        )
        .await;
    let step = step(&arena, "item").await;
    let drained = arena.drain(&step, 500).await;
    assert_eq!((drained.changed, drained.passed, drained.locked), (24_998, 1, 0), "{drained:?}");
    assert_eq!(arena.connector.statements(&step).unwrap().walk, "since");
}

#[tokio::test]
async fn few_rows_among_many_are_found_by_the_index() {
    if !turns().await {
        return;
    }
    let (arena, database) = arena(TABLE).await;
    database.sql(&filled("order by random()")).await;
    database.sql("analyze item").await;
    // Behind the statistics' back nearly all of them move to the other side.
    database.sql("update item set at = at + interval '10 years' where id % 50 <> 0").await;
    let due = database.number("select count(*) from item where at < '2024-12-31 23:00+00'").await;
    assert_eq!(chosen(&arena).await, "physical");
    drains(&arena, due.unsigned_abs(), "since").await;
}

/// A lane that was under way goes on as it went, and is divided that way: what the statistics say by now is about others.
#[tokio::test]
async fn a_lane_goes_on_as_it_went() {
    if !turns().await {
        return;
    }
    let (arena, database) = arena(TABLE).await;
    database.sql(&filled("order by random()")).await;
    let by_since = next(&arena, None).await;
    assert!(!is_physical(&by_since));
    database.sql("analyze item").await;
    let by_row_id = next(&arena, None).await;
    assert!(is_physical(&by_row_id));
    assert!(!is_physical(&next(&arena, Some(&by_since)).await));
    assert!(!is_physical(&divided(&arena, &by_since).await));
    database.sql("delete from pg_statistic where starelid = 'item'::regclass").await;
    assert!(!is_physical(&next(&arena, None).await));
    assert!(is_physical(&next(&arena, Some(&by_row_id)).await));
    assert!(is_physical(&divided(&arena, &by_row_id).await));
}

/// Where the lane goes on behind its next batch, which is undone.
async fn next(arena: &Arena, from: Option<&Cursor>) -> Cursor {
    let step = step(arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&Order { from: from.cloned(), ..order(500) }).await.unwrap();
    lane.undo().await.unwrap();
    let Next::At(cursor) = effect.next else { panic!("one batch was all") };
    cursor
}

async fn divided(arena: &Arena, from: &Cursor) -> Cursor {
    let step = step(arena, "item").await;
    arena.connector.divide(&step, Some(from), 10_000).await.unwrap().unwrap()
}

fn is_physical(cursor: &Cursor) -> bool {
    cursor.as_text().starts_with("{\"physical\"")
}
