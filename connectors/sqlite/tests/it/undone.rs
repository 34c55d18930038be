//! Which rows a transform still has to do, by markers and by how values look.

use forgetd_connector::{
    ClauseOf, Count, Cutoff, Grain, Key, Path, RowCap, Selection, Shape, Since, SinceColumn, SinceForm, Undone, Value,
    WhenNull,
};

use crate::fixture::{arena, due, selection};

const LONG_AGO: &str = "2020-01-01";

fn undone(signs: Vec<Undone>) -> Selection {
    Selection { undone: signs, ..selection("item", "at", Some(SinceForm::Date), "2024-12-31T23:30:00Z") }
}

fn other(path: &str, shape: Shape) -> Undone {
    Undone::Other { path: Path::parse(path).unwrap(), shape }
}

fn like(patterns: &[&str]) -> Shape {
    Shape::Like(patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The values of column `v`, from id 1 on, that have another shape.
async fn undone_among(type_name: &str, values: &[&str], path: &str, shape: Shape) -> Vec<i64> {
    let rows: Vec<String> = values.iter().map(|value| format!("('{LONG_AGO}', {value})")).collect();
    let (arena, _file) = arena(&format!(
        "create table item (id integer primary key, at date, v {type_name}); insert into item (at, v) values {}",
        rows.join(", ")
    ))
    .await;
    let selection = undone(vec![other(path, shape.clone())]);
    let found = due(&arena, selection.clone()).await;
    let table = arena.step(selection).await.table;
    let counted = arena.connector.count_shaped(&table, &Path::parse(path).unwrap(), &shape).await.unwrap();
    if path == "v" {
        let nothing = values.iter().filter(|value| **value == "null").count();
        assert_eq!(counted, (values.len() - nothing - found.len()) as u64, "{type_name} {shape:?}");
    }
    found
}

#[tokio::test]
async fn values_tell_whether_they_are_done() {
    for (type_name, values, shape, expected) in [
        ("text", &["null", "'x'", "''", "7", "x'00'"][..], Shape::Nothing, &[2, 3, 4, 5][..]),
        ("text", &["null", "'gone'", "'Gone'", "'gone '", "x'676f6e65'"], Shape::Constant(text("gone")), &[3, 4, 5]),
        ("text collate nocase", &["'gone'", "'Gone'"], Shape::Constant(text("gone")), &[2]),
        // A column's affinity decides what is kept of a constant.
        ("integer", &["0", "'0'", "1", "'x'", "null"], Shape::Constant(text("0")), &[3, 4]),
        ("text", &["0", "'0'", "'00'"], Shape::Constant(Value::Int(0)), &[3]),
        ("", &["0", "'0'", "0.0", "null"], Shape::Constant(Value::Int(0)), &[2, 3]),
        ("real", &["0", "0.5"], Shape::Constant(Value::Int(0)), &[2]),
        (
            "date",
            &["'2020-01-01'", "'2020-02-01'", "1577836800", "'soon'", "null"],
            Shape::Coarse(Grain::Year),
            &[2, 3, 4],
        ),
        ("integer", &["10", "15", "-20", "-15", "'ten'"], Shape::Coarse(Grain::Step("10".into())), &[2, 4, 5]),
        ("text", &["'ab'", "'abc'", "'åä'", "'å' || char(0) || 'x'", "1"], Shape::Coarse(Grain::Prefix(2)), &[2, 4]),
        (
            "text",
            &["'p1_ab'", "'P1_ab'", "'p1-ab'", "'p1_'", "'p1_ab' || char(0)", "null"],
            like(&["p1__b", "p1-%"]),
            &[2, 4, 5],
        ),
        ("text", &[r"'a\%b'", "'a%b'", "'a*b'"], like(&[r"a\%b"]), &[2, 3]),
        ("", &["12", "'12'", "x'3132'"], like(&["__"]), &[1, 3]),
        ("json", &["'null'", "null", "'{}'"], Shape::Nothing, &[1, 3]),
    ] {
        assert_eq!(undone_among(type_name, values, "v", shape.clone()).await, expected, "{type_name} {shape:?}");
    }
}

#[tokio::test]
async fn places_inside_json_tell_too() {
    let values = &[
        "null",
        r#"'{"email":"t_1"}'"#,
        r#"'{"email":"a@b"}'"#,
        r#"'{"email":null}'"#,
        "'{}'",
        r#"'{"email":7}'"#,
        "'no json'",
        r#"jsonb('{"email":"a@b"}')"#,
    ][..];
    assert_eq!(undone_among("json", values, "v.email", like(&["t__"])).await, [3, 6, 7, 8]);
    assert_eq!(undone_among("json", values, "v.email", Shape::Nothing).await, [2, 3, 6, 7, 8]);
    assert_eq!(undone_among("json", values, "v.email", Shape::Constant(text("a@b"))).await, [2, 6, 7]);
    let twice = &[
        r#"'{"email":"t_1","email":"a@b"}'"#,
        r#"'{"email":"a@b","email":"t_1"}'"#,
        r#"'{"email":"t_1","email":"t_2"}'"#,
        r#"'{"email":"t_1","email":null}'"#,
    ][..];
    assert_eq!(undone_among("json", twice, "v.email", like(&["t__"])).await, [1, 2]);
    let parents = &[r#"'{"a":{"email":"t_1"},"a":{"b":1,"email":"a@b"}}'"#, r#"'{"a":[{"email":"a@b"}]}'"#, "'[]'"][..];
    assert_eq!(undone_among("json", parents, "v.a.email", like(&["t__"])).await, [1]);
    let lists = &[
        r#"'{"items":[]}'"#,
        r#"'{"items":[{"email":"t_1"},{"email":null},{}]}'"#,
        r#"'{"items":[{"email":"t_1"},{"email":"a@b"}]}'"#,
        r#"'{"items":[{},{"email":"a@b"}]}'"#,
        r#"'{"items":{"email":"a@b"}}'"#,
        r#"'{"items":[],"items":[{"email":"t_1"},{"email":"a@b"}]}'"#,
    ][..];
    assert_eq!(undone_among("json", lists, "v.items[].email", like(&["t__"])).await, [3, 4, 6]);
}

#[tokio::test]
async fn rows_that_carry_a_token_are_counted() {
    let (arena, _file) = arena(
        r#"create table item (id integer primary key, at date, v json, mail text);
         insert into item (mail, v) values ('t_1', '{"items":[{"email":"t_1"},{"email":"t_2"}]}'),
           ('t_2', '{"items":[{"email":"a@b"},{"email":"t_2"}]}'), ('a@b', 'no json'), (null, '{"items":[null]}')"#,
    )
    .await;
    let table = arena.step(undone(vec![])).await.table;
    for (path, shape, rows) in [
        ("mail", like(&["t__"]), 2),
        ("mail", like(&["t_2", "a@%"]), 2),
        ("v.items[].email", like(&["t__"]), 2),
        ("v.items[].email", like(&["t_1"]), 1),
        ("v.items[].email", Shape::Nothing, 0),
    ] {
        let counted = arena.connector.count_shaped(&table, &Path::parse(path).unwrap(), &shape).await.unwrap();
        assert_eq!(counted, rows, "{path} {shape:?}");
    }
}

#[tokio::test]
async fn markers_tell_whether_a_row_is_done() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at text, mark text);
         insert into item (at, mark) values
           ('2020-01-01T12:00:00Z', null), ('2020-01-01T12:00:00Z', '2020-01-01T12:00:00Z'),
           ('2020-01-01T12:00:00Z', '2020-01-01T12:30:00+01:00'), ('2020-01-01T12:00:00Z', '2021-01-01T00:00:00.5Z'),
           ('2020-01-01T12:00:00Z', 'once')",
    )
    .await;
    let before = Undone::MarkedBefore { marker: "mark".into(), since: "at".into() };
    let unmarked = Undone::Unmarked("mark".into());
    for (signs, expected) in [
        (vec![unmarked.clone()], &[1][..]),
        (vec![before.clone()], &[3]),
        (vec![unmarked, before, other("mark", Shape::Constant(text("2021-01-01T00:00:00.5Z")))], &[1, 2, 3, 5]),
        (vec![], &[1, 2, 3, 4, 5]),
    ] {
        let mut selection = selection("item", "at", Some(SinceForm::Iso8601), "2024-12-31T23:30:00Z");
        selection.undone = signs;
        assert_eq!(due(&arena, selection.clone()).await, expected, "{:?}", selection.undone);
        let step = arena.step(selection.clone()).await;
        let judged = arena.connector.judge(&step, &Key(vec![Value::Int(4)])).await.unwrap().unwrap();
        let said = judged.clauses.iter().find(|clause| clause.what == ClauseOf::Undone).map(|clause| clause.holds);
        let expected = if selection.undone.is_empty() { None } else { Some(Some(expected.contains(&4))) };
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn rows_before_the_floor_are_left_to_the_next_sweep() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at date, seen date);
         insert into item (at, seen) values ('2019-12-31', '2019-01-01'), ('2020-01-01', '2019-01-01'),
           ('2020-01-02', null), (null, '2021-01-01'), (null, null), ('2018-01-01', '2021-01-01');
         create table visit (item int, at date); insert into visit values (1, '2021-01-01'), (2, '2019-01-01');",
    )
    .await;
    // In Stockholm it is 2020-01-01 already.
    let floor = Some(Cutoff("2019-12-31T23:30:00Z".parse().unwrap()));
    let plain = Selection { floor, ..undone(vec![]) };
    let column = |name: &str| SinceColumn { column: name.into(), ..plain.terms.since.single().unwrap().clone() };
    let greatest = Since::Greatest(vec![column("at"), column("seen")]);
    let latest = Since::Latest(Box::new(forgetd_connector::Latest {
        table: forgetd_connector::TableRef::parse("visit"),
        at: column("at"),
        on: vec![forgetd_connector::Joined { other: "item".into(), own: "id".into() }],
        or: Some(column("at")),
    }));
    for (since, when_null, expected) in [
        (plain.terms.since.clone(), WhenNull::Keep, &[2, 3][..]),
        (plain.terms.since.clone(), WhenNull::Delete, &[2, 3, 4, 5]),
        (plain.terms.since.clone(), WhenNull::Use("seen".into()), &[2, 3, 4]),
        (greatest.clone(), WhenNull::Keep, &[2, 3, 4, 6]),
        (greatest, WhenNull::Delete, &[2, 3, 4, 5, 6]),
        (latest.clone(), WhenNull::Keep, &[1, 3]),
        (latest, WhenNull::Delete, &[1, 3, 4, 5]),
    ] {
        let mut selection = plain.clone();
        (selection.terms.since, selection.terms.when_null) = (since, when_null.clone());
        let step = arena.step(selection.clone()).await;
        assert_eq!(due(&arena, selection).await, expected, "{} {when_null:?}", step.selection.terms.since);
        let survivors = arena.connector.survivors(&step).await.unwrap();
        assert_eq!(survivors, Count::Exact(expected.len() as u64));
    }
}

#[tokio::test]
async fn the_floor_narrows_what_an_index_leads_through() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date); create index item_at on item (at);
         insert into item (at) with recursive s (n) as (select 1 union all select n + 1 from s where n < 3000)
         select date('2010-01-01', n || ' days') from s;",
    )
    .await;
    let floor = Some(Cutoff("2018-01-01T12:00:00Z".parse().unwrap()));
    let selection = Selection { floor, ..undone(vec![]) };
    let step = arena.step(selection.clone()).await;
    let plans = arena.connector.explain(&step).await.unwrap();
    let searches = |plan: &str| plan.contains("item_at (at>? AND at<?)");
    assert!(plans.iter().all(|plan| searches(&plan.text)), "{plans:?}");
    // The first value that a lane looks at is the floor's own: one row a step, and the first is due.
    let found = due(&arena, selection).await;
    let first: String =
        file.open().query_row("select at from item where id = ?1", [found[0]], |row| row.get(0)).unwrap();
    assert_eq!(first, "2018-01-01");
    let mut lane = arena.lane(&step).await;
    let passed = lane.pass(&crate::fixture::order(1)).await.unwrap().0;
    assert_eq!(passed, 1, "no window of rows before the floor was walked");
    assert_eq!(arena.connector.measure(&step, RowCap(None)).await.unwrap().due, Count::Exact(found.len() as u64));
}
