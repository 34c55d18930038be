//! Which rows are not done yet, and which are not looked at.

use forgetd_connector::{
    Cutoff, Grain, Joined, Latest, Path, RowCap, Shape, Since, SinceColumn, Step, TableRef, Undone, Value, WhenNull,
};

use forgetd_testkit::Arena;

use crate::fixture::{arena, due, selection, step};
use crate::server::Server;

fn other(path: &str, shape: Shape) -> Undone {
    Undone::Other { path: Path::parse(path).unwrap(), shape }
}

fn like(forms: &[&str]) -> Shape {
    Shape::Like(forms.iter().map(|form| (*form).into()).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Checks that of these values the former are done by the shape, and the latter are not. Rows are numbered in that order.
async fn done_and_not(type_name: &str, shape: Shape, done: &[&str], not: &[&str]) {
    // Before version 14 no numeric is without an end, and no day is taken apart that no timestamp reaches.
    let is_old = Server::get().version().await < 14;
    let known = |value: &&str| {
        !is_old
            || !matches!((type_name, *value), ("numeric", "'Infinity'" | "'-Infinity'") | ("date", "'5874897-12-01'"))
    };
    let (done, not): (Vec<&str>, Vec<&str>) =
        (done.iter().copied().filter(known).collect(), not.iter().copied().filter(known).collect());
    let values: Vec<String> = done
        .iter()
        .chain(&not)
        .enumerate()
        .map(|(n, value)| {
            let typed = if value.starts_with('\'') { format!("{value}::{type_name}") } else { (*value).to_owned() };
            let typed = typed.replace("::text collate \"und-x-icu\"", "");
            format!("({}, '2024-01-01', {typed})", n + 1)
        })
        .collect();
    let json = if type_name == "jsonb" { values.join(", ").replace(", 5)", ", '5')") } else { values.join(", ") };
    let (arena, _) = arena(&format!(
        "create table item (id int primary key, at date not null, v {type_name}); insert into item values {json}"
    ))
    .await;
    let mut selection = selection("item");
    selection.undone = vec![other("v", shape.clone())];
    let found = due(&arena, arena.step(selection.clone()).await).await.unwrap();
    let expected: Vec<String> = (done.len() + 1..=done.len() + not.len()).map(|n| n.to_string()).collect();
    assert_eq!(found, expected, "{type_name} {shape:?}");
    let table = arena.step(selection).await.table;
    let alike = arena.connector.count_shaped(&table, &Path::parse("v").unwrap(), &shape).await.unwrap();
    let nulls = done.iter().filter(|value| matches!(**value, "null" | "'null'")).count();
    assert_eq!(alike, (done.len() - nulls) as u64, "{type_name} {shape:?}");
}

#[tokio::test]
async fn values_are_done_by_their_shape() {
    for (type_name, shape, done, not) in [
        ("text", Shape::Nothing, &["null"][..], &["''", "'x'"][..]),
        ("text", Shape::Constant(text("gone")), &["null", "'gone'"], &["'Gone'", "'gone '", "''"]),
        ("text collate \"und-x-icu\"", Shape::Constant(text("é")), &["'é'"], &["'e' || U&'\\0301'", "'É'"]),
        ("char(6)", Shape::Constant(text("gone")), &["null", "'gone'"], &["'gon'"]),
        ("int", Shape::Constant(Value::Int(0)), &["null", "0"], &["1", "-1"]),
        ("numeric", Shape::Constant(Value::Int(0)), &["null", "0", "0.00"], &["0.1", "'NaN'", "'Infinity'"]),
        ("double precision", Shape::Constant(Value::Real(0.5)), &["0.5"], &["0.25", "'NaN'"]),
        ("boolean", Shape::Constant(Value::Bool(false)), &["null", "false"], &["true"]),
        (
            "uuid",
            Shape::Constant(text("00000000-0000-0000-0000-000000000000")),
            &["null", "'00000000-0000-0000-0000-000000000000'"],
            &["gen_random_uuid()"],
        ),
        ("date", Shape::Constant(text("1900-01-01")), &["null", "'1900-01-01'"], &["'1900-01-02'", "'infinity'"]),
        (
            "timestamptz",
            Shape::Constant(text("1900-01-01T00:00:00Z")),
            &["'1900-01-01 01:00+01'"],
            &["'1900-01-01 00:00+01'"],
        ),
        (
            "jsonb",
            Shape::Constant(text("{\"b\": 1, \"a\": 2}")),
            &["null", "'{\"a\":2,\"b\":1}'"],
            &["'{\"a\":2}'", "'null'"],
        ),
        (
            "text",
            like(&["p1_____@x.invalid", "p2%"]),
            &["null", "'p1abcde@x.invalid'", "'p1é漢🙂de@x.invalid'", "'p2'"],
            &["'p1abcd@x.invalid'", "'P2'", "''", "'xp2'"],
        ),
        ("text", like(&["a\\_c"]), &["'a\\bc'"], &["'a_c'", "'a\\c'"]),
        ("text", like(&[]), &["null"], &["'a'"]),
        (
            "uuid",
            like(&["________-____-8___-9%"]),
            &["'DEADBEEF-0000-8000-9000-000000000000'"],
            &["'00000000-0000-4000-9000-000000000000'"],
        ),
        ("inet", like(&["fd00:%"]), &["'fd00:1::1'", "'FD00:A::1'"], &["'10.0.0.1'", "'fe80::1'"]),
        ("inet", like(&["10.0.0.1"]), &["'10.0.0.1'"], &["'10.0.0.1/8'"]),
        ("jsonb", like(&["p%"]), &["null", "'null'", "'\"p1\"'"], &["'\"x\"'", "5", "'[\"p1\"]'"]),
    ] {
        done_and_not(type_name, shape, done, not).await;
    }
}

#[tokio::test]
async fn values_are_done_when_they_are_coarse() {
    for (type_name, shape, done, not) in [
        (
            "timestamptz",
            Shape::Coarse(Grain::Day),
            &["null", "'2020-05-06 02:00+02'", "'infinity'", "'-infinity'"][..],
            &["'2020-05-06 00:00+02'"][..],
        ),
        (
            "timestamptz",
            Shape::Coarse(Grain::Year),
            &["'2020-01-01 00:00Z'", "'0044-01-01 00:00Z BC'"],
            &["'2020-01-01 00:00:00.000001Z'"],
        ),
        (
            "timestamp",
            Shape::Coarse(Grain::Quarter),
            &["'2020-04-01'", "'infinity'"],
            &["'2020-03-01'", "'2020-04-01 01:00'"],
        ),
        ("date", Shape::Coarse(Grain::Day), &["null", "'2020-04-02'", "'infinity'"], &[]),
        (
            "date",
            Shape::Coarse(Grain::Month),
            &["'2020-04-01'", "'infinity'", "'5874897-12-01'"],
            &["'2020-04-02'", "'0044-03-15 BC'"],
        ),
        ("date", Shape::Coarse(Grain::Quarter), &["'2020-10-01'", "'0044-01-01 BC'"], &["'2020-11-01'"]),
        ("date", Shape::Coarse(Grain::Year), &["'2020-01-01'", "'-infinity'"], &["'2020-02-01'"]),
        (
            "int",
            Shape::Coarse(Grain::Step("10".into())),
            &["null", "0", "10", "-20", "2147483640"],
            &["1", "-1", "-2147483648"],
        ),
        (
            "bigint",
            Shape::Coarse(Grain::Step("3".into())),
            &["9223372036854775806", "-9223372036854775806"],
            &["9223372036854775807", "-9223372036854775808"],
        ),
        (
            "numeric",
            Shape::Coarse(Grain::Step("0.25".into())),
            &["null", "0.750", "-0.25", "'NaN'", "'Infinity'", "'-Infinity'"],
            &["0.1", "0.12", "-0.3", "12345678901234567890123456789.3"],
        ),
        (
            "double precision",
            Shape::Coarse(Grain::Step("0.5".into())),
            &["1.5", "-2", "'NaN'", "'Infinity'", "'-Infinity'", "1e300"],
            &["0.3", "-0.2", "1e-310"],
        ),
        (
            "real",
            Shape::Coarse(Grain::Step("10".into())),
            &["10", "-20", "'NaN'", "'Infinity'", "3e38"],
            &["5", "-1", "1e-40"],
        ),
    ] {
        done_and_not(type_name, shape, done, not).await;
    }
}

#[tokio::test]
async fn texts_and_addresses_are_done_when_they_are_short() {
    for (type_name, shape, done, not) in [
        ("text", Shape::Coarse(Grain::Prefix(2)), &["null", "''", "'ab'", "'🙂é'"][..], &["'abc'", "'🙂éx'"][..]),
        ("char(6)", Shape::Coarse(Grain::Prefix(2)), &["'ab'", "'a'"], &["'abc'"]),
        (
            "inet",
            Shape::Coarse(Grain::Network { v4: 24, v6: 48 }),
            &["null", "'10.1.2.0/24'", "'10.0.0.0/8'", "'2001:db8::/48'"],
            &["'10.1.2.0'", "'10.1.2.3'", "'10.1.2.3/8'", "'2001:db8::1'"],
        ),
        ("cidr", Shape::Coarse(Grain::Network { v4: 0, v6: 0 }), &["'0.0.0.0/0'", "'::/0'"], &["'10.0.0.0/8'"]),
    ] {
        done_and_not(type_name, shape, done, not).await;
    }
}

/// Behind `[]` one element of another shape is enough; what is no array, or not there, has none.
#[tokio::test]
async fn json_is_done_when_every_place_is() {
    for family in ["json", "jsonb"] {
        let (arena, _) = arena(&format!(
            "create table item (id int primary key, at date not null, v {family});
             insert into item values
               (1, '2024-01-01', null), (2, '2024-01-01', 'null'), (3, '2024-01-01', '{{}}'),
               (4, '2024-01-01', '{{\"items\": []}}'), (5, '2024-01-01', '{{\"items\": [{{\"email\": \"p1\"}}]}}'),
               (6, '2024-01-01', '{{\"items\": [{{\"email\": \"p1\"}}, {{\"email\": null}}, {{}}, 7]}}'),
               (7, '2024-01-01', '{{\"items\": \"x\"}}'),
               (8, '2024-01-01', '{{\"items\": [{{\"email\": \"p1\"}}, {{\"email\": \"a\"}}]}}'),
               (9, '2024-01-01', '{{\"items\": [{{\"email\": 5}}]}}')"
        ))
        .await;
        let path = "v.items[].email";
        for (shape, expected, alike) in [
            (like(&["p%"]), &["8", "9"][..], 3),
            (Shape::Nothing, &["5", "6", "8", "9"], 0),
            (Shape::Constant(text("p1")), &["8", "9"], 3),
            (Shape::Constant(Value::Int(5)), &["5", "6", "8"], 1),
            (Shape::Constant(Value::Bool(true)), &["5", "6", "8", "9"], 0),
        ] {
            let mut selection = selection("item");
            selection.undone = vec![other(path, shape.clone())];
            let step = arena.step(selection).await;
            let found = arena.connector.count_shaped(&step.table, &Path::parse(path).unwrap(), &shape).await.unwrap();
            assert_eq!(found, alike, "{family} {shape:?}");
            assert_eq!(due(&arena, step).await.unwrap(), expected, "{family} {shape:?}");
        }
    }
}

/// Readers see the last of several members of one name; what is stored is all of them. Nor does an escape that stands for
/// no text stop anything.
#[tokio::test]
async fn every_member_of_a_repeated_name_is_looked_at() {
    let (arena, _) = arena(
        r#"create table item (id int primary key, at date not null, v json);
         insert into item values (1, '2024-01-01', '{"email": "p1", "email": "p2"}'),
           (2, '2024-01-01', '{"email": "a", "email": "p2"}'), (3, '2024-01-01', '{"email": "p1", "email": "a"}'),
           (4, '2024-01-01', '{"email": "p\u0000"}'), (5, '2024-01-01', '["email"]')"#,
    )
    .await;
    let mut selection = selection("item");
    selection.undone = vec![other("v.email", like(&["p%"]))];
    let step = arena.step(selection).await;
    assert_eq!(due(&arena, step).await.unwrap(), ["2", "3", "4"]);
}

#[tokio::test]
async fn one_sign_is_enough_and_the_marker_is_one() {
    let (arena, _) = arena(
        "create table item (id int primary key, at timestamptz not null, done timestamptz, v text);
         insert into item values (1, '2024-01-01', null, null), (2, '2024-01-01', '2024-01-02', null),
           (3, '2024-01-01', '2023-12-31', null), (4, '2024-01-01', '2024-01-01', null), (5, '2024-01-01', '2024-01-02', 'x')",
    )
    .await;
    let marked =
        vec![Undone::Unmarked("done".into()), Undone::MarkedBefore { marker: "done".into(), since: "at".into() }];
    let with_value = [marked.clone(), vec![other("v", Shape::Nothing)]].concat();
    for (undone, expected) in
        [(vec![], &["1", "2", "3", "4", "5"][..]), (marked, &["1", "3"]), (with_value, &["1", "3", "5"])]
    {
        let mut selection = selection("item");
        selection.undone = undone;
        let step = arena.step(selection).await;
        let measured = arena.connector.measure(&step, RowCap(None)).await.unwrap().due;
        assert_eq!(measured, forgetd_connector::Count::Exact(expected.len() as u64));
        assert_eq!(due(&arena, step).await.unwrap(), expected);
    }
}

/// A floor leaves out what lies before it, and nothing without a moment.
#[tokio::test]
async fn rows_before_the_floor_are_left_out() {
    let (arena, _) = arena(
        "create table item (id int primary key, at date, b date);
         create table visit (item int, at timestamptz);
         insert into item values (1, '2020-01-01', '2020-01-01'), (2, '2022-01-01', '2020-01-01'), (3, '2020-01-01', '2022-01-01'),
           (4, null, '2020-01-01'), (5, null, '2022-01-01'), (6, null, null), (7, '2021-01-01', '2021-01-01'),
           (8, '2020-12-31', '2020-12-31');
         insert into visit values (1, '2020-06-01'), (2, '2020-06-01'), (2, '2022-06-01'), (3, null)",
    )
    .await;
    let day = |column: &str| {
        let mut since = selection("item").terms.since;
        if let Since::Column(since) = &mut since {
            since.column = column.into();
        }
        since
    };
    let Since::Column(at) = day("at") else { unreachable!() };
    let Since::Column(b) = day("b") else { unreachable!() };
    let latest = |or: Option<SinceColumn>| {
        let on = vec![Joined { other: "item".into(), own: "id".into() }];
        let at = SinceColumn { column: "at".into(), zone: None, form: None };
        Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at, on, or }))
    };
    // The day before begins in the zone of the column.
    let floor = Cutoff("2020-12-31T23:00:00Z".parse().unwrap());
    for (since, when_null, expected) in [
        (day("at"), WhenNull::Keep, &["2", "7"][..]),
        (day("at"), WhenNull::Delete, &["2", "4", "5", "6", "7"]),
        (day("at"), WhenNull::Use("b".into()), &["2", "5", "7"]),
        (Since::Greatest(vec![at.clone(), b.clone()]), WhenNull::Keep, &["2", "3", "5", "7"]),
        (Since::Greatest(vec![at, b.clone()]), WhenNull::Delete, &["2", "3", "5", "6", "7"]),
        (latest(None), WhenNull::Keep, &["2"]),
        (latest(None), WhenNull::Delete, &["2", "3", "4", "5", "6", "7", "8"]),
        (latest(Some(b)), WhenNull::Keep, &["2", "3", "5", "7"]),
    ] {
        let mut selection = selection("item");
        selection.terms.since = since.clone();
        selection.terms.when_null = when_null.clone();
        selection.floor = Some(floor);
        let step = arena.step(selection).await;
        assert_eq!(due(&arena, step).await.unwrap(), expected, "{since:?} {when_null:?}");
    }
}

/// What lies before the floor is not read: neither when a span's end is looked up, nor when rows are counted.
#[tokio::test]
async fn a_floor_narrows_what_is_read() {
    for (nullable, when_null) in
        [("not null", WhenNull::Keep), ("", WhenNull::Keep), ("", WhenNull::Delete), ("", WhenNull::Use("b".into()))]
    {
        let (arena, _) = arena(&format!(
            "create table item (id int primary key, at timestamptz {nullable}, v text, b timestamptz);
             create index on item (at);
             insert into item select n, timestamptz '2020-01-01' + n * interval '1 minute', 'x' from generate_series(1, 20000) n;
             analyze item"
        ))
        .await;
        let mut step = step(&arena, "item").await;
        step.selection.terms.when_null = when_null.clone();
        step.selection.undone = vec![other("v", Shape::Nothing)];
        step.selection.floor = Some(Cutoff("2020-01-14T20:00:00Z".parse().unwrap()));
        step.action = forgetd_connector::Action::Delete;
        narrowed(&arena, &step, when_null == WhenNull::Keep).await;
    }
}

/// Both ends of the range are the index's own; of a count, where no row without a moment is looked at.
async fn narrowed(arena: &Arena, step: &Step, counts: bool) {
    for explained in arena.connector.explain(step).await.unwrap() {
        if explained.statement == "count" && !counts {
            continue;
        }
        let bounded = explained.text.contains("Index Cond: ((at >= ") || explained.text.contains("Index Cond: ((at < ");
        let cond = explained.text.lines().find(|line| line.contains("Index Cond")).unwrap_or_default();
        let both = cond.contains("at >=") && cond.contains("at <");
        // One range, given as such: what the planner makes of a condition in two parts is its own to choose.
        let whole = !explained.text.contains("BitmapOr");
        assert!(bounded && both && whole, "{}: {}", explained.statement, explained.text);
    }
}
