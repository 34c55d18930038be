//! Walks: every due row is met, whatever the table is made of, and batches stay small.

use forgetd_connector::{Next, Order, Predicate, SinceForm, Value, WhenNull};
use forgetd_testkit::Arena;

use crate::fixture::{arena, dated, ids, order, selection};

/// `n` rows spread over some days, made by the given expressions for `id` and `at`.
fn rows(n: u32, id: &str, at: &str) -> String {
    format!(
        "insert into item (id, at) with recursive s (n) as (select 0 union all select n + 1 from s where n < {n} - 1)
         select {id}, {at} from s"
    )
}

async fn drained(arena: &Arena, step: &forgetd_connector::Step, rows_max: u32) -> u64 {
    let done = arena.drain(step, rows_max).await;
    assert!(done.batch_rows_max <= u64::from(rows_max), "{done:?}");
    done.changed
}

#[tokio::test]
async fn thousands_share_one_date() {
    for key in ["integer primary key", "text primary key"] {
        let (arena, file) = arena(&format!(
            "create table item (id {key}, at date); create index item_at on item (at); {}",
            rows(6_000, "n", "date('2024-01-01', (n % 3) || ' days')")
        ))
        .await;
        let step = dated(&arena, "item").await;
        assert_eq!(arena.connector.statements(&step).unwrap().walk, "since");
        assert_eq!(drained(&arena, &step, 500).await, 6_000, "{key}");
        assert_eq!(ids(&file, "item"), [0; 0]);
    }
}

#[tokio::test]
async fn tables_without_row_ids_are_walked_by_key() {
    for (index, walk) in [("", "key"), ("create index item_at on item (at)", "since")] {
        let (arena, file) = arena(&format!(
            "create table item (id int, part text default 'p', at date, primary key (part, id)) without rowid; {index}; {}",
            rows(900, "n", "date('2024-12-30', (n % 4) || ' days')")
        ))
        .await;
        let step = dated(&arena, "item").await;
        assert_eq!(arena.connector.statements(&step).unwrap().walk, walk);
        assert_eq!(drained(&arena, &step, 100).await, 450);
        assert_eq!(ids(&file, "item").len(), 450);
    }
}

#[tokio::test]
async fn row_ids_reach_from_the_first_to_the_last() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date);
         insert into item values (-9223372036854775808, '2024-01-01'), (-5, '2024-01-01'), (-4, '2026-01-01'),
           (0, '2024-01-01'), (7, '2024-01-01'), (9223372036854775807, '2024-01-01')",
    )
    .await;
    let step = dated(&arena, "item").await;
    assert_eq!(arena.connector.statements(&step).unwrap().walk, "physical");
    assert_eq!(drained(&arena, &step, 1).await, 5);
    assert_eq!(ids(&file, "item"), [-4]);
}

#[tokio::test]
async fn nulls_are_a_segment_of_their_own() {
    for index in ["", "create index item_at on item (at)"] {
        let sql = format!(
            "create table item (id integer primary key, at date, made date); {index};
             insert into item with recursive s (n) as (select 1 union all select n + 1 from s where n < 400)
             select n, case n % 4 when 0 then '2024-01-01' when 1 then '2026-01-01' end,
               case n % 4 when 2 then '2024-01-01' end from s"
        );
        for (when_null, left) in [(WhenNull::Keep, 300), (WhenNull::Delete, 100), (WhenNull::Use("made".into()), 200)] {
            let (arena, file) = arena(&sql).await;
            let mut selection = selection("item", "at", None, "2025-01-01T00:00:00Z");
            selection.terms.when_null = when_null.clone();
            let step = arena.step(selection).await;
            assert_eq!(drained(&arena, &step, 33).await, 400 - left, "{when_null:?} {index}");
            assert_eq!(ids(&file, "item").len() as u64, left);
        }
    }
}

#[tokio::test]
async fn a_vacuum_between_batches_loses_no_row() {
    let (arena, file) =
        arena(&format!("create table item (id int, at date); {}", rows(300, "n", "'2024-01-01'"))).await;
    file.open().execute_batch("delete from item where rowid % 2 = 0").unwrap();
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let first = lane.change(&order(20)).await.unwrap();
    let from = first.next.cursor().cloned();
    assert_eq!(lane.commit(&arena.receipt("0", 1, from.clone())).await, forgetd_connector::Commit::Committed);
    file.open().execute_batch("vacuum").unwrap();
    drop(lane);
    assert_eq!(drained(&arena, &step, 20).await, 130, "the row ids are new ones, and the walk began anew");
    assert_eq!(ids(&file, "item"), [0; 0]);
}

#[tokio::test]
async fn few_among_many_are_found_in_few_batches() {
    for index in ["", "create index item_at on item (at)"] {
        let (arena, file) = arena(&format!(
            "create table item (id integer primary key, at date, state text); {index}; {};
             update item set state = case when id % 5000 = 4999 then 'closed' else 'open' end",
            rows(40_000, "n", "date('2020-01-01', (n / 400) || ' days')")
        ))
        .await;
        let mut selection = selection("item", "at", None, "2025-01-01T00:00:00Z");
        selection.terms.predicate = Predicate::equal("state", Value::Text("closed".into()));
        let step = arena.step(selection).await;
        let mut lane = arena.lane(&step).await;
        let (mut calls, mut changed, mut from) = (0, 0, None);
        loop {
            calls += 1;
            let effect = lane.change(&Order { from, ..order(100) }).await.unwrap();
            assert!(effect.changed <= 100);
            changed += effect.changed;
            if effect.changed == 0 {
                lane.undo().await.unwrap();
            } else {
                let receipt = arena.receipt("0", calls, None);
                assert_eq!(lane.commit(&receipt).await, forgetd_connector::Commit::Committed);
            }
            match effect.next {
                Next::At(cursor) => from = Some(cursor),
                Next::End => break,
            }
        }
        assert_eq!((changed, ids(&file, "item").len()), (8, 39_992));
        assert!(calls < 60, "{calls} calls for 40,000 rows in windows of 100");
    }
}

#[tokio::test]
async fn the_index_serves_bounds_and_ties() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, state text);
         create index wide on item (at, state); create index item_at on item (at); create index item_state on item (state)",
    )
    .await;
    let mut selection = selection("item", "at", None, "2025-01-01T00:00:00Z");
    selection.terms.predicate = Predicate::equal("state", Value::Text("x".into()));
    let shown = arena.connector.statements(&arena.step(selection).await).unwrap();
    let connection = file.open();
    for sql in [&shown.change, &shown.peek] {
        let plan = format!("explain query plan {sql}");
        let mut statement = connection.prepare(&plan).unwrap();
        let steps: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(vec![rusqlite::types::Null; statement.parameter_count()]), |row| {
                row.get(3)
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = steps.join("; ");
        assert!(plan.contains("item_at (at>? AND at<?)"), "{plan}");
    }
}

#[tokio::test]
async fn dates_in_two_ways_of_ordering_are_walked_alike() {
    // A column that ignores case, with an index of its own collation, and values of every kind between the dates.
    let (arena, file) = arena(
        "create table item (id integer primary key, at text collate nocase); create index item_at on item (at);
         insert into item (at) values ('2024-01-01'), ('2024-01-01'), (5), (x'00'), ('2024-01-02'), ('zz'), ('ZZ'), (null)",
    )
    .await;
    let step = arena.step(selection("item", "at", Some(SinceForm::Date), "2025-01-01T00:00:00Z")).await;
    assert_eq!(drained(&arena, &step, 1).await, 3);
    assert_eq!(ids(&file, "item"), [3, 4, 6, 7, 8]);
}
