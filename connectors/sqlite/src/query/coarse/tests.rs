use forgetd_connector::{Grain, Value};
use rusqlite::{Connection, params_from_iter};

use super::{Query, coarser, is_coarse};
use crate::codec;

/// What the SQL says about each of these values.
fn tested(grain: &Grain, values: &[Value]) -> Vec<bool> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("create table t (v)").unwrap();
    let mut query = Query::default();
    let test = is_coarse("v", grain, &mut query).unwrap();
    let mut answers = vec![];
    for value in values {
        let bound = codec::bind(value).unwrap();
        let stored = if bound.as_text { "cast(?1 as text)" } else { "?1" };
        connection
            .execute(&format!("insert or replace into t (rowid, v) values (1, {stored})"), [bound.value])
            .unwrap();
        let sql = format!("select {test} from t");
        answers.push(connection.query_row(&sql, params_from_iter(&query.values), |row| row.get(0)).unwrap());
    }
    answers
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn moments() -> Vec<Value> {
    let mut all = vec![];
    for day in
        ["2024-01-01", "2024-02-29", "2023-02-29", "2024-04-01", "2024-11-17", "0000-12-31", "9999-12-31", "2024-1-01"]
    {
        for clock in [
            "",
            " 00:00",
            "T23:59",
            " 00:00:00",
            "T12:30:45",
            " 24:00:00",
            "T00:00:00.000",
            " 01:02:03.4",
            "T1:00",
            " 00:00:00.",
        ] {
            for behind in ["", "Z", "+00:00", "-05:30", "+1:00", "z", "\0x", "é"] {
                all.push(text(&format!("{day}{clock}{behind}")));
            }
        }
    }
    all.extend([
        text(""),
        text("2024"),
        text("ünf Jahre!"),
        text("now"),
        Value::Int(1_700_000_000),
        Value::Real(2_460_000.5),
        Value::Bytes(b"2024-01-01".to_vec()),
    ]);
    all
}

fn numbers() -> Vec<Value> {
    let mut all: Vec<Value> = (-40..=40).map(Value::Int).collect();
    all.extend([i64::MIN, i64::MIN + 7, i64::MAX, 9_007_199_254_740_993, -9_007_199_254_740_993].map(Value::Int));
    all.extend((-400..=400).map(|n| Value::Real(f64::from(n) / 16.0)));
    all.extend((-400..=400).map(|n| Value::Real(f64::from(n) * 0.1)));
    all.extend(
        [0.15, -0.15, 2.5, -2.5, 1e15 + 0.3, 1e16, 1e300, -1e300, 5e-324, -0.0, f64::INFINITY, f64::MAX]
            .map(Value::Real),
    );
    all.extend([text("12"), text("twelve"), Value::Bytes(vec![1])]);
    all
}

fn texts() -> Vec<Value> {
    let mut all: Vec<Value> =
        ["", "a", "ab", "abc", "abcd", "åäö", "日本語文字", "a\0bcdef", "\0", "👩‍👩‍👧", "e\u{301}e\u{301}"]
            .map(text)
            .to_vec();
    all.extend([Value::Int(12_345), Value::Bytes(b"abc".to_vec())]);
    all
}

#[test]
fn what_is_made_coarser_is_coarse_and_what_is_coarse_stays() {
    let dates = [Grain::Day, Grain::Month, Grain::Quarter, Grain::Year].map(|grain| (grain, moments()));
    let steps =
        ["1", "5", "1000", "0.25", "0.1", "0.3", "2.50", "1.7"].map(|step| (Grain::Step(step.into()), numbers()));
    let prefixes = [0, 1, 2, 3, 100].map(|chars| (Grain::Prefix(chars), texts()));
    let mut seen = [0; 3];
    for (grain, values) in dates.into_iter().chain(steps).chain(prefixes) {
        let made: Vec<Option<Value>> = values.iter().map(|value| coarser(value, &grain)).collect();
        let some: Vec<Value> = made.iter().flatten().cloned().collect();
        let done = tested(&grain, &some);
        let again: Vec<Option<Value>> = some.iter().map(|value| coarser(value, &grain)).collect();
        for (n, value) in some.iter().enumerate() {
            assert!(done[n], "{grain:?}: {}", value.canonical_text());
            assert_eq!(again[n].as_ref(), Some(value), "{grain:?}: {}", value.canonical_text());
        }
        for ((value, made), done) in values.iter().zip(&made).zip(tested(&grain, &values)) {
            let left_alone = made.as_ref() == Some(value);
            assert_eq!(done, left_alone, "{grain:?}: {}", value.canonical_text());
            seen[if made.is_none() { 0 } else { 1 + usize::from(left_alone) }] += 1;
        }
    }
    assert!(seen.iter().all(|n| *n > 100), "unfit, changed and left alone: {seen:?}");
}

#[test]
fn values_become_what_the_grain_says() {
    let step = |step: &str| Grain::Step(step.into());
    for (grain, from, to) in [
        (Grain::Year, text("1984-07-15"), Some(text("1984-01-01"))),
        (Grain::Quarter, text("1984-09-30 23:59:59.25+02:00"), Some(text("1984-07-01 00:00:00.00+02:00"))),
        (Grain::Month, text("1984-07-15T12:00Z"), Some(text("1984-07-01T00:00Z"))),
        (Grain::Day, text("1984-07-15 12:00:01"), Some(text("1984-07-15 00:00:00"))),
        (Grain::Year, text("15.7.1984"), None),
        (Grain::Year, Value::Int(1984), None),
        (step("10"), Value::Int(-1), Some(Value::Int(-10))),
        (step("10"), Value::Int(19), Some(Value::Int(10))),
        (step("10"), Value::Real(-15.0), Some(Value::Real(-20.0))),
        (step("10"), Value::Real(15.0), Some(Value::Real(20.0))),
        (step("0.1"), Value::Real(0.31), Some(Value::Real(0.3))),
        (step("0.5"), Value::Int(7), Some(Value::Int(7))),
        (step("2.5"), Value::Int(7), Some(Value::Real(7.5))),
        (step("10"), Value::Int(i64::MIN), None),
        (step("10"), text("15"), None),
        (Grain::Prefix(3), text("åäöx"), Some(text("åäö"))),
        (Grain::Prefix(3), Value::Int(1234), None),
    ] {
        assert_eq!(coarser(&from, &grain), to, "{grain:?}");
    }
    for step in ["0", "-1", "", "1e3", ".5", "0.0", "99999999999999999999"] {
        assert!(is_coarse("v", &Grain::Step(step.into()), &mut Query::default()).is_err(), "{step}");
    }
    assert!(is_coarse("v", &Grain::Network { v4: 24, v6: 48 }, &mut Query::default()).is_err());
}
