//! `where` is exact, whatever a column's collation and affinity would make of it.

use forgetd_connector::{Count, Predicate, RowCap, SinceForm, Value};

use crate::fixture::{arena, selection};

async fn matched(declared: &str, stored: &str, predicate: Predicate) -> Vec<String> {
    let (arena, file) = arena(&format!(
        "create table item (id integer primary key, at int not null default 0, v {declared});
         create index item_v on item (v);
         insert into item (v) values {stored}"
    ))
    .await;
    let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
    selection.terms.predicate = predicate;
    let step = arena.step(selection).await;
    let all: Vec<(i64, String)> = {
        let connection = file.open();
        let mut statement = connection.prepare("select id, quote(v) from item order by id").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    let done = arena.drain(&step, 2).await;
    assert_eq!(measure.due, Count::Exact(done.changed));
    let left = crate::fixture::ids(&file, "item");
    all.into_iter().filter(|(id, _)| !left.contains(id)).map(|(_, value)| value).collect()
}

fn equal(value: Value) -> Predicate {
    Predicate::equal("v", value)
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[tokio::test]
async fn collations_do_not_widen() {
    let stored = "('closed'), ('CLOSED'), ('closed '), ('Closed'), (null)";
    for declared in ["text", "text collate nocase", "text collate rtrim", "varchar(9) collate nocase", "collate nocase"]
    {
        assert_eq!(matched(declared, stored, equal(text("closed"))).await, ["'closed'"], "{declared}");
        let list = Predicate::one_of("v", vec![text("CLOSED"), text("gone")]);
        assert_eq!(matched(declared, stored, list).await, ["'CLOSED'"], "{declared}");
    }
}

#[tokio::test]
async fn numbers_and_texts_never_meet() {
    assert_eq!(matched("text", "('5'), ('5.0'), (x'35')", equal(Value::Int(5))).await, Vec::<String>::new());
    assert_eq!(matched("integer", "(5), ('x'), (6)", equal(text("5"))).await, Vec::<String>::new());
    assert_eq!(matched("", "(5), ('5'), (5.0), (x'35')", equal(text("5"))).await, ["'5'"]);
    assert_eq!(matched("", "(5), ('5'), (5.0), (x'35')", equal(Value::Int(5))).await, ["5", "5.0"]);
    assert_eq!(matched("", "(5), ('5'), (5.0), (x'35')", equal(Value::Real(5.0))).await, ["5", "5.0"]);
    assert_eq!(matched("", "(5), ('5'), (5.0), (x'35')", equal(Value::Bytes(vec![0x35]))).await, ["X'35'"]);
}

#[tokio::test]
async fn numbers_match_by_value() {
    assert_eq!(matched("real", "(5), (5.5), ('five')", equal(Value::Int(5))).await, ["5.0"]);
    assert_eq!(matched("numeric", "(5.0), (5.5)", equal(Value::Real(5.0))).await, ["5"]);
    assert_eq!(matched("numeric", "(5.0), (5.5)", equal(Value::Real(5.5))).await, ["5.5"]);
    let big = equal(Value::Int(9_007_199_254_740_993));
    assert_eq!(matched("integer", "(9007199254740992), (9007199254740993)", big).await, ["9007199254740993"]);
    assert_eq!(matched("boolean", "(1), (0), ('true'), (2)", equal(Value::Bool(true))).await, ["1"]);
}

#[tokio::test]
async fn lists_of_several_kinds_match_each_by_its_own() {
    let list = Predicate::one_of("v", vec![Value::Int(1), text("1"), Value::Real(2.5)]);
    assert_eq!(matched("", "(1), ('1'), (2.5), ('2.5'), (1.0), (null)", list).await, ["1", "'1'", "2.5", "1.0"]);
}

#[tokio::test]
async fn a_dropped_column_is_no_literal() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at int not null default 0, v text);
         insert into item (v) values ('v'), ('w')",
    )
    .await;
    let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
    selection.terms.predicate = equal(text("v"));
    let step = arena.step(selection).await;
    file.open().execute_batch("alter table item drop column v").unwrap();
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&crate::fixture::order(10)).await.unwrap_err();
    assert_eq!(fault.cause(), forgetd_connector::Cause::ColumnMissing);
    assert_eq!(crate::fixture::ids(&file, "item"), [1, 2]);
}
