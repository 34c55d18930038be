//! Which rows are due where the engine's own comparison says something else than the rule.

use crate::fixture::{arena, selection};
use crate::server::Product;
use forgetd_connector::{
    Cause, Check, Comparison, Connector, Joined, Key, Latest, Path, Predicate, RowCap, Selection, Since, SinceColumn,
    Step, TableRef, Test, Value, WhenNull,
};

async fn due(connector: &dyn Connector, step: &Step) -> Option<u64> {
    connector.measure(step, RowCap(None)).await.unwrap().due.rows()
}

fn column(name: &str) -> SinceColumn {
    SinceColumn { column: name.into(), zone: Some(jiff::tz::TimeZone::UTC), form: None }
}

/// Rows of `item` that count from the latest row of `activity` whose `item` is their `id`.
fn latest(or: Option<&str>) -> Selection {
    let mut selection = selection("item");
    selection.terms.since = Since::Latest(Box::new(Latest {
        table: TableRef::parse("activity"),
        at: column("at"),
        on: vec![Joined { other: "item".into(), own: "id".into() }],
        or: or.map(column),
    }));
    selection
}

#[tokio::test]
async fn a_date_without_a_year_is_no_moment() {
    for product in Product::each() {
        for kind in ["date", "datetime", "datetime(6)"] {
            let sql = format!(
                "create table item (id int primary key, at {kind} not null, key (at));
                 insert into item values (1, '0000-05-05'), (2, '0001-05-05'), (3, '2020-00-05'), (4, '2026-01-01')"
            );
            let (arena, _database) = arena(product, &sql).await;
            for (when_null, rows) in [(WhenNull::Keep, 1), (WhenNull::Delete, 3)] {
                let mut selection = selection("item");
                selection.terms.when_null = when_null;
                let step = arena.step(selection).await;
                assert_eq!(due(&*arena.connector, &step).await, Some(rows), "{product:?} {kind}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_foreign_key_takes_for_the_rows_own_keeps_it() {
    for product in Product::each() {
        let sql = "create table item (id varchar(9) collate utf8mb4_general_ci primary key, at datetime);
             create table activity (n int primary key, item varchar(9) collate utf8mb4_general_ci, at datetime,
               foreign key (item) references item (id));
             insert into item values ('abc', '2020-01-01'), ('def', '2020-01-01'), ('ghi', '2020-01-01');
             insert into activity values (1, 'abc', '2020-01-01'), (2, 'ABC', '2026-01-01'), (3, 'def', '2020-01-01'),
               (4, 'GHI', null)";
        let (arena, _database) = arena(product, sql).await;
        for (or, rows) in [(None, 1), (Some("at"), 2)] {
            let step = arena.step(latest(or)).await;
            assert_eq!(due(&*arena.connector, &step).await, Some(rows), "{product:?} {or:?}");
        }
    }
}

#[tokio::test]
async fn columns_that_only_look_alike_are_not_joined() {
    for product in Product::each() {
        for (own, other, joined) in [
            ("int", "bigint unsigned", true),
            ("int", "decimal(9,2)", true),
            ("binary(4)", "varbinary(4)", true),
            ("int", "enum('2','1')", false),
            ("int", "varbinary(9)", false),
            ("date", "int", false),
            ("int", "varchar(9)", false),
        ] {
            let sql = format!(
                "create table item (id {own} primary key, at datetime); create table activity (item {other}, at datetime)"
            );
            let (arena, _database) = arena(product, &sql).await;
            let step = arena.step(latest(None)).await;
            let cause = arena.connector.measure(&step, RowCap(None)).await.err().map(|fault| fault.cause());
            assert_eq!(cause, (!joined).then_some(Cause::ColumnType), "{product:?} {own} {other}");
        }
    }
}

#[tokio::test]
async fn labels_of_a_set_are_found_in_any_order() {
    for product in Product::each() {
        let sql = "create table item (id int primary key, at datetime, tags set('a','b','c') not null);
             insert into item values (1, '2020-01-01', 'a,b'), (2, '2020-01-01', 'a'), (3, '2020-01-01', '')";
        let (arena, _database) = arena(product, sql).await;
        for (text, rows) in [("b,a", 1), ("a", 1), ("", 1), ("c,a", 0)] {
            let mut selection = selection("item");
            let check = Check::Compare(Comparison::Equal, Value::Text(text.into()));
            selection.terms.predicate = Predicate::Test(Test { path: Path::column("tags"), check, or_null: false });
            let step = arena.step(selection).await;
            assert_eq!(due(&*arena.connector, &step).await, Some(rows), "{product:?} {text}");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_number_is_no_rows_key() {
    for product in Product::each() {
        for (kind, other) in [("int", "12a"), ("decimal(9,2)", "12 "), ("bit(9)", "12a"), ("double", "12,0")] {
            let sql = format!(
                "create table item (id {kind} primary key, at datetime); insert into item values (12, '2020-01-01')"
            );
            let (arena, _database) = arena(product, &sql).await;
            let step = arena.step(selection("item")).await;
            for (text, found) in [("12", true), (other, false)] {
                let judged = arena.connector.judge(&step, &Key(vec![Value::Text(text.into())])).await.unwrap();
                assert_eq!(judged.is_some(), found, "{product:?} {kind} {text}");
            }
        }
    }
}
