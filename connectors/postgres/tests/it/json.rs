//! `where` on paths into JSON, whichever of the two types holds it.

use forgetd_connector::{Cause, Check, Comparison, FaultClass, Path, PathStep, Predicate, Test, Value};
use forgetd_testkit::Arena;

use crate::conditions::means;
use crate::fixture::{arena, due, selection};

use Comparison::{Equal, Greater, Less, NotEqual};

/// A table whose rows hold these documents, numbered from 1; the last row holds NULL.
async fn documents(type_name: &str, documents: &[&str]) -> Arena {
    let rows: Vec<String> = documents.iter().enumerate().map(|(n, json)| format!("({}, '{json}')", n + 1)).collect();
    let sql = format!(
        "create table item (id int primary key, at date not null default '2024-01-01', j {type_name});
         insert into item (id, j) values {}, ({}, null)",
        rows.join(", "),
        documents.len() + 1
    );
    arena(&sql).await.0
}

/// `j` and the steps behind it: names, and `[]`.
fn at(steps: &[&str], check: Check) -> Predicate {
    let step = |step: &&str| if *step == "[]" { PathStep::Each } else { PathStep::Field((*step).into()) };
    let path = Path { column: "j".into(), steps: steps.iter().map(step).collect() };
    Predicate::Test(Test { path, check, or_null: false })
}

fn equal(steps: &[&str], value: Value) -> Predicate {
    at(steps, Check::Compare(Equal, value))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[tokio::test]
async fn a_value_is_compared_with_its_own_type_alone() {
    for type_name in ["jsonb", "json"] {
        let arena = documents(
            type_name,
            &[
                r#"{"a": "1"}"#,
                r#"{"a": 1}"#,
                r#"{"a": 1.0}"#,
                r#"{"a": true}"#,
                r#"{"a": "true"}"#,
                r#"{"a": null}"#,
                r#"{"b": 1}"#,
                r#"{"a": [1]}"#,
                r#"{"a": {"1": 1}}"#,
                r#"{"a": "A"}"#,
                r#"["a"]"#,
                r#""a""#,
                r#"{"a": 25000000000000000000}"#,
            ],
        )
        .await;
        let list = |word: fn(Vec<Value>) -> Check| at(&["a"], word(vec![text("1"), Value::Bool(true)]));
        for (predicate, ids, and_not) in [
            (equal(&["a"], text("1")), "1", "5 10"),
            (equal(&["a"], Value::Int(1)), "2 3", "13"),
            (equal(&["a"], Value::Real(1.0)), "2 3", "13"),
            (equal(&["a"], Value::Bool(true)), "4", ""),
            (equal(&["a"], Value::Bool(false)), "", "4"),
            (at(&["a"], Check::Compare(NotEqual, text("1"))), "5 10", "1"),
            (at(&["a"], Check::Compare(Less, text("a"))), "1 10", "5"),
            (at(&["a"], Check::Compare(Greater, Value::Int(i64::MAX))), "13", "2 3"),
            (list(Check::In), "1 4", "5 10"),
            (list(Check::NotIn), "5 10", "1 4"),
            (at(&["a"], Check::In(vec![Value::Int(1), Value::Int(7)])), "2 3", "13"),
            (at(&["a"], Check::Like("_".into())), "1 10", "5"),
            (at(&["a"], Check::Prefix("tr".into())), "5", "1 10"),
            (at(&["a"], Check::Null(true)), "6 7 11 12 14", "1 2 3 4 5 8 9 10 13"),
            (at(&["a"], Check::Null(false)), "1 2 3 4 5 8 9 10 13", "6 7 11 12 14"),
            (at(&["a"], Check::Exists(true)), "1 2 3 4 5 6 8 9 10 13", "7 11 12 14"),
            (at(&["a"], Check::Exists(false)), "7 11 12 14", "1 2 3 4 5 6 8 9 10 13"),
            (at(&[], Check::Null(true)), "14", "1 2 3 4 5 6 7 8 9 10 11 12 13"),
        ] {
            means(&arena, &predicate, ids, and_not).await;
        }
    }
}

/// A name is a name: of a member, never of an element, and never a piece of a statement.
#[tokio::test]
async fn names_of_members_are_bound() {
    for type_name in ["jsonb", "json"] {
        let arena = documents(
            type_name,
            &[
                r#"{"0": "x"}"#,
                r#"["x"]"#,
                r#"{"a.b": "x"}"#,
                r#"{"a": {"b": "x"}}"#,
                r#"{"{a,b}": "x"}"#,
                r#"{"": "x"}"#,
                r#"{"it''s \"$1\"": "x"}"#,
                r#"{"-1": {"0": "x"}}"#,
                r#"{"a": ["x"]}"#,
                r#"{"NULL": "x"}"#,
            ],
        )
        .await;
        for (steps, ids) in [
            (&["0"][..], "1"),
            (&["a.b"], "3"),
            (&["a", "b"], "4"),
            (&["{a,b}"], "5"),
            (&[""], "6"),
            (&["it's \"$1\""], "7"),
            (&["-1", "0"], "8"),
            (&["a", "0"], ""),
            (&["NULL"], "10"),
            (&["null"], ""),
        ] {
            means(&arena, &equal(steps, text("x")), ids, "").await;
        }
    }
}

#[tokio::test]
async fn one_element_is_enough() {
    for type_name in ["jsonb", "json"] {
        let arena = documents(
            type_name,
            &[
                r#"{"a": ["x", "y"]}"#,
                r#"{"a": ["y", "z"]}"#,
                r#"{"a": []}"#,
                r#"{"a": "x"}"#,
                r#"{"a": ["y", 1]}"#,
                r#"{"a": ["x", null]}"#,
                r#"{"a": {"0": "x"}}"#,
                r#"{}"#,
                r#"["x"]"#,
                r#"{"a": [["x"], ["y"]]}"#,
                r#"{"a": [["y"], []]}"#,
                r#"{"a": [{"b": "x"}, {"b": "y"}]}"#,
                r#"{"a": [{"b": "y"}, {"c": "x"}]}"#,
                r#"{"a": [{"b": "y"}]}"#,
            ],
        )
        .await;
        for (predicate, ids, and_not) in [
            (equal(&["a", "[]"], text("x")), "1 6", "2"),
            (at(&["a", "[]"], Check::Compare(NotEqual, text("y"))), "1 2 6", ""),
            (at(&["a", "[]"], Check::In(vec![text("x"), Value::Int(2)])), "1 6", "2 5"),
            (equal(&["[]"], text("x")), "9", ""),
            (equal(&["a", "[]", "[]"], text("x")), "10", ""),
            (equal(&["a", "[]", "b"], text("x")), "12", "14"),
            (at(&["a", "[]", "b"], Check::Prefix("y".into())), "12 13 14", ""),
        ] {
            means(&arena, &predicate, ids, and_not).await;
        }
    }
}

#[tokio::test]
async fn what_has_no_order_and_no_answer_is_refused() {
    let arena = documents("jsonb", &["{}"]).await;
    for (predicate, place) in [
        (at(&["a"], Check::Compare(Less, Value::Bool(true))), "j.a"),
        (at(&["a", "[]"], Check::Null(true)), "j.a[]"),
        (at(&["[]", "a"], Check::Exists(true)), "j[].a"),
        (equal(&["a"], Value::Real(f64::INFINITY)), "j.a"),
    ] {
        let mut wanted = selection("item");
        wanted.terms.predicate = predicate;
        let fault = due(&arena, arena.step(wanted).await).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::ColumnType));
        assert_eq!(fault.detail.as_deref(), Some(place));
    }
}
