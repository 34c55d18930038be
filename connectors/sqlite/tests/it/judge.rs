//! One row, one statement's account, and the list of tables.

use forgetd_connector::{
    Clause, ClauseOf, Except, Joined, Judged, Key, Latest, Path, Predicate, Selection, Since, SinceColumn, SinceForm,
    TableRef, Test, Value, WhenNull,
};

use crate::fixture::{arena, selection};

const CUTOFF: &str = "2024-03-10T12:00:00Z";

fn clause(what: ClauseOf, holds: Option<bool>, moment: Option<&str>) -> Clause {
    Clause { what, holds, moment: moment.map(|text| text.parse().unwrap()) }
}

fn since(holds: Option<bool>, moment: Option<&str>) -> Clause {
    clause(ClauseOf::Since, holds, moment)
}

/// A rule with everything that can be asked of a row.
fn rule() -> Selection {
    let text = |value: &str| Value::Text(value.into());
    let mut selection = selection("item", "at", Some(SinceForm::Iso8601), CUTOFF);
    let inside = Path { column: "doc".into(), steps: vec![forgetd_connector::PathStep::Field("a.b".into())] };
    let deep =
        Predicate::Test(Test { path: inside, check: forgetd_connector::Check::Prefix("x".into()), or_null: false });
    let either = Predicate::Any(vec![Predicate::equal("state", text("b")), Predicate::equal("n", Value::Int(1)), deep]);
    selection.terms.predicate = Predicate::All(vec![Predicate::equal("state", text("a")), either]);
    selection.terms.native = Some("n".into());
    let mut terms = crate::fixture::selection("item", "until", Some(SinceForm::Date), CUTOFF).terms;
    terms.predicate = Predicate::equal("n", Value::Int(1));
    selection.except.push(Except::Kept { rule: "keeper".into(), terms });
    selection
}

#[tokio::test]
async fn every_condition_is_told_apart() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at text, state text, n, doc json, until date);
         insert into item values
           (1, '2024-03-10T11:59:59.5Z', 'a', 2, '{\"a.b\": \"xy\"}', '2020-01-01'),
           (2, '2024-03-10T12:00:00Z', 'a', 1, null, '2020-01-01'),
           (3, '2020-01-01T00:00:00+01:00', 'A', 1, '{\"a.b\": 5}', '2030-01-01'),
           (4, null, null, null, '{\"a.b\": \"y\"}', null),
           (5, 'soon', 'a', 1, '{}', 'soon'),
           (6, '2020-01-01T00:00:00Z', 'a', '1', '[]', null),
           (7, '2020-01-01T00:00:00Z', 'a', 1, null, null)",
    )
    .await;
    let step = arena.step(rule()).await;
    let judge = async |id: i64| arena.connector.judge(&step, &Key(vec![Value::Int(id)])).await.unwrap();
    let (past, kept_until) = (Some("2020-01-01T00:00:00Z"), Some("2020-01-01T23:00:00Z"));
    let [yes, no, unknown] = [Some(true), Some(false), None];
    for (id, due, (over, moment), [state, either, native], (keeps, until)) in [
        (1, true, (yes, Some("2024-03-10T11:59:59.5Z")), [yes, yes, yes], (no, kept_until)),
        (2, false, (no, Some("2024-03-10T12:00:00Z")), [yes, yes, yes], (no, kept_until)),
        (3, false, (yes, Some("2019-12-31T23:00:00Z")), [no, yes, yes], (yes, Some("2030-01-01T23:00:00Z"))),
        (4, false, (unknown, None), [unknown, unknown, unknown], (no, None)),
        (5, false, (unknown, None), [yes, yes, yes], (yes, None)),
        (6, false, (yes, past), [yes, unknown, yes], (no, None)),
        (7, false, (yes, past), [yes, yes, yes], (yes, None)),
    ] {
        let clauses = vec![
            since(over, moment),
            clause(ClauseOf::Where("state".into()), state, None),
            clause(ClauseOf::Where(r"state, n, doc.a\.b".into()), either, None),
            clause(ClauseOf::Native, native, None),
            clause(ClauseOf::Kept("keeper".into()), keeps, until),
        ];
        assert_eq!(judge(id).await, Some(Judged { due, clauses }), "row {id}");
    }
    assert_eq!(judge(8).await, None);
}

#[tokio::test]
async fn a_missing_moment_is_judged_by_what_it_means() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at date, made date);
         insert into item values (1, null, '2020-01-01'), (2, null, null), (3, 'soon', '2020-01-01');
         create table visit (item int, at date); insert into visit values (1, '2020-05-05'), (1, '2019-01-01'), (3, 'soon')",
    )
    .await;
    let zone = Some(jiff::tz::TimeZone::UTC);
    let date = |name: &str| SinceColumn { column: name.into(), zone: zone.clone(), form: Some(SinceForm::Date) };
    let on = vec![Joined { other: "item".into(), own: "id".into() }];
    let latest =
        Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at: date("at"), on, or: Some(date("made")) }));
    let greatest = Since::Greatest(vec![date("at"), date("made")]);
    let column = Since::Column(date("at"));
    for (counted, when_null, expected) in [
        (&column, WhenNull::Keep, [(None, None), (None, None), (None, None)]),
        (&column, WhenNull::Delete, [(Some(true), None), (Some(true), None), (None, None)]),
        (&column, WhenNull::Use("made".into()), [(Some(true), Some("2020-01-02")), (None, None), (None, None)]),
        (&greatest, WhenNull::Keep, [(Some(true), Some("2020-01-02")), (None, None), (None, None)]),
        (&latest, WhenNull::Keep, [(Some(true), Some("2020-05-06")), (None, None), (None, None)]),
        (&latest, WhenNull::Delete, [(Some(true), Some("2020-05-06")), (Some(true), None), (None, None)]),
    ] {
        let mut selection = selection("item", "", None, CUTOFF);
        selection.terms.since = counted.clone();
        selection.terms.when_null = when_null.clone();
        let step = arena.step(selection).await;
        for (id, (holds, moment)) in (1..).zip(expected) {
            let judged = arena.connector.judge(&step, &Key(vec![Value::Int(id)])).await.unwrap().unwrap();
            let moment = moment.map(|day| format!("{day}T00:00:00Z"));
            assert_eq!(judged.clauses, [since(holds, moment.as_deref())], "{counted} {when_null:?} row {id}");
            assert_eq!(judged.due, holds == Some(true));
        }
    }
}

#[tokio::test]
async fn a_row_is_found_by_any_key_that_a_person_can_write() {
    let (arena, _file) = arena(
        "create table item (part text not null, id int not null, at date, primary key (part, id));
         insert into item values ('p', 5, '2020-01-01');
         create table tag (name uuid primary key not null, at date); insert into tag values ('5f-x', '2020-01-01');
         create table plain (name text, at date)",
    )
    .await;
    let dated = |table: &str| selection(table, "at", Some(SinceForm::Date), CUTOFF);
    let text = |value: &str| Value::Text(value.into());
    let typed = |value: &str| Value::Typed { kind: "uuid".into(), text: value.into() };
    for (table, key, there) in [
        ("item", vec![text("p"), Value::Int(5)], true),
        ("item", vec![text("p"), text("5")], true),
        ("item", vec![text("P"), Value::Int(5)], false),
        ("tag", vec![typed("5f-x")], true),
        ("tag", vec![typed("5F-x")], false),
    ] {
        let judged = arena.connector.judge(&arena.step(dated(table)).await, &Key(key.clone())).await.unwrap();
        assert_eq!(judged.is_some(), there, "{table} {key:?}");
    }
    for (table, key) in [("plain", vec![]), ("item", vec![text("p")])] {
        let fault = arena.connector.judge(&arena.step(dated(table)).await, &Key(key)).await.unwrap_err();
        assert_eq!(fault.cause(), forgetd_connector::Cause::NoKey, "{table}");
    }
}

#[tokio::test]
async fn an_explanation_is_the_engine_s_own_and_runs_nothing() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date); create index item_at on item (at);
         insert into item (at) values ('2020-01-01');
         create table visit (item int, at date); create index visit_item on visit (item)",
    )
    .await;
    let mut by_date = selection("item", "at", Some(SinceForm::Date), CUTOFF);
    let shown = arena.connector.explain(&arena.step(by_date.clone()).await).await.unwrap();
    let names: Vec<&str> = shown.iter().map(|explained| explained.statement.as_str()).collect();
    assert_eq!(names, ["peek", "change", "count"]);
    for explained in &shown {
        assert!(explained.text.contains("item_at (at>? AND at<?)"), "{explained:?}");
    }
    let zone = Some(jiff::tz::TimeZone::UTC);
    let at = SinceColumn { column: "at".into(), zone, form: Some(SinceForm::Date) };
    let on = vec![Joined { other: "item".into(), own: "id".into() }];
    by_date.terms.since = Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at, on, or: None }));
    let shown = arena.connector.explain(&arena.step(by_date).await).await.unwrap();
    let lines: Vec<&str> = shown[1].text.lines().collect();
    assert!(lines[0].starts_with("SEARCH main.item USING INTEGER PRIMARY KEY"), "{lines:?}");
    // Not walked from the other table, and what belongs to a subquery stands below it.
    assert!(lines.iter().any(|line| line.starts_with("  SEARCH other USING INDEX visit_item")), "{lines:?}");
    assert_eq!(crate::fixture::ids(&file, "item"), [1]);
}

#[tokio::test]
async fn tables_are_listed_without_anybody_s_own() {
    let (arena, file) = arena(
        "create table b (n int); create table A (n int); create table forgetful (n int); create table sqlite3 (n int);
         create view seen as select * from b; create virtual table words using fts5 (text);
         create virtual table boxes using rtree (id, low, high);
         create table counted (id integer primary key autoincrement); insert into counted values (1); analyze",
    )
    .await;
    file.open().execute_batch("create table forgetd (n int); create temp table passing (n int)").unwrap();
    let tables = arena.connector.tables().await.unwrap();
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["A", "b", "counted", "forgetd", "forgetful", "sqlite3"]);
}
