//! Conditions where these engines take for equal, or for a time, what is not: collations, types of numbers, dates that are
//! no moments, JSON in text, and answers of subqueries that are kept.

use forgetd_connector::{
    Check, Child, Comparison, Count, Cutoff, Except, Joined, Key, Latest, Path, Predicate, Selection, Shape, Since,
    SinceColumn, SinceForm, Stays, Step, TableRef, Terms, Test, Undone, Value, WhenNull,
};
use forgetd_testkit::Arena;
use jiff::tz::TimeZone;

use crate::fixture::arena;
use crate::server::Product;

fn at(column: &str) -> SinceColumn {
    SinceColumn { column: column.into(), zone: Some(TimeZone::UTC), form: None }
}

/// The rows of `item` whose `at` lies before 2025.
fn selection() -> Selection {
    let terms = Terms {
        since: Since::Column(at("at")),
        cutoff: Cutoff("2025-01-01T00:00:00Z".parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Selection::new(TableRef::parse("item"), terms)
}

fn test(path: &str, check: Check) -> Predicate {
    Predicate::Test(Test { path: Path::parse(path).unwrap(), check, or_null: false })
}

fn is(path: &str, value: Value) -> Predicate {
    test(path, Check::Compare(Comparison::Equal, value))
}

fn not(part: Predicate) -> Predicate {
    Predicate::Not { part: Box::new(part), or_null: false }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Which of the rows 1 to 5 are due, one by one and by their number.
async fn due(arena: &Arena, step: &Step) -> Vec<i64> {
    let mut due = vec![];
    for id in 1..=5 {
        if let Some(judged) = arena.connector.judge(step, &Key(vec![Value::Int(id)])).await.unwrap()
            && judged.due
        {
            due.push(id);
        }
    }
    let counted = arena.connector.survivors(step).await.unwrap().rows();
    assert_eq!(counted, Some(due.len() as u64), "counted, of {due:?}");
    due
}

/// Each predicate, and which rows it means.
async fn mean(arena: &Arena, asked: Vec<(Predicate, &[i64])>) {
    let mut step = arena.step(selection()).await;
    for (predicate, rows) in asked {
        step.selection.terms.predicate = predicate;
        assert_eq!(due(arena, &step).await, rows, "{:?}", step.selection.terms.predicate);
    }
}

#[tokio::test]
async fn texts_are_equal_by_code_points_in_every_character_set() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            "create table item (id int primary key, at datetime not null default '2020-01-01', \
               lax varchar(20) collate utf8mb4_general_ci, old varchar(20) character set latin1, \
               three varchar(20) character set utf8mb3, fixed char(10) collate utf8mb4_general_ci, \
               label enum('closed', 'Open', '\u{e9}') collate utf8mb4_general_ci, key (lax), key (old)); \
             insert into item (id, lax, old, three, fixed, label) values (1, 'closed', 'closed', 'closed', 'closed', 'closed'), \
               (2, 'CLOSED', 'CLOSED', 'CLOSED', 'CLOSED', 'Open'), (3, 'closed ', 'closed ', 'closed ', 'closed ', '\u{e9}'), \
               (4, '\u{1f600}', '\u{e9}', '\u{e9}', '\u{e9}', null), (5, null, null, null, null, null)",
        )
        .await;
        let smile = || text("\u{1f600}");
        mean(
            &arena,
            vec![
                (is("lax", text("closed")), &[1]),
                (is("old", text("closed")), &[1]),
                (is("three", text("closed")), &[1]),
                // The engine itself drops blanks at the end of a CHAR.
                (is("fixed", text("closed")), &[1, 3]),
                (is("label", text("closed")), &[1]),
                (is("label", text("\u{e9}")), &[3]),
                (not(is("lax", text("closed"))), &[2, 3, 4]),
                // No character of theirs: equal to nothing, and no error.
                (is("old", smile()), &[]),
                (is("three", smile()), &[]),
                (not(is("old", smile())), &[1, 2, 3, 4]),
                (test("old", Check::In(vec![smile(), text("\u{e9}")])), &[4]),
                (test("lax", Check::Compare(Comparison::Less, text("a"))), &[2]),
                (test("old", Check::Like("_".into())), &[4]),
                (test("lax", Check::Like("closed%".into())), &[1, 3]),
                (test("lax", Check::Prefix("CL".into())), &[2]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn numbers_are_equal_by_value_in_every_type() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            "create table item (id int primary key, at datetime not null default '2020-01-01', u bigint unsigned, i bigint, \
               f float, n decimal(20,5), yes boolean, bits bit(8), y year); \
             insert into item (id, u, i, f, n, yes, bits, y) values (1, 18446744073709551615, -5, 0.1, 0.1, 1, b'101', 2005), \
               (2, 9223372036854775808, 9007199254740993, 1e10, 5, 0, 5, 2020), (3, 0, 0, null, -0.5, 2, 0, 0), \
               (4, null, null, null, null, null, null, null)",
        )
        .await;
        let compare = |column: &str, comparison, value| test(column, Check::Compare(comparison, value));
        mean(
            &arena,
            vec![
                (compare("u", Comparison::Greater, Value::Int(-5)), &[1, 2, 3]),
                (compare("u", Comparison::Greater, Value::Int(i64::MAX)), &[1, 2]),
                (not(is("u", Value::Int(-1))), &[1, 2, 3]),
                (compare("i", Comparison::Greater, Value::Real(9_007_199_254_740_992.0)), &[2]),
                (compare("i", Comparison::Less, Value::Real(1e300)), &[1, 2, 3]),
                (is("f", Value::Real(0.1)), &[1]),
                (is("n", Value::Real(0.1)), &[1]),
                (compare("n", Comparison::Less, Value::Real(-1e-300)), &[3]),
                // What is neither true nor false is unknown.
                (is("yes", Value::Bool(true)), &[1]),
                (not(is("yes", Value::Bool(true))), &[2]),
                // Not 2005, which a year of two digits would be.
                (is("y", Value::Int(5)), &[]),
                (is("y", Value::Int(2020)), &[2]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_date_without_a_day_counts_as_null() {
    for product in Product::each() {
        let (arena, database) = arena(
            product,
            "create table item (id int primary key, at date not null, seen datetime(6), stamp timestamp null, key (at)); \
             insert into item values (1, '0000-00-00', '2020-01-01', '0000-00-00'), (2, '2020-00-00', '2020-01-01', '2020-01-01'), \
               (3, '2020-01-01', '0000-00-00', null), (4, '2024-12-31', '2020-02-00', '2026-01-01'), (5, '2026-00-00', null, null)",
        )
        .await;
        for (column, when_null, rows) in [
            ("at", WhenNull::Keep, &[3, 4][..]),
            ("at", WhenNull::Delete, &[1, 2, 3, 4]),
            ("seen", WhenNull::Keep, &[1, 2]),
            ("seen", WhenNull::Delete, &[1, 2, 3, 4, 5]),
            ("stamp", WhenNull::Keep, &[2]),
            ("stamp", WhenNull::Delete, &[1, 2, 3, 5]),
        ] {
            let mut selection = selection();
            selection.terms.since = Since::Column(at(column));
            selection.terms.when_null = when_null;
            let step = arena.step(selection).await;
            assert_eq!(due(&arena, &step).await, rows, "{:?}", step.selection.terms);
        }
        let mut selection = selection();
        selection.terms.since = Since::Greatest(vec![at("at"), at("seen")]);
        let step = arena.step(selection.clone()).await;
        assert_eq!(due(&arena, &step).await, [1, 2, 3, 4], "each has one moment at least, and none behind the cutoff");
        selection.terms.since = Since::Column(at("at"));
        selection.terms.when_null = WhenNull::Delete;
        selection.floor = Some(Cutoff("2021-01-01T00:00:00Z".parse().unwrap()));
        let step = arena.step(selection).await;
        assert_eq!(arena.drain(&step, 2).await.changed, 3, "whatever the floor, rows without a moment are walked");
        assert_eq!(database.texts("select id from item order by id").await, ["3", "5"]);
    }
}

#[tokio::test]
async fn json_is_looked_into_wherever_it_is_kept() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            r#"create table item (id int primary key, at datetime not null default '2020-01-01', doc json, plain text);
             insert into item (id, doc, plain) values (1, '{"é": {"a\\b": "x"}}', '{"a": "X"}'),
               (2, '{"\u00e9": {"a\\b": "x"}}', '{"a": "x"}'), (3, '{"n": 1e300, "é": 1}', 'no JSON'), (4, '{"n": 9007199254740993}', null),
               (5, '{"a": {"b": [{"c": 5}, null]}}', '[]')"#,
        )
        .await;
        let greater = |path: &str, value| test(path, Check::Compare(Comparison::Greater, value));
        mean(
            &arena,
            vec![
                (is(r"doc.é.a\\b", text("x")), &[1, 2]),
                (is("plain.a", text("x")), &[2]),
                (not(is("plain.a", text("x"))), &[1]),
                (greater("doc.n", Value::Real(9_007_199_254_740_992.0)), &[3, 4]),
                (is("doc.n", Value::Int(9_007_199_254_740_992)), &[]),
                (is("doc.a.b[].c", Value::Int(5)), &[5]),
            ],
        )
        .await;
        let table = arena.step(selection()).await.table;
        let path = Path::parse("doc.a.b[].c").unwrap();
        let five = Shape::Constant(Value::Int(5));
        assert_eq!(arena.connector.count_shaped(&table, &path, &five).await.unwrap(), 1);
        let mut step = arena.step(selection()).await;
        step.selection.undone = vec![Undone::Other { path, shape: Shape::Constant(Value::Int(6)) }];
        assert_eq!(due(&arena, &step).await, [5]);
    }
}

/// Two rows whose texts the collation takes for equal have each their own activity.
#[tokio::test]
async fn no_row_is_given_the_answer_of_another() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            "create table item (id int primary key, name varchar(20) collate utf8mb4_general_ci); \
             create table visit (id int primary key, name varchar(20) character set latin1, at varchar(40), key (name)); \
             insert into item values (1, 'null'), (2, 'NULL'), (3, 'NULL '), (4, '\u{1f600}'); \
             insert into visit values (1, 'NULL', '2020-01-01T12:00:00Z'), (2, 'NULL ', '2026-01-01T00:00:00+02:00')",
        )
        .await;
        let mut selection = selection();
        let on = vec![Joined { other: "name".into(), own: "name".into() }];
        let written = SinceColumn { form: Some(SinceForm::Iso8601), ..at("at") };
        let latest = Latest { table: TableRef::parse("visit"), at: written, on, or: None };
        selection.terms.since = Since::Latest(Box::new(latest));
        let mut step = arena.step(selection).await;
        assert_eq!(due(&arena, &step).await, [2]);
        step.selection.terms.when_null = WhenNull::Delete;
        assert_eq!(due(&arena, &step).await, [1, 2, 4]);
    }
}

/// A parent stays with a child that must, whether or not the child's rule has a condition in the engine's own language.
#[tokio::test]
async fn children_keep_their_parents() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            "create table item (id int primary key, at datetime not null default '2020-01-01'); insert into item (id) values (1), (2), (3), (4); \
             create table part (id int primary key, of_item int, at datetime, word varchar(9), \
               constraint part_of foreign key (of_item) references item (id) on delete cascade); \
             insert into part values (1, 1, '2020-01-01', 'a'), (2, 2, '2030-01-01', 'a'), (3, 2, '2020-01-01', 'a'), \
               (4, 3, '2020-01-01', 'b'), (5, null, '2030-01-01', 'a')",
        )
        .await;
        for (native, rows) in [(None, &[1, 3, 4][..]), (Some("t.word = 'a' or word = 'c'"), &[1, 4])] {
            let mut below = selection();
            below.table = TableRef::parse("part");
            below.terms.native = native.map(Into::into);
            let due_below = arena.step(below).await;
            let on = vec![Joined { other: "of_item".into(), own: "id".into() }];
            let table = due_below.table.name.clone();
            let stays = Stays::UnlessDue(vec![due_below]);
            let child = Child { foreign_key: "part_of".into(), table, on, stays };
            let mut selection = selection();
            selection.except = vec![Except::Child(child)];
            let step = arena.step(selection).await;
            assert_eq!(due(&arena, &step).await, rows, "{native:?}");
        }
    }
}

/// The elements of a document are those of its own row, however many rows there are.
#[tokio::test]
async fn elements_belong_to_their_row() {
    for product in Product::each() {
        let documents =
            [r#"{"items": [{"email": "p1.a"}, null]}"#, r#"{"items": [{"email": "z"}]}"#, r#"{"x": 1}"#, "null"];
        let rows = (1..=60).map(|id| format!("({id}, '{}')", documents[id % documents.len()])).collect::<Vec<_>>();
        let sql = format!(
            "create table item (id int primary key, doc json, at datetime not null default '2020-01-01'); \
             insert into item (id, doc) values {}",
            rows.join(", ")
        );
        let (arena, _) = arena(product, &sql).await;
        let mut step = arena.step(selection()).await;
        let path = Path::parse("doc.items[].email").unwrap();
        let shape = Shape::Like(vec!["p1.%".into()]);
        assert_eq!(arena.connector.count_shaped(&step.table, &path, &shape).await.unwrap(), 15);
        let is_due = |count: Count| assert_eq!(count, Count::Exact(15));
        step.selection.undone = vec![Undone::Other { path: path.clone(), shape }];
        is_due(arena.connector.survivors(&step).await.unwrap());
        step.selection.undone = vec![Undone::Is { path, texts: vec!["p1.a".into()] }];
        is_due(arena.connector.survivors(&step).await.unwrap());
        step.selection.undone = vec![];
        step.selection.terms.predicate = is("doc.items[].email", text("z"));
        is_due(arena.connector.survivors(&step).await.unwrap());
    }
}
