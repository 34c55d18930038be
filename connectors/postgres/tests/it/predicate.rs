//! Exact comparison, whatever the column's own equality says.

use forgetd_connector::{Fault, Predicate, RowCap, Since, SinceColumn, SinceForm, Value};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::{Database, arena, selection};

fn equal(value: Value) -> Predicate {
    Predicate::equal("c", value)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The ids that a condition on column `c` of this type means.
async fn means(
    database: &Database,
    arena: &forgetd_testkit::Arena,
    predicate: Predicate,
) -> Result<Vec<String>, Fault> {
    let mut wanted = selection("item");
    wanted.terms.predicate = predicate;
    let step = arena.step(wanted).await;
    let due = arena.connector.measure(&step, RowCap(None)).await?.due.rows();
    let before = database.texts("select id::text from item order by id").await;
    let drained = arena.drain(&step, 100).await;
    assert_eq!(due, Some(drained.changed));
    let after = database.texts("select id::text from item order by id").await;
    Ok(before.into_iter().filter(|id| !after.contains(id)).collect())
}

#[tokio::test]
async fn text_is_compared_by_code_points() {
    for (type_name, fold) in [
        ("text", false),
        ("varchar(20)", false),
        ("char(8)", false),
        ("text collate folding", true),
        ("citext", true),
        ("name", false),
        ("word", false),
    ] {
        let (arena, database) = arena(&format!(
            "create extension citext; create domain word as varchar(30) check (value <> 'never');
             create collation folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             create table item (id int primary key, at date not null default '2024-01-01', c {type_name});
             insert into item (id, c) values (1, 'closed'), (2, 'CLOSED'), (3, 'Closed'), (4, null), (5, 'clösed')"
        ))
        .await;
        let folded = database.number("select count(*) from item where c = 'cLosed'").await;
        assert_eq!(folded > 0, fold, "{type_name}");
        assert_eq!(means(&database, &arena, equal(text("closed"))).await.unwrap(), ["1"], "{type_name}");
        let none = means(&database, &arena, equal(text("closed  "))).await.unwrap();
        assert_eq!(none, [""; 0], "{type_name}");
        let list = Predicate::one_of("c", vec![text("Closed"), text("clösed"), text("x")]);
        assert_eq!(means(&database, &arena, list).await.unwrap(), ["3", "5"], "{type_name}");
    }
}

#[tokio::test]
async fn a_literal_is_never_cut_to_the_columns_length() {
    for (type_name, stored, asked) in
        [("varchar(4)", "abcd", "abcdefgh"), ("char(4)", "abcd", "abcdefgh"), ("\"char\"", "a", "abc")]
    {
        let (arena, database) = arena(&format!(
            "create table item (id int primary key, at date default '2024-01-01', c {type_name});
             insert into item (id, c) values (1, '{stored}')"
        ))
        .await;
        assert_eq!(means(&database, &arena, equal(text(asked))).await.unwrap(), [""; 0], "{type_name}");
        assert_eq!(means(&database, &arena, equal(text(stored))).await.unwrap(), ["1"], "{type_name}");
    }
}

#[tokio::test]
async fn other_types_are_compared_as_themselves() {
    let (arena, database) = arena(
        "create type mood as enum ('sad', 'ok');
         create table item (id int primary key, at date not null default '2024-01-01', c mood, n numeric, b bool, i int2, r real);
         insert into item (id, c, n, b, i, r) values (1, 'sad', 10.250, true, 5, 10.1), (2, 'ok', 10.2501, false, 6, 10.2)",
    )
    .await;
    assert_eq!(means(&database, &arena, equal(text("sad"))).await.unwrap(), ["1"]);
    database.sql("insert into item (id, c, n, b, i, r) values (1, 'sad', 10.250, true, 5, 10.1)").await;
    for (column, value) in
        [("n", Value::Real(10.25)), ("b", Value::Bool(true)), ("i", Value::Int(5)), ("r", Value::Real(10.1))]
    {
        let predicate = Predicate::equal(column, value);
        assert_eq!(means(&database, &arena, predicate).await.unwrap(), ["1"], "{column}");
        database.sql("insert into item (id, c, n, b, i, r) values (1, 'sad', 10.250, true, 5, 10.1)").await;
    }
    // Numbers compare by value, whatever the column can hold.
    assert_eq!(means(&database, &arena, Predicate::equal("i", Value::Int(70_000))).await.unwrap(), [""; 0]);
    // What cannot be compared is refused, never guessed.
    for (column, value) in [("c", text("no such mood")), ("i", text("5")), ("b", text("t"))] {
        let predicate = Predicate::equal(column, value);
        let fault = means(&database, &arena, predicate).await.unwrap_err();
        assert_eq!(fault.cause(), forgetd_connector::Cause::ColumnType, "{column}: {fault}");
        assert!(!fault.to_string().contains("mood"), "{fault}");
    }
}

#[tokio::test]
async fn seconds_and_milliseconds_in_numbers() {
    for (type_name, form, scale) in [
        ("int4", SinceForm::UnixS, 1),
        ("int8", SinceForm::UnixMs, 1000),
        ("numeric", SinceForm::UnixS, 1),
        ("float8", SinceForm::UnixMs, 1000),
    ] {
        // The cutoff is 2024-12-31T23:00:00Z.
        let (arena, database) = arena(&format!(
            "create table item (id int primary key, at {type_name} not null); create index on item (at);
             insert into item values (1, 1735686000::int8 * {scale} - 1), (2, 1735686000::int8 * {scale})"
        ))
        .await;
        let mut wanted = selection("item");
        wanted.terms.since = Since::Column(SinceColumn { column: "at".into(), zone: None, form: Some(form) });
        let step = arena.step(wanted).await;
        for cap in [None, Some(1), Some(10)] {
            let measure = arena.connector.measure(&step, RowCap(cap)).await.unwrap();
            let oldest = measure.oldest.unwrap().to_string();
            assert!(oldest.starts_with("2024-12-31T22:59:59"), "{oldest}");
            assert_eq!(measure.due, forgetd_connector::Count::Exact(1), "one row is not more than a cap of one");
        }
        assert_eq!(arena.drain(&step, 1).await.changed, 1, "{type_name}");
        assert_eq!(database.texts("select id::text from item").await, ["2"], "{type_name}");
    }
}
