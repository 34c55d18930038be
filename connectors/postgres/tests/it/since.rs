//! What a period can count from: several columns, another table, day numbers, the ends of time.

use forgetd_connector::{
    Cause, Cutoff, Except, FaultClass, Joined, Latest, Predicate, RowCap, Selection, Since, SinceColumn, SinceForm,
    TableRef, Value, WhenNull,
};
use forgetd_testkit::{Arena, TestDatabase as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::fixture::{arena, due, selection};

/// A column with the zone of Stockholm, which only naive times and dates ask for.
pub(crate) fn column(name: &str) -> SinceColumn {
    SinceColumn { column: name.into(), zone: Some(TimeZone::get("Europe/Stockholm").unwrap()), form: None }
}

pub(crate) fn with_form(name: &str, form: SinceForm) -> SinceColumn {
    SinceColumn { form: Some(form), zone: None, ..column(name) }
}

/// The latest `made` among the rows of `orders` whose `item` is the row's `id`.
pub(crate) fn latest(or: Option<&str>) -> Since {
    Since::Latest(Box::new(Latest {
        table: TableRef::parse("public.orders"),
        at: column("made"),
        on: vec![Joined { other: "item".into(), own: "id".into() }],
        or: or.map(column),
    }))
}

pub(crate) fn counted_from(since: Since, when_null: WhenNull) -> Selection {
    let mut wanted = selection("item");
    wanted.terms.since = since;
    wanted.terms.when_null = when_null;
    wanted
}

/// Looks that these rows are due, counted and picked, and that the earliest of their moments is this one.
async fn means(arena: &Arena, wanted: &Selection, ids: &str, oldest: Option<&str>) {
    let step = arena.step(wanted.clone()).await;
    let expected: Vec<&str> = ids.split_whitespace().collect();
    let what = format!("{:?} {:?}", wanted.terms.since, wanted.terms.when_null);
    assert_eq!(due(arena, step.clone()).await.unwrap(), expected, "{what}");
    for cap in [None, Some(2)] {
        let measure = arena.connector.measure(&step, RowCap(cap)).await.unwrap();
        assert_eq!(measure.due.rows(), Some(expected.len().min(cap.unwrap_or(99) as usize) as u64), "{what}");
        let oldest: Option<Timestamp> = oldest.map(|text| text.parse().unwrap());
        assert_eq!(measure.oldest, oldest, "{what}, at most {cap:?}");
    }
    assert_eq!(arena.connector.survivors(&step).await.unwrap().rows(), Some(expected.len() as u64), "{what}");
}

#[tokio::test]
async fn the_greatest_of_several_columns() {
    let (arena, database) = arena(
        "create table item (id int primary key, a timestamptz, b date, c bigint, d timestamptz not null default '2024-01-02');
         insert into item (id, a, b, c) values
           (1, '2024-03-01 12:00Z', '2024-02-01', null), (2, '2024-03-01', '2026-02-01', null), (3, null, '2024-02-01', null),
           (4, null, null, null), (5, '2026-01-01', null, 0), (6, null, null, 1704067200), (7, 'infinity', '2024-01-01', null),
           (8, '-infinity', null, null), (9, '2024-01-01', 'infinity', null), (10, '2024-12-31 22:59:59.999999Z', '2024-12-31', null),
           (11, '2024-12-31 23:00Z', null, null), (12, null, '2025-01-01', null)",
    )
    .await;
    let greatest = |names: &[&str]| {
        Since::Greatest(
            names
                .iter()
                .map(|name| match *name {
                    "c" => with_form("c", SinceForm::UnixS),
                    name => column(name),
                })
                .collect(),
        )
    };
    let (keep, delete) = (WhenNull::Keep, WhenNull::Delete);
    for indexed in ["", "create index on item (a)", "create index on item (b)"] {
        database.sql(indexed).await;
        // The date of the 31st begins in Stockholm before the moment beside it; the day is over at the cutoff.
        means(&arena, &counted_from(greatest(&["a", "b"]), keep.clone()), "1 3 8 10", Some("2024-01-31T23:00:00Z"))
            .await;
        means(
            &arena,
            &counted_from(greatest(&["a", "b"]), delete.clone()),
            "1 3 4 6 8 10",
            Some("2024-01-31T23:00:00Z"),
        )
        .await;
        means(
            &arena,
            &counted_from(greatest(&["b", "a", "c"]), keep.clone()),
            "1 3 6 8 10",
            Some("2024-01-01T00:00:00Z"),
        )
        .await;
        means(
            &arena,
            &counted_from(greatest(&["a", "d"]), keep.clone()),
            "1 2 3 4 6 8 9 10 12",
            Some("2024-01-02T00:00:00Z"),
        )
        .await;
    }
    let used = counted_from(greatest(&["a", "b"]), WhenNull::Use("d".into()));
    let fault = due(&arena, arena.step(used).await).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::Unsupported));
}

/// Every due row is met once, whichever of the columns leads the walk.
#[tokio::test]
async fn the_greatest_is_walked_in_order_of_one_column() {
    for index in ["create index on item (a)", "create index on item (b)", "alter table item drop constraint item_pkey"]
    {
        for rows_max in [1, 30, 1000] {
            let (arena, database) = arena(&format!(
                "create table item (id int primary key, a date, b date);
                 insert into item select n, case when n % 3 > 0 then date '2024-12-20' + n % 20 end,
                   case when n % 5 > 0 then date '2024-12-20' + n % 17 end from generate_series(1, 400) n;
                 {index}; analyze item"
            ))
            .await;
            let wanted = counted_from(Since::Greatest(vec![column("a"), column("b")]), WhenNull::Keep);
            let step = arena.step(wanted).await;
            let kept =
                "select id::text from item where greatest(a, b) >= '2025-01-01' or coalesce(a, b) is null order by id";
            let expected = database.texts(kept).await;
            let drained = arena.drain(&step, rows_max).await;
            assert_eq!(database.texts("select id::text from item order by id").await, expected, "{index} {rows_max}");
            assert_eq!((drained.passed, drained.locked), (0, 0));
            assert!(drained.batch_rows_max <= u64::from(rows_max));
        }
    }
}

const ORDERS: &str = "create table item (id int primary key, at timestamptz, n int8);
  create table orders (id serial primary key, item int8, made timestamptz, day date, paid int8);
  insert into item values (1, '2024-05-01'), (2, '2024-05-01'), (3, '2026-05-01'), (4, null), (5, '2024-04-01'), (6, null), (7, '2024-05-01'),
    (8, '2024-05-01'), (9, '2024-05-01'), (10, '2024-05-01');
  insert into orders (item, made, day, paid) values (1, '2024-01-01Z', '2024-01-01', 1704067200), (1, '2024-02-01Z', '2024-02-01', 0),
    (2, '2024-01-01', '2024-01-01', 0), (2, '2026-01-01', '2026-01-01', 1767225600), (5, null, null, null),
    (6, '2024-06-01', '2024-06-01', 1717200000), (6, null, null, null), (7, 'infinity', 'infinity', 99999999999),
    (8, '-infinity', '-infinity', -99999999999), (9, '2024-12-31 23:00Z', '2025-01-01', 1735686000), (10, '2024-12-31 22:59Z', '2024-12-31', 1735685999),
    (null, '2026-01-01', '2026-01-01', 0);";

#[tokio::test]
async fn the_latest_activity_elsewhere() {
    for index in ["", "create index on orders (item)", "create index on orders (item, made)"] {
        let (arena, database) = arena(&format!("{ORDERS} {index}")).await;
        let (keep, delete) = (WhenNull::Keep, WhenNull::Delete);
        let activity = Some("2024-02-01T00:00:00Z");
        for (or, when_null, ids) in [
            (None, &keep, "1 6 8 10"),
            (None, &delete, "1 3 4 5 6 8 10"),
            (Some("at"), &keep, "1 5 6 8 10"),
            (Some("at"), &delete, "1 4 5 6 8 10"),
        ] {
            means(&arena, &counted_from(latest(or), when_null.clone()), ids, activity).await;
        }
        for (form, at) in [(None, "day"), (Some(SinceForm::UnixS), "paid")] {
            let Since::Latest(mut since) = latest(Some("at")) else { unreachable!() };
            since.at = SinceColumn { form, ..column(at) };
            let wanted = counted_from(Since::Latest(since), keep.clone());
            let oldest = if at == "day" { "2024-01-31T23:00:00Z" } else { "2024-01-01T00:00:00Z" };
            means(&arena, &wanted, "1 5 6 8 10", Some(oldest)).await;
        }
        // A condition on the row beside it, and rows of a partition count like others.
        let mut wanted = counted_from(latest(Some("at")), keep);
        wanted.terms.predicate = Predicate::one_of("id", vec![Value::Int(1), Value::Int(5), Value::Int(7)]);
        means(&arena, &wanted, "1 5", activity).await;
        database
            .sql("create table archive () inherits (orders); insert into archive (item, made) values (1, '2026-01-01')")
            .await;
        means(&arena, &wanted, "5", Some("2024-04-01T00:00:00Z")).await;
    }
}

#[tokio::test]
async fn activity_lies_in_every_partition_and_is_joined_exactly() {
    let (arena, _) = arena(
        "create extension citext;
         create table item (id int primary key, region text, mail citext, code char(4));
         create table orders (region varchar(9), mail citext, code text, made date) partition by list (region);
         create table orders_north partition of orders for values in ('north');
         create table orders_south partition of orders for values in ('south');
         insert into item values (1, 'north', 'a', 'x'), (2, 'south', 'A', 'x'), (3, 'south', 'a', 'x'), (4, null, 'a', 'x'), (5, 'north', 'a', 'y');
         insert into orders values ('north', 'a', 'x', '2024-01-01'), ('south', 'A', 'x', '2024-01-01'), ('south', 'a', 'x', '2026-01-01')",
    )
    .await;
    let on = |other: &str| Joined { other: other.into(), own: other.into() };
    let Since::Latest(mut since) = latest(None) else { unreachable!() };
    since.on = vec![on("region"), on("mail"), on("code")];
    let wanted = counted_from(Since::Latest(since), WhenNull::Keep);
    means(&arena, &wanted, "1 2", Some("2023-12-31T23:00:00Z")).await;
}

#[tokio::test]
async fn days_are_numbered_from_noon() {
    // The cutoff is 2024-12-31T23:00:00Z: 2460676.458333.. days.
    for (type_name, values, ids) in [
        ("int4", "2460675, 2460676, 2460677", "1"),
        ("int8", "2460674, 2460675, 2460676", "1 2"),
        ("numeric", "2460676.4583333333, 2460676.4583333334, 2460676", "1 3"),
        ("float8", "2460676.458333332, 2460676.458333334, 2460676.25", "1 3"),
        ("float8", "'-infinity', 'infinity', 'nan'", "1"),
    ] {
        let [a, b, c] = values.split(", ").collect::<Vec<_>>().try_into().unwrap();
        let (arena, database) = arena(&format!(
            "create table item (id int primary key, at {type_name}); create index on item (at);
             insert into item values (1, {a}), (2, {b}), (3, {c}), (4, null)"
        ))
        .await;
        let wanted = counted_from(Since::Column(with_form("at", SinceForm::Julian)), WhenNull::Keep);
        let step = arena.step(wanted).await;
        assert_eq!(due(&arena, step.clone()).await.unwrap(), ids.split_whitespace().collect::<Vec<_>>(), "{type_name}");
        let oldest = arena.connector.measure(&step, RowCap(None)).await.unwrap().oldest.map(|at| at.to_string());
        if type_name == "int4" {
            assert_eq!(oldest.as_deref(), Some("2024-12-30T12:00:00Z"));
        }
        assert_eq!(arena.drain(&step, 1).await.changed as usize, ids.split_whitespace().count());
        assert_eq!(database.number("select count(*) from item where at is null").await, 1);
    }
}

/// What other rules keep stays, as long as their own period runs or nobody knows that it is over.
#[tokio::test]
async fn what_another_rule_keeps_stays() {
    let (arena, _) = arena(
        "create table item (id int primary key, at date not null default '2024-01-01', signed date, kind text, n int);
         insert into item (id, signed, kind, n) values (1, '2015-01-01', 'contract', 1), (2, '2020-01-01', 'contract', 1),
           (3, null, 'contract', 1), (4, '2020-01-01', 'note', 1), (5, '2020-01-01', null, 1), (6, '2020-01-01', 'contract', null);
         create table orders (item int, made date); insert into orders values (4, '2024-06-01'), (1, '2010-01-01')",
    )
    .await;
    let keep = |since: Since, when_null: WhenNull| {
        let mut terms = counted_from(since, when_null).terms;
        terms.cutoff = Cutoff("2017-01-01T00:00:00Z".parse().unwrap());
        terms
    };
    let kept = |terms| Except::Kept { rule: "keep-contracts".into(), terms };
    let signed = || Since::Column(column("signed"));
    let contract = Predicate::equal("kind", Value::Text("contract".into()));
    let mut contracts = keep(signed(), WhenNull::Keep);
    contracts.predicate = contract.clone();
    let mut null_goes = keep(signed(), WhenNull::Delete);
    null_goes.predicate = contract.clone();
    let mut native = contracts.clone();
    native.native = Some("n = 1".into());
    let everything = keep(signed(), WhenNull::Keep);
    let by_orders = keep(latest(None), WhenNull::Delete);
    let mut inner = selection("item");
    inner.terms.predicate = contract;
    inner.except = vec![kept(null_goes.clone())];
    for (except, ids) in [
        (vec![], "1 2 3 4 5 6"),
        (vec![kept(contracts.clone())], "1 4 5"),
        (vec![kept(null_goes)], "1 3 4 5"),
        (vec![kept(native)], "1 4 5 6"),
        (vec![kept(everything)], "1"),
        (vec![kept(contracts), kept(by_orders)], "1 5"),
        (vec![Except::Due(Box::new(inner))], "2 4 5 6"),
    ] {
        let mut wanted = selection("item");
        wanted.except = except;
        means(&arena, &wanted, ids, Some("2023-12-31T23:00:00Z")).await;
        let step = arena.step(wanted.clone()).await;
        let shown = arena.connector.statements(&step).unwrap();
        assert!(shown.count.contains(&shown.predicate) && shown.change.contains(&shown.predicate));
    }
}
