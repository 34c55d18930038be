//! Rows whose keys are neighbours are deleted as one range; what else lies in it stays.

use forgetd_connector::{Compare, Order, RowCap};
use forgetd_testkit::TestDatabase as _;
use mysql_async::prelude::Queryable as _;

use crate::fixture::{arena, order, step};
use crate::server::Product;

/// A key's type, keys of due rows, and keys of rows that stay.
struct Case {
    key: &'static str,
    due: &'static [&'static str],
    stay: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { key: "int", due: &["1", "2", "3", "4", "5", "6", "7", "8"], stay: &["0", "9"] },
    // Live rows and gaps among them.
    Case { key: "int", due: &["1", "2", "3", "5", "6", "8", "9", "12"], stay: &["4", "7", "10"] },
    // Far apart, and then together.
    Case {
        key: "int",
        due: &["-1000000", "1", "1000", "100000", "5000000", "5000001", "5000002"],
        stay: &["2", "999"],
    },
    // Further apart than the type holds.
    Case { key: "bigint", due: &["-9223372036854775808", "0", "9223372036854775807"], stay: &["1"] },
    Case {
        key: "bigint unsigned",
        due: &["18446744073709551612", "18446744073709551613", "18446744073709551615"],
        stay: &["18446744073709551614", "0"],
    },
    Case { key: "tinyint", due: &["-128", "-127", "-126", "126", "127"], stay: &["-125", "0"] },
    Case { key: "int(8) unsigned zerofill", due: &["7", "8", "9"], stay: &["10"] },
];

fn table(case: &Case) -> String {
    let row = |key: &&str, at: &str| format!("({key}, '{at}')");
    let due = case.due.iter().map(|key| row(key, "2020-01-01"));
    let rows: Vec<String> = due.chain(case.stay.iter().map(|key| row(key, "2026-01-01"))).collect();
    format!(
        "create table item (id {} not null primary key, at date not null, key (at)); insert into item values {}",
        case.key,
        rows.join(", ")
    )
}

#[tokio::test]
async fn what_else_lies_in_the_range_stays() {
    for product in Product::each() {
        for case in CASES {
            for (rows_max, compare) in [(2, None), (3, Some(Compare::Announced)), (100, Some(Compare::Announced))] {
                let (arena, database) = arena(product, &table(case)).await;
                let step = step(&arena, "item").await;
                let due = arena.connector.measure(&step, RowCap(None)).await.unwrap().due.rows();
                assert_eq!(due, Some(case.due.len() as u64));
                let done = match compare {
                    None => arena.drain(&step, rows_max).await,
                    Some(compare) => arena.drain_comparing(&step, rows_max, |_| compare).await,
                };
                let told = (done.changed, done.passed, done.locked, done.waited);
                assert_eq!(told, (case.due.len() as u64, 0, 0, false), "{product:?} {} {rows_max}", case.key);
                let mut left = database.texts("select id + 0 from item").await;
                left.sort();
                let mut stay: Vec<&str> = case.stay.to_vec();
                stay.sort_unstable();
                assert_eq!(left, stay, "{product:?} {} {rows_max}", case.key);
            }
        }
    }
}

/// Somebody works on a live row among them: it is not met.
#[tokio::test]
async fn a_live_row_in_the_range_may_be_locked() {
    for product in Product::each() {
        let (arena, database) = arena(product, &table(&CASES[1])).await;
        let step = step(&arena, "item").await;
        let held = database.hold("item", "id = 4").await;
        let done = arena.drain_comparing(&step, 100, |_| Compare::Announced).await;
        assert_eq!((done.changed, done.passed, done.locked, done.waited), (8, 0, 0, false), "{product:?}");
        held.release().await;
    }
}

/// Somebody works on the rows beside the range. Where the range is locked first, the server looks at the row behind the last
/// as well: then the batch goes by key.
#[tokio::test]
async fn rows_beside_the_range_are_not_waited_for() {
    for product in Product::each() {
        for beside in ["0", "9"] {
            let (arena, database) = arena(product, &table(&CASES[0])).await;
            let step = step(&arena, "item").await;
            let held = database.hold("item", &format!("id = {beside}")).await;
            let done = arena.drain_comparing(&step, 100, |_| Compare::Announced).await;
            let meets_it = beside == "9" && product == Product::MySql;
            let told = (done.changed, done.passed, done.locked, done.waited);
            assert_eq!(told, (8, 0, 0, meets_it), "{product:?} {beside}");
            held.release().await;
        }
    }
}

/// Somebody works on a due row in the range: the batch goes by key, and past it.
#[tokio::test]
async fn a_due_row_that_is_locked_is_passed() {
    for product in Product::each() {
        for held in ["1", "4", "8"] {
            let (arena, database) = arena(product, &table(&CASES[0])).await;
            let step = step(&arena, "item").await;
            let lock = database.hold("item", &format!("id = {held}")).await;
            let done = arena.drain_comparing(&step, 100, |_| Compare::Announced).await;
            let told = (done.changed, done.passed, done.locked, done.waited);
            assert_eq!(told, (7, 0, 1, true), "{product:?} {held}");
            lock.release().await;
            assert_eq!(database.texts("select id + 0 from item order by id").await, ["0", held, "9"], "{product:?}");
        }
    }
}

/// What the deletion hangs on where a server cannot be told not to wait: a range that ends before a row that we have locked
/// looks no further.
#[tokio::test]
async fn a_range_that_ends_before_a_row_of_ours_meets_no_other() {
    for product in Product::each().filter(|product| *product == Product::MySql) {
        let (_arena, database) = arena(product, &table(&CASES[0])).await;
        let held = database.hold("item", "id = 9").await;
        let mut ours = database.session().await;
        let setup =
            ["set session innodb_lock_wait_timeout = 1", "set transaction isolation level read committed", "begin"];
        let locks = (1..9).map(|id| format!("select id from item where id = {id} for update"));
        let delete = "delete t from item as t force index (primary) where t.id";
        let deletes = [">= 1 and t.id < 8", "= 8"].map(|range| format!("{delete} {range}"));
        for statement in setup.map(str::to_owned).into_iter().chain(locks).chain(deletes) {
            ours.query_drop(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        let further = ours.query_drop(format!("{delete} between 1 and 9")).await;
        assert!(further.is_err(), "nobody holds the row behind");
        held.release().await;
    }
}

/// While a batch is open the application changes live rows among those that go, and adds some: nothing of it waits.
#[tokio::test]
async fn an_open_batch_keeps_nobody_from_live_rows() {
    for product in Product::each() {
        for case in &CASES[..3] {
            let (arena, database) = arena(product, &table(case)).await;
            let step = step(&arena, "item").await;
            let mut lane = arena.lane(&step).await;
            let order = Order { compare: Compare::Announced, ..order(100) };
            let changed = lane.change(&order).await.unwrap().changed;
            assert_eq!(changed, case.due.len() as u64, "{product:?}");
            let mut application = database.session().await;
            application.query_drop("set session innodb_lock_wait_timeout = 1").await.unwrap();
            for key in case.stay {
                let update = format!("update item set at = '2026-02-02' where id = {key}");
                application.query_drop(update).await.unwrap_or_else(|error| panic!("{product:?} {key}: {error}"));
            }
            let insert = "insert into item values (11, '2026-01-01'), (1001, '2020-01-01')";
            application.query_drop(insert).await.unwrap_or_else(|error| panic!("{product:?}: {error}"));
            lane.undo().await.unwrap();
        }
    }
}

/// Where a small batch ends is found by counting due rows: no more of them are numbered than a batch looks at, however many
/// there are.
#[tokio::test]
async fn the_end_of_a_small_batch_is_found_without_numbering_all_that_is_due() {
    const DUE: u64 = 60_000;
    // The other product keeps no such statistics unless it is told to at its start.
    if !Product::MySql.is_there() {
        return;
    }
    let sql = "create table item (id int not null primary key, at datetime not null, key (at));
               insert into item with recursive n (n) as (select 0 union all select n + 1 from n where n < 299)
                 select a.n * 200 + b.n, '2020-01-01' + interval a.n * 200 + b.n minute from n as a join n as b on b.n < 200";
    let (arena, database) = arena(Product::MySql, sql).await;
    let step = step(&arena, "item").await;
    // It has room for so many statements, and other tests have filled it.
    database.sql("truncate table performance_schema.events_statements_summary_by_digest").await;
    for sequence in 1..=3 {
        assert_eq!(arena.batch(&step, &order(5), &arena.receipt("0", sequence, None)).await, 5);
    }
    let read = database
        .texts(
            "select concat(sum(count_star), ' ', round(max(sum_sort_rows / count_star)))
             from performance_schema.events_statements_summary_by_digest
             where schema_name = database() and digest_text like '%forgetd_due%' and digest_text not like 'explain%'",
        )
        .await;
    let numbers: Vec<u64> = read[0].split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(numbers[0] >= 3, "lookups: {read:?}");
    assert!(numbers[1] < DUE / 3, "rows sorted by one lookup: {read:?}");
}
