//! What plans and people are told about rows: months, why rows stay, one row condition by condition, the server's plans,
//! the tables there are. None of it writes.

use forgetd_connector::{
    Cause, Check, Comparison, Count, Cutoff, Except, FaultClass, Judged, KeptWhy, Key, Predicate, Profile, RowCap,
    Selection, Since, SinceForm, Value, WhenNull,
};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::conditions::{not, test};
use crate::fixture::{arena, connect, selection};
use crate::since::{column, counted_from, latest, with_form};

async fn profile(arena: &Arena, wanted: &Selection, cap: Option<u64>) -> Profile {
    arena.connector.profile(&arena.step(wanted.clone()).await, RowCap(cap)).await.unwrap()
}

fn months(profile: &Profile) -> Vec<(&str, u64)> {
    profile.months.iter().map(|month| (month.month.as_deref().unwrap_or("none"), month.rows)).collect()
}

fn kept(profile: &Profile) -> Vec<(KeptWhy, Count)> {
    profile.kept.iter().map(|kept| (kept.why.clone(), kept.rows)).collect()
}

#[tokio::test]
async fn due_rows_are_spread_by_the_months_their_columns_write() {
    for (type_name, form, values, expected) in [
        (
            "timestamptz",
            None,
            "('2024-01-01 00:30+01'), ('2024-01-31 23:59:59Z'), ('-infinity'), ('2025-02-01Z')",
            "none 1, 2023-12 1, 2024-01 1",
        ),
        ("timestamp", None, "('2024-01-01 00:30'), ('2024-01-31 23:59:59'), ('infinity')", "2024-01 2"),
        (
            "date",
            None,
            "('2023-12-31'), ('2024-01-01'), ('2024-01-31'), ('2025-01-01'), ('0044-03-15')",
            "0044-03 1, 2023-12 1, 2024-01 2",
        ),
        ("int4", Some(SinceForm::UnixS), "(0), (-1), (2678400), (2000000000)", "1969-12 1, 1970-01 1, 1970-02 1"),
        (
            "int8",
            Some(SinceForm::UnixMs),
            "(0), (-1), (2678399999), (-9223372036854775808)",
            "none 1, 1969-12 1, 1970-01 2",
        ),
        ("numeric", Some(SinceForm::UnixS), "(-0.5), (0.5), (2678400.25), ('NaN')", "1969-12 1, 1970-01 1, 1970-02 1"),
        (
            "float8",
            Some(SinceForm::Julian),
            "(2440587.5), (2440587.4999), (2440618.5), (2500000)",
            "1969-12 1, 1970-01 1, 1970-02 1",
        ),
    ] {
        let (arena, _) = arena(&format!(
            "create table item (id serial primary key, at {type_name}); insert into item (at) values {values}"
        ))
        .await;
        let since = form.map_or_else(|| column("at"), |form| with_form("at", form));
        let wanted = counted_from(Since::Column(since), WhenNull::Keep);
        let found = profile(&arena, &wanted, None).await;
        let text: Vec<String> = months(&found).iter().map(|(month, rows)| format!("{month} {rows}")).collect();
        assert_eq!((text.join(", ").as_str(), found.complete), (expected, true), "{type_name}");
    }
}

#[tokio::test]
async fn the_month_of_several_is_the_latest_ones() {
    let (arena, _) = arena(
        "create table item (id int primary key, a date, b date, c timestamptz, d timestamp, made timestamptz);
         insert into item values (1, '2024-01-05', '2024-03-05', '2024-01-31 23:30Z', '2024-02-01', null), (2, null, '2024-02-05', null, '2024-05-01', '2024-04-01'),
           (3, null, null, '2024-06-30 22:30Z', '2024-06-01', null);
         create table orders (item int, made timestamptz); insert into orders values (1, '2024-02-01Z'), (1, '2024-07-01Z'), (3, null);",
    )
    .await;
    let greatest = |names: &[&str]| Since::Greatest(names.iter().map(|name| column(name)).collect());
    for (since, when_null, expected) in [
        (greatest(&["a", "b"]), WhenNull::Delete, vec![("none", 1), ("2024-02", 1), ("2024-03", 1)]),
        // The date is the latest in Stockholm, and the instant in UTC.
        (greatest(&["a", "c"]), WhenNull::Keep, vec![("2024-01", 1), ("2024-06", 1)]),
        (greatest(&["d", "c"]), WhenNull::Keep, vec![("2024-01", 1), ("2024-05", 1), ("2024-06", 1)]),
        (Since::Column(column("a")), WhenNull::Use("b".into()), vec![("2024-01", 1), ("2024-02", 1)]),
        (latest(Some("made")), WhenNull::Keep, vec![("2024-04", 1), ("2024-07", 1)]),
        (latest(Some("a")), WhenNull::Delete, vec![("none", 2), ("2024-07", 1)]),
    ] {
        let wanted = counted_from(since, when_null);
        assert_eq!(months(&profile(&arena, &wanted, None).await), expected, "{:?}", wanted.terms.since);
    }
}

#[tokio::test]
async fn rows_stay_for_reasons_that_are_counted() {
    let (arena, _) = arena(
        "create table item (id serial primary key, at timestamptz, day date, state text);
         insert into item (at, day, state) values ('2024-01-01', '2024-01-01', 'a'), ('2024-02-01', now(), 'a'), (null, null, 'a'), (null, null, 'b'),
           (now() + interval '1 hour', now() + interval '3 days', 'a'), ('infinity', 'infinity', 'a'), ('infinity', 'infinity', 'b'), ('2025-06-01', '2025-06-01', 'a'),
           ('2024-01-01', '2024-01-01', null);
         create table orders (item int, made timestamptz); insert into orders values (1, '2999-01-01'), (2, '2024-01-01'), (3, null)",
    )
    .await;
    let wanted = |since, when_null| {
        let mut wanted = counted_from(since, when_null);
        wanted.terms.predicate = Predicate::equal("state", Value::Text("a".into()));
        wanted
    };
    let exact = |null: Option<u64>, future| {
        let null = null.map(|rows| (KeptWhy::Null, Count::Exact(rows)));
        null.into_iter().chain([(KeptWhy::Future, Count::Exact(future))]).collect::<Vec<_>>()
    };
    let at = || Since::Column(column("at"));
    let day = || Since::Column(column("day"));
    for (since, when_null, expected) in [
        (at(), WhenNull::Keep, exact(Some(1), 2)),
        (at(), WhenNull::Delete, exact(None, 2)),
        (at(), WhenNull::Use("day".into()), exact(Some(1), 2)),
        // Today is not the future, and neither is the id, which is never NULL.
        (day(), WhenNull::Keep, exact(Some(1), 2)),
        (Since::Column(with_form("id", SinceForm::UnixS)), WhenNull::Keep, exact(None, 0)),
        (Since::Greatest(vec![column("at"), column("day")]), WhenNull::Keep, exact(Some(1), 2)),
        (latest(None), WhenNull::Keep, exact(Some(4), 1)),
        (latest(None), WhenNull::Delete, exact(None, 1)),
        (latest(Some("at")), WhenNull::Keep, exact(Some(1), 3)),
    ] {
        let wanted = wanted(since, when_null);
        assert_eq!(
            kept(&profile(&arena, &wanted, None).await),
            expected,
            "{:?} {:?}",
            wanted.terms.since,
            wanted.terms.when_null
        );
    }
    let mut shielded = wanted(at(), WhenNull::Keep);
    let keep = |cutoff: &str| {
        let mut terms = counted_from(at(), WhenNull::Keep).terms;
        terms.cutoff = Cutoff(cutoff.parse().unwrap());
        terms
    };
    let rule = |name: &str, terms| Except::Kept { rule: name.into(), terms };
    shielded.except = vec![rule("longer", keep("2024-01-15T00:00:00Z")), rule("shorter", keep("2025-06-01T00:00:00Z"))];
    let mut expected = exact(Some(1), 2);
    expected.extend([
        (KeptWhy::Rule("longer".into()), Count::Exact(1)),
        (KeptWhy::Rule("shorter".into()), Count::Exact(0)),
    ]);
    let found = profile(&arena, &shielded, None).await;
    assert_eq!((kept(&found), months(&found)), (expected, vec![("2024-01", 1)]));
    // Where counting stops, it says so.
    let capped = profile(&arena, &wanted(at(), WhenNull::Keep), Some(1)).await;
    assert_eq!(months(&capped), [("2024-01", 1)]);
    assert!(!capped.complete);
    assert_eq!(kept(&capped), [(KeptWhy::Null, Count::Exact(1)), (KeptWhy::Future, Count::Capped(1))]);
    let enough = profile(&arena, &wanted(at(), WhenNull::Keep), Some(2)).await;
    assert!(enough.complete && enough.months.len() == 2, "{enough:?}");
}

async fn judged(arena: &Arena, wanted: &Selection, key: Vec<Value>) -> Option<Judged> {
    arena.connector.judge(&arena.step(wanted.clone()).await, &Key(key)).await.unwrap()
}

#[tokio::test]
async fn one_row_is_judged_condition_by_condition() {
    let (arena, database) = arena(
        "create table item (id int primary key, at timestamptz, other timestamptz, day date, state text, n int);
         insert into item values (1, '2024-01-01Z', null, '2024-06-01', 'a', 1), (2, '2026-01-01Z', null, null, 'b', 2), (3, null, '2024-01-01Z', null, null, null),
           (4, null, null, null, 'a', 1);
         create table orders (item int, made timestamptz); insert into orders values (1, '2024-03-01Z'), (1, '2024-02-01Z'), (2, '2026-02-01Z')",
    )
    .await;
    let mut wanted = counted_from(Since::Column(column("at")), WhenNull::Keep);
    wanted.terms.predicate = Predicate::All(vec![
        test("state", Check::Compare(Comparison::Equal, Value::Text("a".into()))),
        not(Predicate::Any(vec![
            test("n", Check::In(vec![Value::Int(2)])),
            test("day", Check::Null(true)),
            test("n", Check::Null(true)),
        ])),
    ]);
    wanted.terms.native = Some("n < 9".into());
    let mut keeper = counted_from(latest(None), WhenNull::Keep).terms;
    keeper.cutoff = Cutoff("2024-02-15T00:00:00Z".parse().unwrap());
    wanted.except = vec![Except::Kept { rule: "active".into(), terms: keeper }];
    let clauses = |judged: Judged| {
        let one = |clause: &forgetd_connector::Clause| {
            let holds = clause.holds.map_or("unknown", |holds| if holds { "true" } else { "false" });
            let moment = clause.moment.map_or(String::new(), |moment| format!(" {moment}"));
            format!("{:?} {holds}{moment}", clause.what)
        };
        (judged.due, judged.clauses.iter().map(one).collect::<Vec<_>>())
    };
    for (id, expected) in [
        (1, ["true 2024-01-01T00:00:00Z", "true", "true", "true", "true 2024-03-01T00:00:00Z"]),
        (2, ["false 2026-01-01T00:00:00Z", "false", "false", "true", "true 2026-02-01T00:00:00Z"]),
        (3, ["unknown", "unknown", "false", "unknown", "true"]),
        (4, ["unknown", "true", "false", "true", "true"]),
    ] {
        let names = ["Since", "Where(\"state\")", "Where(\"n, day\")", "Native", "Kept(\"active\")"];
        let expected: Vec<String> = names.iter().zip(expected).map(|(name, said)| format!("{name} {said}")).collect();
        let judged = judged(&arena, &wanted, vec![Value::Int(id)]).await.unwrap();
        assert_eq!(clauses(judged), (false, expected), "{id}");
    }
    for (since, when_null, id, due, expected) in [
        (Since::Column(column("at")), WhenNull::Use("other".into()), 3, true, "true 2024-01-01T00:00:00Z"),
        (Since::Column(column("at")), WhenNull::Delete, 3, true, "true"),
        (Since::Greatest(vec![column("at"), column("day")]), WhenNull::Keep, 1, true, "true 2024-05-31T22:00:00Z"),
        (Since::Greatest(vec![column("at"), column("other")]), WhenNull::Keep, 4, false, "unknown"),
        (latest(None), WhenNull::Keep, 1, true, "true 2024-03-01T00:00:00Z"),
        (latest(None), WhenNull::Keep, 4, false, "unknown"),
        (latest(Some("other")), WhenNull::Keep, 3, true, "true 2024-01-01T00:00:00Z"),
        (latest(Some("other")), WhenNull::Keep, 4, false, "unknown"),
        (latest(Some("other")), WhenNull::Delete, 4, true, "true"),
    ] {
        let wanted = counted_from(since, when_null);
        let judged = judged(&arena, &wanted, vec![Value::Int(id)]).await.unwrap();
        assert_eq!(clauses(judged), (due, vec![format!("Since {expected}")]), "{:?} {id}", wanted.terms.since);
    }
    assert_eq!(judged(&arena, &wanted, vec![Value::Int(5)]).await, None);
    let step = arena.step(wanted.clone()).await;
    let fault = arena.connector.judge(&step, &Key(vec![])).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::NoKey));
    database.sql("alter table item drop constraint item_pkey").await;
    let fault = arena.connector.judge(&arena.step(wanted).await, &Key(vec![])).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::NoKey));
}

#[tokio::test]
async fn a_key_is_found_by_what_a_person_writes() {
    for (type_name, value, written) in [
        (
            "uuid",
            "00000000-0000-0000-0000-00000000000a",
            Value::Typed { kind: "uuid".into(), text: "{0000000000000000000000000000000A}".into() },
        ),
        ("text", "a'b", Value::Text("a'b".into())),
        ("numeric", "1.50", Value::Typed { kind: "numeric".into(), text: "1.5".into() }),
        (
            "timestamptz",
            "2024-01-01 12:00Z",
            Value::Typed { kind: "timestamptz".into(), text: "2024-01-01T12:00:00".into() },
        ),
        ("date", "2024-01-01", Value::Typed { kind: "date".into(), text: "2024-01-01".into() }),
    ] {
        let (arena, _) = arena(&format!(
            "create table item (a {type_name}, b int, at date default '2024-01-01', primary key (a, b));
             insert into item values ('{}', 1), ('{}', 2)",
            value.replace('\'', "''"),
            value.replace('\'', "''")
        ))
        .await;
        let wanted = selection("item");
        assert!(judged(&arena, &wanted, vec![written.clone(), Value::Int(2)]).await.unwrap().due, "{type_name}");
        assert_eq!(judged(&arena, &wanted, vec![written.clone(), Value::Int(3)]).await, None);
        if type_name != "text" {
            let step = arena.step(wanted).await;
            let nonsense = Key(vec![Value::Typed { kind: type_name.into(), text: "marker".into() }, Value::Int(1)]);
            let fault = arena.connector.judge(&step, &nonsense).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Blocked(Cause::ColumnType));
            assert!(!fault.to_string().contains("marker"));
        }
    }
}

#[tokio::test]
async fn the_server_says_how_it_would_run_the_statements() {
    let (arena, database) = arena(
        "create table item (id int primary key, at timestamptz not null, state text);
         insert into item select n, timestamptz '2024-01-01' + n * interval '1 hour', 'a' from generate_series(1, 20000) n;
         create index by_time on item (at); analyze item; create table orders (item int, made timestamptz); create index by_item on orders (item)",
    )
    .await;
    let mut wanted = selection("item");
    wanted.terms.predicate = Predicate::equal("state", Value::Text("a".into()));
    for (wanted, parts) in [
        (wanted, vec!["by_time", "Delete on item", "Aggregate"]),
        (counted_from(latest(None), WhenNull::Keep), vec!["Limit", "LockRows", "Delete on item", "by_item"]),
    ] {
        let step = arena.step(wanted).await;
        let explained = arena.connector.explain(&step).await.unwrap();
        let names: Vec<&str> = explained.iter().map(|explained| explained.statement.as_str()).collect();
        assert_eq!(names, ["peek", "change", "count"]);
        let all: String = explained.iter().map(|explained| explained.text.clone()).collect();
        for part in parts {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!all.contains("actual"), "nothing was run: {all}");
    }
    assert_eq!(arena.count("item").await, 20_000);
    // A role that only looks is shown what it can be shown.
    database.sql("create role looks_only login; grant select on item to looks_only").await;
    let url = crate::server::Server::get().url_as("looks_only", database.url.rsplit('/').next().unwrap());
    let connector = connect(&url, "conformance").await.unwrap();
    let explained = connector.explain(&arena.step(selection("item")).await).await.unwrap();
    assert!(explained[0].text.contains("by_time") && explained[1].text.contains("privilege"), "{explained:?}");
    drop(connector);
    database.sql("drop owned by looks_only; drop role looks_only").await;
}

#[tokio::test]
async fn the_tables_that_the_role_can_see() {
    let (arena, database) = arena(
        "create table zebra (id int); create table \"Ape\" (id int); create view seen as select * from zebra;
         create schema other; create table other.secret (id int, name text); create table other.part (id int) partition by list (id);
         create table other.part_1 partition of other.part for values in (1); create materialized view stored as select 1;
         create role few login; grant usage on schema other to few; grant select (id) on other.secret to few",
    )
    .await;
    let names = |tables: Vec<forgetd_connector::TableRef>| tables.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = names(arena.connector.tables().await.unwrap());
    assert_eq!(all, ["other.part", "other.part_1", "other.secret", "public.Ape", "public.zebra"]);
    let url = crate::server::Server::get().url_as("few", database.url.rsplit('/').next().unwrap());
    let connector = connect(&url, "conformance").await.unwrap();
    assert_eq!(names(connector.tables().await.unwrap()), ["other.secret"]);
    drop(connector);
    database.sql("drop owned by few; drop role few").await;
}
