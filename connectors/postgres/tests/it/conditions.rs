//! `where` on columns: three-valued, and by value or code points whatever the column's type does.

use forgetd_connector::{Cause, Check, Comparison, FaultClass, Path, Predicate, Test, Value};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, due, installed, selection};

use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

pub(crate) fn test(column: &str, check: Check) -> Predicate {
    Predicate::Test(Test { path: Path::column(column), check, or_null: false })
}

pub(crate) fn not(part: Predicate) -> Predicate {
    Predicate::Not { part: Box::new(part), or_null: false }
}

/// The same, with unknown as a match.
pub(crate) fn or_null(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Test(test) => Predicate::Test(Test { or_null: true, ..test }),
        Predicate::Not { part, .. } => Predicate::Not { part, or_null: true },
        other => other,
    }
}

fn compare(column: &str, comparison: Comparison, value: Value) -> Predicate {
    test(column, Check::Compare(comparison, value))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn texts(list: &[&str]) -> Vec<Value> {
    list.iter().map(|one| text(one)).collect()
}

/// Looks that the condition means these rows of `item`, and its negation those, and with unknown as a match the rest too.
pub(crate) async fn means(arena: &Arena, predicate: &Predicate, ids: &str, and_not: &str) {
    let all = by_condition(arena, Predicate::always()).await;
    let split = |ids: &str| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (yes, no) = (split(ids), split(and_not));
    let unknown: Vec<String> = all.iter().filter(|id| !yes.contains(id) && !no.contains(id)).cloned().collect();
    let with_unknown =
        |ids: &[String]| all.iter().filter(|id| ids.contains(id) || unknown.contains(id)).cloned().collect::<Vec<_>>();
    for (predicate, expected) in [
        (predicate.clone(), yes.clone()),
        (not(predicate.clone()), no.clone()),
        (or_null(predicate.clone()), with_unknown(&yes)),
        (or_null(not(predicate.clone())), with_unknown(&no)),
        (not(or_null(predicate.clone())), no.clone()),
        (Predicate::Any(vec![predicate.clone(), predicate.clone()]), yes.clone()),
        (not(Predicate::Any(vec![predicate.clone(), Predicate::Any(vec![])])), no.clone()),
        (not(Predicate::All(vec![predicate.clone(), Predicate::always()])), no.clone()),
        (Predicate::Any(vec![Predicate::All(vec![predicate.clone(), predicate.clone()]), not(predicate.clone())]), {
            let mut both = yes.clone();
            both.extend(no.clone());
            both.sort_by_key(|id| (id.len(), id.clone()));
            both
        }),
    ] {
        if matches!(predicate, Predicate::All(_)) && predicate == or_null(predicate.clone()) {
            continue;
        }
        assert_eq!(by_condition(arena, predicate.clone()).await, expected, "{predicate:?}");
    }
}

async fn by_condition(arena: &Arena, predicate: Predicate) -> Vec<String> {
    let mut wanted = selection("item");
    wanted.terms.predicate = predicate;
    due(arena, arena.step(wanted).await).await.unwrap()
}

async fn refused(arena: &Arena, predicate: Predicate, column: &str) {
    let mut wanted = selection("item");
    wanted.terms.predicate = predicate.clone();
    let step = arena.step(wanted).await;
    let fault = due(arena, step.clone()).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ColumnType), "{predicate:?}: {fault}");
    assert_eq!(fault.detail.as_deref(), Some(column), "{predicate:?}: {fault}");
    // Said before anything runs: by the statements themselves, or by the check.
    if arena.connector.statements(&step).is_ok() {
        let findings = arena.connector.preflight(&step).await.unwrap();
        assert!(findings.iter().any(|f| f.blocking_cause() == Some(Cause::ColumnType)), "{predicate:?}: {findings:?}");
    }
}

#[tokio::test]
async fn numbers_compare_by_value() {
    let (arena, _) = arena(
        "create table item (id int primary key, at date not null default '2024-01-01', s int2, i int4, b int8, n numeric,
           d float8, r float4);
         insert into item (id, s, i, b, n, d, r) values
           (1, -5, -5, -9007199254740993, -5.5, -5.5, -5.5), (2, 0, 0, 0, 0.0, -0.0, 0),
           (3, 5, 5, 5, 5.000, 5, 5), (4, 32767, 2147483647, 9007199254740993, 9007199254740993, 9007199254740992, 0.1),
           (5, null, null, null, null, null, null), (6, 7, 7, 7, 1e400, 1e300, 1e30)",
    )
    .await;
    let (int, real) = (Value::Int, Value::Real);
    let big = 9_007_199_254_740_993;
    for (column, comparison, value, ids, and_not) in [
        ("s", Equal, int(5), "3", "1 2 4 6"),
        ("s", Less, int(70_000), "1 2 3 4 6", ""),
        ("s", NotEqual, int(70_000), "1 2 3 4 6", ""),
        ("i", GreaterOrEqual, int(5), "3 4 6", "1 2"),
        ("i", Greater, real(4.5), "3 4 6", "1 2"),
        ("i", Equal, real(5.0), "3", "1 2 4 6"),
        ("b", LessOrEqual, int(-big), "1", "2 3 4 6"),
        ("b", Equal, int(big), "4", "1 2 3 6"),
        ("n", Equal, int(5), "3", "1 2 4 6"),
        ("n", Less, real(-5.25), "1", "2 3 4 6"),
        ("n", Greater, int(big), "6", "1 2 3 4"),
        ("d", Equal, int(0), "2", "1 3 4 6"),
        // The column holds the neighbour below, and no number of it is the literal.
        ("d", Equal, int(big), "", "1 2 3 4 6"),
        ("d", NotEqual, int(big), "1 2 3 4 6", ""),
        ("d", Less, int(big), "1 2 3 4", "6"),
        ("d", LessOrEqual, int(big), "1 2 3 4", "6"),
        ("d", Greater, int(big), "6", "1 2 3 4"),
        ("d", GreaterOrEqual, int(-big), "1 2 3 4 6", ""),
        ("r", Equal, real(0.1), "4", "1 2 3 6"),
        ("r", Less, int(5), "1 2 4", "3 6"),
    ] {
        means(&arena, &compare(column, comparison, value), ids, and_not).await;
    }
    means(&arena, &test("i", Check::In(vec![int(5), real(7.0), int(big)])), "3 6", "1 2 4").await;
    means(&arena, &test("i", Check::NotIn(vec![int(5), real(7.5)])), "1 2 4 6", "3").await;
    means(&arena, &test("d", Check::In(vec![int(big), int(5)])), "3", "1 2 4 6").await;
    means(&arena, &test("d", Check::NotIn(vec![int(big)])), "1 2 3 4 6", "").await;
}

#[tokio::test]
async fn text_is_ordered_and_matched_by_code_points() {
    for type_name in ["text", "citext", "text collate folding", "varchar(20)", "char(12)"] {
        let (arena, _) = arena(&format!(
            "create extension citext; create collation folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             create table item (id int primary key, at date not null default '2024-01-01', c {type_name});
             insert into item (id, c) values (1, 'apple'), (2, 'Apple'), (3, 'zebra'), (4, 'Zebra'), (5, null), (6, 'ärger'),
               (7, '50%_off'), (8, 'back\\slash'), (9, '😀 day'), (10, 'line
two')"
        ))
        .await;
        let like = |pattern: &str| test("c", Check::Like(pattern.into()));
        let prefix = |prefix: &str| test("c", Check::Prefix(prefix.into()));
        for (predicate, ids, and_not) in [
            (compare("c", Less, text("Zebra")), "2 7", "1 3 4 6 8 9 10"),
            (compare("c", LessOrEqual, text("Zebra")), "2 4 7", "1 3 6 8 9 10"),
            (compare("c", Greater, text("zebra")), "6 9", "1 2 3 4 7 8 10"),
            (compare("c", GreaterOrEqual, text("zebra")), "3 6 9", "1 2 4 7 8 10"),
            (compare("c", NotEqual, text("apple")), "2 3 4 6 7 8 9 10", "1"),
            (test("c", Check::NotIn(texts(&["apple", "Zebra", "nobody"]))), "2 3 6 7 8 9 10", "1 4"),
            (test("c", Check::In(texts(&["apple", "Zebra", "nobody"]))), "1 4", "2 3 6 7 8 9 10"),
            (like("%pple"), "1 2", "3 4 6 7 8 9 10"),
            (like("_pple"), "1 2", "3 4 6 7 8 9 10"),
            (like("Z%"), "4", "1 2 3 6 7 8 9 10"),
            (like("50\\%\\_%"), "7", "1 2 3 4 6 8 9 10"),
            (like("%\\\\%"), "8", "1 2 3 4 6 7 9 10"),
            (like("\\apple"), "1", "2 3 4 6 7 8 9 10"),
            (like("_ day"), "9", "1 2 3 4 6 7 8 10"),
            (like("line_two"), "10", "1 2 3 4 6 7 8 9"),
            (like("apple%"), "1", "2 3 4 6 7 8 9 10"),
            (like(""), "", "1 2 3 4 6 7 8 9 10"),
            (prefix("app"), "1", "2 3 4 6 7 8 9 10"),
            (prefix("50%_"), "7", "1 2 3 4 6 8 9 10"),
            (prefix("back\\"), "8", "1 2 3 4 6 7 9 10"),
            (prefix("😀"), "9", "1 2 3 4 6 7 8 10"),
            (prefix(""), "1 2 3 4 6 7 8 9 10", ""),
            (test("c", Check::Null(true)), "5", "1 2 3 4 6 7 8 9 10"),
            (test("c", Check::Null(false)), "1 2 3 4 6 7 8 9 10", "5"),
        ] {
            means(&arena, &predicate, ids, and_not).await;
        }
    }
}

#[tokio::test]
async fn other_types_are_equal_or_not() {
    let (arena, _) = arena(
        "create type mood as enum ('sad', 'ok');
         create table item (id int primary key, at date not null default '2024-01-01', m mood, u uuid, a inet, v interval, l text[], b bool);
         insert into item (id, m, u, a, v, l, b) values
           (1, 'sad', '00000000-0000-0000-0000-00000000000a', '10.0.0.1', '1 day', '{a}', true),
           (2, 'ok', '00000000-0000-0000-0000-00000000000b', '10.0.0.1/8', '24 hours', '{a,b}', false),
           (3, null, null, null, null, null, null)",
    )
    .await;
    for (column, value, ids, and_not) in [
        ("m", text("sad"), "1", "2"),
        ("u", text("{0000000000000000000000000000000A}"), "1", "2"),
        ("a", text("10.0.0.1"), "1", "2"),
        // The type's own equality: a day is 24 hours.
        ("v", text("1 day"), "1 2", ""),
        ("l", text("{a,b}"), "2", "1"),
        ("b", Value::Bool(false), "2", "1"),
    ] {
        means(&arena, &compare(column, Equal, value.clone()), ids, and_not).await;
        means(&arena, &compare(column, NotEqual, value.clone()), and_not, ids).await;
        means(&arena, &test(column, Check::In(vec![value.clone()])), ids, and_not).await;
        means(&arena, &test(column, Check::NotIn(vec![value])), and_not, ids).await;
    }
}

/// Nothing that cannot be compared exactly is compared, be there rows or none.
#[tokio::test]
async fn what_cannot_be_compared_is_refused() {
    let (arena, database) = arena(
        "create type mood as enum ('sad', 'ok');
         create table item (id int primary key, at date not null default '2024-01-01', m mood, u uuid, i int, t text, b bool, j json, x xml)",
    )
    .await;
    for rows in ["", "insert into item (id) values (1)"] {
        database.sql(rows).await;
        for (predicate, column) in [
            (compare("m", Equal, text("happy")), "m"),
            (compare("u", NotEqual, text("nobody")), "u"),
            (test("u", Check::In(texts(&["00000000-0000-0000-0000-00000000000b", "x"]))), "u"),
            (compare("m", Less, text("ok")), "m"),
            (compare("b", Less, Value::Bool(true)), "b"),
            (compare("i", Equal, text("1")), "i"),
            (compare("t", Equal, Value::Int(1)), "t"),
            (compare("i", Less, Value::Real(f64::NAN)), "i"),
            (compare("at", Equal, text("2024-01-01")), "at"),
            (test("i", Check::Like("1%".into())), "i"),
            (test("u", Check::Prefix("0".into())), "u"),
            (test("t", Check::Exists(true)), "t"),
        ] {
            refused(&arena, predicate, column).await;
        }
        let mut path = Path::column("t");
        path.steps.push(forgetd_connector::PathStep::Field("a".into()));
        let inside = Test { path, check: Check::Exists(true), or_null: false };
        refused(&arena, Predicate::Test(inside), "t.a").await;
    }
}

/// The bytes of other encodings are in an order of their own.
#[tokio::test]
async fn text_is_ordered_by_code_points_whatever_its_encoding() {
    for encoding in ["WIN1251", "EUC_JP", "LATIN1", "UTF8"] {
        let database = Database::encoded(encoding).await;
        // Cyrillic io, which comes behind all other small letters; half-width kana behind full-width.
        let (a, b) = match encoding {
            "WIN1251" => ("\u{430}", "\u{451}"),
            "EUC_JP" => ("\u{3042}", "\u{ff71}"),
            _ => ("\u{e4}", "\u{f6}"),
        };
        database
            .sql(&format!(
                "create table item (id int primary key, at date not null default '2024-01-01', c text, j jsonb);
                 insert into item (id, c, j) values (1, '{a}', '[\"{a}\"]'), (2, '{b}', '[\"{b}\"]'), (3, null, null)"
            ))
            .await;
        let arena = installed(&database, &database.url).await;
        let inside = |comparison| {
            let path = Path { column: "j".into(), steps: vec![forgetd_connector::PathStep::Each] };
            Predicate::Test(Test { path, check: Check::Compare(comparison, text(a)), or_null: false })
        };
        for (comparison, ids, and_not) in
            [(Less, "", "1 2"), (Greater, "2", "1"), (GreaterOrEqual, "1 2", ""), (Equal, "1", "2")]
        {
            means(&arena, &compare("c", comparison, text(a)), ids, and_not).await;
            means(&arena, &inside(comparison), ids, and_not).await;
        }
        means(&arena, &test("c", Check::Like("_".into())), "1 2", "").await;
        means(&arena, &test("c", Check::Prefix(a.into())), "1", "2").await;
    }
}

#[tokio::test]
async fn what_is_no_number_is_unknown() {
    for type_name in ["float8", "float4", "numeric"] {
        let (arena, _) = arena(&format!(
            "create table item (id int primary key, at date not null default '2024-01-01', n {type_name});
             insert into item (id, n) values (1, 1), (2, 9), (3, 'NaN'), (4, null)"
        ))
        .await;
        for (comparison, yes, no) in [
            (Greater, "2", "1"),
            (GreaterOrEqual, "2", "1"),
            (Less, "1", "2"),
            (NotEqual, "1 2", ""),
            (Equal, "", "1 2"),
        ] {
            means(&arena, &compare("n", comparison, Value::Int(5)), yes, no).await;
        }
        means(&arena, &test("n", Check::In(vec![Value::Int(9), Value::Int(5)])), "2", "1").await;
        means(&arena, &test("n", Check::NotIn(vec![Value::Int(9), Value::Int(5)])), "1", "2").await;
    }
}
