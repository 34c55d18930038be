//! Walks: every due row in exactly one batch, no batch over its limit, the kept rows left alone.

use forgetd_connector::{Compare, LockWait, Next, Order, Predicate, RowCap, Since, Value, WhenNull};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, order, selection, step};
use crate::server::Server;

/// Drains `item` and looks that exactly the rows of `kept` are left.
async fn drains(arena: &Arena, database: &Database, rows_max: u32, walk: &str, kept: &str) {
    let step = step(arena, "item").await;
    drains_step(arena, database, &step, rows_max, walk, kept).await;
}

/// How rows are walked that lie scattered: before version 14 a range of physical ids is found by reading the whole table.
async fn scattered() -> &'static str {
    if Server::get().version().await < 14 { "since" } else { "physical" }
}

async fn drains_step(
    arena: &Arena,
    database: &Database,
    step: &forgetd_connector::Step,
    rows_max: u32,
    walk: &str,
    kept: &str,
) {
    let due = arena.connector.measure(step, RowCap(None)).await.unwrap().due.rows().unwrap();
    let expected = database.texts(&format!("select i::text from item i where {kept} order by 1")).await;
    let drained = arena.drain(step, rows_max).await;
    assert_eq!(arena.connector.statements(step).unwrap().walk, walk);
    assert_eq!(database.texts("select i::text from item i order by 1").await, expected);
    assert_eq!((drained.changed, drained.passed, drained.locked), (due, 0, 0), "{drained:?}");
    assert!(drained.batch_rows_max <= u64::from(rows_max), "{drained:?}");
    assert_eq!(arena.connector.measure(step, RowCap(None)).await.unwrap().due.rows(), Some(0));
}

#[tokio::test]
async fn a_range_of_since() {
    let sql = "create table item (id bigserial primary key, at timestamptz not null);
      insert into item (at) select timestamptz '2024-01-01' + n * interval '1 hour' from generate_series(1, 9500) n;
      create index on item (at); analyze item";
    for rows_max in [1, 7, 100, 1000] {
        let (arena, database) = arena(sql).await;
        if rows_max == 1 {
            database.sql("delete from item where id > 40 and id < 9000").await;
        }
        drains(&arena, &database, rows_max, "since", "at >= '2024-12-31T23:00:00Z'").await;
    }
}

#[tokio::test]
async fn ties_inside_an_index() {
    // Keys that do not follow the order of insertion, and two columns of them.
    let sql = "create table item (a text collate \"C\", b numeric(20, 3), at date not null, primary key (a, b));
      insert into item select md5((n % 50)::text), n + 0.125, date '2024-12-25' + n / 500
        from generate_series(1, 5999) n;
      create index on item (at); analyze item";
    for rows_max in [3, 70, 200, 1000] {
        let (arena, database) = arena(sql).await;
        if rows_max == 3 {
            database.sql("delete from item where b > 300").await;
        }
        drains(&arena, &database, rows_max, "since", "at >= '2025-01-01'").await;
    }
}

#[tokio::test]
async fn one_moment_for_all_rows() {
    let (arena, database) = arena(
        "create table item (id uuid primary key default gen_random_uuid(), at timestamptz not null) with (autovacuum_enabled = off);
         insert into item (at) select '2024-06-01' from generate_series(1, 30000);
         insert into item (at) select '2025-06-01' from generate_series(1, 500);
         create index on item (at)",
    )
    .await;
    drains(&arena, &database, 250, "since", "at >= '2025-01-01'").await;
}

#[tokio::test]
async fn large_tie_groups_with_scattered_keys_are_walked_by_row_id() {
    let (arena, database) = arena(
        "create table item (id uuid primary key default gen_random_uuid(), at date not null);
         insert into item (at) select date '2024-12-29' + n / 6000 from generate_series(1, 29999) n;
         create index on item (at); analyze item",
    )
    .await;
    drains(&arena, &database, 500, scattered().await, "at >= '2025-01-01'").await;
}

#[tokio::test]
async fn the_ends_of_time() {
    for (type_name, odd) in [
        ("timestamptz", "('infinity'), ('-infinity'), ('0044-03-15 12:00:00+00 BC'), ('0001-01-01'), ('290000-01-01')"),
        ("timestamp", "('infinity'), ('-infinity'), ('0044-03-15 12:00:00 BC'), ('0001-01-01'), ('290000-01-01')"),
        ("date", "('infinity'), ('-infinity'), ('0044-03-15 BC'), ('0001-01-01'), ('290000-01-01')"),
    ] {
        for rows_max in [1, 2, 100] {
            let (arena, database) = arena(&format!(
                "create table item (id bigserial primary key, at {type_name} not null) with (autovacuum_enabled = off);
                 create index on item (at); insert into item (at) values {odd}; insert into item (at) values {odd};
                 insert into item (at) select '-infinity' from generate_series(1, 150);
                 insert into item (at) values ('2024-12-31'), ('2024-12-31 22:59:59.999999'), ('2025-01-02')"
            ))
            .await;
            let step = step(&arena, "item").await;
            for cap in [None, Some(5)] {
                // Years before the first are outside the calendar here; then there is no oldest.
                let oldest = arena.connector.measure(&step, RowCap(cap)).await.unwrap().oldest;
                assert_eq!(oldest, None, "the year 44 BC");
            }
            drains(&arena, &database, rows_max, "since", "at > '2025-01-01'").await;
        }
    }
}

#[tokio::test]
async fn sessions_in_any_style_and_zone() {
    let (arena, database) = arena(
        "create table item (id bigserial primary key, at timestamptz not null, f float8 not null default random());
         insert into item (at) select timestamptz '2024-12-01' + (n / 150) * interval '7.123457 hours'
           from generate_series(1, 20000) n;
         create index on item (at); analyze item;
         do $$ begin execute format('alter database %I set timezone = ''Asia/Kolkata''', current_database());
           execute format('alter database %I set datestyle = ''German, DMY''', current_database());
           execute format('alter database %I set extra_float_digits = -10', current_database());
           execute format('alter database %I set bytea_output = ''escape''', current_database()); end $$",
    )
    .await;
    // A connector whose sessions begin with these settings.
    let connector = crate::fixture::connect(&database.url, "conformance").await.unwrap();
    let arena = Arena { connector, ..arena };
    drains(&arena, &database, 100, "since", "at >= '2024-12-31T23:00:00Z'").await;
}

#[tokio::test]
async fn keys_of_many_types() {
    for (type_name, value) in [
        ("float8", "n / 7.0"),
        ("char(12)", "md5(n::text)::char(6)"),
        ("varchar(40)", "chr(64 + n % 50) || md5(n::text)"),
        ("bytea", "decode(md5(n::text), 'hex')"),
        ("interval", "n * interval '1 day 3 seconds' - interval '1 year'"),
        ("inet", "inet '10.0.0.0' + n"),
        ("date", "date '2000-01-01' + n"),
        ("timestamptz", "timestamptz '2000-01-01' + n * interval '1.000001 s'"),
        ("mood", "(array['sad', 'ok', 'happy', 'O''K \"x\"'])[n]::mood"),
        ("positive", "n"),
        ("boolean", "n = 1"),
        ("\"char\"", "chr(64 + n)::\"char\""),
    ] {
        let most = match type_name {
            "mood" => 4,
            "boolean" => 2,
            "\"char\"" => 50,
            _ => 300,
        };
        for rows_max in [1, 70] {
            let (arena, database) = arena(&format!(
                "create type mood as enum ('sad', 'ok', 'happy', 'O''K \"x\"');
                 create domain positive as int check (value > 0);
                 create table item (k {type_name} primary key, at date not null);
                 insert into item select {value}, '2024-01-01' from generate_series(1, {most}) n;
                 create index on item (at)"
            ))
            .await;
            if rows_max == 1 {
                database.sql("delete from item where ctid >= '(0,30)'").await;
            }
            drains(&arena, &database, rows_max, "since", "false").await;
        }
    }
}

#[tokio::test]
async fn a_selective_condition_does_not_make_tiny_batches() {
    let (arena, database) = arena(
        "create table item (id bigserial primary key, at date not null, state text not null);
         insert into item (at, state) select date '2020-01-01' + n / 40, case when n % 97 = 0 then 'closed' else 'open' end
           from generate_series(1, 60000) n;
         create index on item (at); analyze item",
    )
    .await;
    let mut wanted = selection("item");
    wanted.terms.predicate = Predicate::equal("state", Value::Text("closed".into()));
    let step = arena.step(wanted).await;
    let mut lane = arena.lane(&step).await;
    let mut from = None;
    let (mut turns, mut changed) = (0, 0);
    loop {
        let order = Order { from, rows_max: 200, locks: LockWait::Wait, compare: Compare::Announced, want_keys: false };
        let effect = lane.change(&order).await.unwrap();
        assert!(effect.changed <= 200);
        changed += effect.changed;
        turns += 1;
        lane.undo().await.unwrap();
        match effect.next {
            Next::At(cursor) => from = Some(cursor),
            Next::End => break,
        }
    }
    assert_eq!(changed, 618);
    assert!(turns < 30, "{turns} batches for 618 rows among 60000");
    drains_step(&arena, &database, &step, 200, "since", "state <> 'closed'").await;
}

#[tokio::test]
async fn nulls_are_a_segment_of_their_own() {
    let sql = "create table item (id bigserial primary key, at date, other date) with (autovacuum_enabled = off);
      insert into item (at, other) select case when n % 3 = 0 then date '2024-01-01' + n % 3 when n % 3 = 1 then '2026-01-01' end,
        case when n % 2 = 0 then date '2024-01-01' end from generate_series(1, 3000) n;
      create index on item (at)";
    for (when_null, kept) in [
        (WhenNull::Keep, "at is null or at > '2025-01-01'"),
        (WhenNull::Delete, "at > '2025-01-01'"),
        (WhenNull::Use("other".into()), "at > '2025-01-01' or (at is null and other is null)"),
    ] {
        for rows_max in [11, 100, 1000] {
            let (arena, database) = arena(sql).await;
            let mut wanted = selection("item");
            wanted.terms.when_null = when_null.clone();
            let step = arena.step(wanted).await;
            drains_step(&arena, &database, &step, rows_max, "since", kept).await;
        }
    }
}

#[tokio::test]
async fn a_table_without_a_key_is_walked_by_row_id() {
    let sql = "create table item (n int, at date);
      insert into item select n, case when n % 2 = 0 then date '2024-01-01' when n % 3 = 0 then '2026-01-01' end
        from generate_series(1, 5000) n";
    for (rows_max, analyze) in [(1, ""), (50, "analyze item"), (700, ""), (100_000, "analyze item")] {
        let (arena, database) = arena(sql).await;
        if rows_max == 1 {
            database.sql("delete from item where n > 60").await;
        }
        database.sql(analyze).await;
        drains(&arena, &database, rows_max, "physical", "at is null or at > '2025-01-01'").await;
    }
}

#[tokio::test]
async fn scattered_rows_are_walked_by_row_id_where_many_are_due() {
    let (arena, database) = arena(
        "create table item (id bigserial primary key, at timestamptz not null);
         insert into item (at) select timestamptz '2024-01-01' + random() * interval '700 days' from generate_series(1, 20000) n;
         create index on item (at); analyze item",
    )
    .await;
    drains(&arena, &database, 500, scattered().await, "at >= '2024-12-31T23:00:00Z'").await;
    // What is left to do next time is little: the index is right for that.
    database.sql("update item set at = '2024-01-01' where id % 500 = 0; analyze item").await;
    drains(&arena, &database, 500, "since", "at >= '2024-12-31T23:00:00Z'").await;
}

#[tokio::test]
async fn a_rewritten_table_is_walked_again_from_its_start() {
    let (arena, database) = arena(
        "create table item (n int, at date); insert into item select n, '2024-01-01' from generate_series(1, 3000) n",
    )
    .await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&order(1000)).await.unwrap();
    let cursor = effect.next.cursor().cloned();
    assert!(effect.changed > 0 && cursor.is_some());
    assert_eq!(lane.commit(&arena.receipt("0", 1, cursor.clone())).await, forgetd_connector::Commit::Committed);
    database.sql("vacuum full item").await;
    // The same lane notices, and so does a new one that resumes from the cursor. Rows that some snapshot may still
    // see were copied too, so the first blocks can be empty.
    let effect = lane.change(&Order { from: cursor, ..order(1000) }).await.unwrap();
    assert!(effect.next.cursor().is_some(), "{effect:?}");
    lane.undo().await.unwrap();
    drop(lane);
    arena.drain(&step, 1000).await;
    assert_eq!(arena.count("item").await, 0);
}

#[tokio::test]
async fn rows_that_come_meanwhile_do_not_swell_a_batch() {
    let (arena, database) = arena(
        "create table item (id bigserial primary key, at date not null);
         insert into item (at) select date '2024-01-01' + n / 20 from generate_series(1, 4000) n;
         create index on item (at); analyze item",
    )
    .await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let first = lane.change(&order(100)).await.unwrap();
    lane.undo().await.unwrap();
    // The next span's end is known by now; what it holds changes.
    database.sql("insert into item (at) select date '2024-01-06' + n % 3 from generate_series(1, 3000) n").await;
    let order = Order { from: first.next.cursor().cloned(), ..order(100) };
    let second = lane.change(&order).await.unwrap();
    assert!(second.changed <= 100, "{second:?}");
    lane.undo().await.unwrap();
    drop(lane);
    drains(&arena, &database, 100, "since", "false").await;
}

#[tokio::test]
async fn inheritance_children_are_tables_of_their_own() {
    let (arena, database) = arena(
        "create table item (id bigint primary key, at date not null); create table special () inherits (item);
         insert into item values (1, '2024-01-01'); insert into special values (2, '2024-01-01')",
    )
    .await;
    let drained = arena.drain(&step(&arena, "item").await, 10).await;
    assert_eq!(drained.changed, 1);
    assert_eq!(database.texts("select id from item").await, ["2"]);
}

#[tokio::test]
async fn odd_names_are_names() {
    let (arena, database) = arena(
        "create schema \"A.b\"; create table \"A.b\".\"it\"\"em; --\" (\"I d\" int primary key, \"a't\" date);
         insert into \"A.b\".\"it\"\"em; --\" values (1, '2024-01-01'), (2, '2026-01-01')",
    )
    .await;
    let mut wanted = selection("x");
    wanted.table = forgetd_connector::TableRef { schema: Some("A.b".into()), name: "it\"em; --".into() };
    wanted.terms.since = Since::column("a't");
    forgetd_testkit::in_zone(&mut wanted, "Europe/Stockholm");
    let step = arena.step(wanted).await;
    assert_eq!(arena.drain(&step, 10).await.changed, 1);
    assert_eq!(database.texts("select \"I d\" from \"A.b\".\"it\"\"em; --\"").await, ["2"]);
}
