//! Predicates that no row can match both, and the normal form, held against the oracle.

use std::collections::BTreeSet;

use forgetd::config::condition;
use forgetd::preflight::apart;
use forgetd::rules::normal;
use forgetd_connector::{
    Check, Comparison, Cutoff, Path, PathStep, Predicate, Selection, Since, TableRef, Terms, Test, Value, WhenNull,
};
use forgetd_testkit::{Cell, Kind, TableSpec, oracle};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

#[test]
fn what_no_row_can_match_both_is_apart() {
    for (a, b) in [
        ("{ s: open }", "{ s: closed }"),
        ("{ s: [open, lost] }", "{ s: { in: [closed, won] } }"),
        ("{ s: open, x: 1 }", "{ y: 2, s: closed }"),
        ("{ n: 1 }", "{ n: 2.5 }"),
        ("{ n: 1 }", "{ n: '1' }"),
        ("{ b: true }", "{ b: false }"),
        ("{ s: open }", "{ s: { ne: open } }"),
        ("{ s: [open, lost] }", "{ s: { not_in: [lost, won, open] } }"),
        ("{ n: { lt: 5 } }", "{ n: { ge: 5 } }"),
        ("{ n: { le: 4.5 } }", "{ n: { gt: 4.5 } }"),
        ("{ n: { ge: 10 } }", "{ n: { lt: 5 } }"),
        ("{ n: [1, 2] }", "{ n: { gt: 2 } }"),
        ("{ s: { lt: m } }", "{ s: zoo }"),
        ("{ s: { prefix: ab } }", "{ s: { prefix: ac } }"),
        ("{ s: { prefix: ab } }", "{ s: bab }"),
        ("{ s: { like: 'a\\%%' } }", "{ s: { prefix: b } }"),
        ("{ s: { is_null: true } }", "{ s: { is_null: false } }"),
        ("{ s: { is_null: true } }", "{ s: { ne: a } }"),
        ("{ j.k: { exists: false } }", "{ j.k: { exists: true } }"),
        ("{ j.k: { exists: false } }", "{ j.k: { is_null: false } }"),
        ("{ j.k: { exists: false } }", "{ j.k: a }"),
        ("{ s: open }", "{ not: { s: [open, won], or_null: true } }"),
        ("{ s: open, n: 1 }", "{ not: { n: 1, s: open } }"),
        ("{ 'j.k[]': 1 }", "{ not: { 'j.k[]': 1 } }"),
        ("{ any: [{ s: a }, { s: b }] }", "{ any: [{ s: c }, { n: 1, s: d }] }"),
        ("{ n: 1, any: [{ s: a }, { n: 2 }] }", "{ s: c, n: 1 }"),
    ] {
        let (a, b) = (condition(a).unwrap(), condition(b).unwrap());
        assert!(apart(&a, &b) && apart(&b, &a), "{a:?} {b:?}");
    }
}

#[test]
fn what_is_not_certain_is_not_apart() {
    for (a, b) in [
        ("{ s: open }", "{ s: [open, closed] }"),
        ("{ s: open }", "{ n: 1 }"),
        ("{ n: 1 }", "{ n: 1.0 }"),
        ("{ n: 9007199254740993 }", "{ n: 9007199254740992.0 }"),
        // One value of a type that writes it in two ways.
        ("{ id: 'A0EE-BC99' }", "{ id: '{a0eebc99}' }"),
        ("{ b: true }", "{ b: 1 }"),
        ("{ n: { le: 5 } }", "{ n: { ge: 5 } }"),
        ("{ s: { ne: open } }", "{ s: { ne: closed } }"),
        ("{ s: { ne: a, or_null: true } }", "{ s: { is_null: true } }"),
        ("{ s: { eq: a, or_null: true } }", "{ s: { eq: b, or_null: true } }"),
        ("{ s: { prefix: ab } }", "{ s: { prefix: abc } }"),
        ("{ s: { like: '%a' } }", "{ s: { prefix: b } }"),
        // Two elements of one array.
        ("{ 'j.k[]': 1 }", "{ 'j.k[]': 2 }"),
        ("{ j.k: { is_null: true } }", "{ j.k: { exists: false } }"),
        ("{ j.k: { is_null: true } }", "{ j.k: { exists: true } }"),
        ("{ s: open }", "{ not: { s: open, n: 1 } }"),
        ("{ any: [{ s: a }, { s: c }] }", "{ any: [{ s: b }, { s: c }] }"),
    ] {
        let (a, b) = (condition(a).unwrap(), condition(b).unwrap());
        assert!(!apart(&a, &b) && !apart(&b, &a), "{a:?} {b:?}");
    }
    assert!(!apart(&Predicate::always(), &Predicate::always()));
}

/// Every row that a few values make.
fn rows() -> TableSpec {
    let texts = ["", "a", "ab", "b"].map(|text| Cell::Text(text.into()));
    let objects = [
        json!({}),
        json!({ "k": null }),
        json!({ "k": "a" }),
        json!({ "k": 1 }),
        json!({ "k": true }),
        json!({ "k": [] }),
        json!({ "k": [1, 2] }),
        json!({ "k": ["a", 1, null] }),
    ];
    let mut rows = vec![];
    for text in texts.into_iter().chain([Cell::Null]) {
        for number in [Cell::Null, Cell::Int(0), Cell::Int(1), Cell::Int(2)] {
            for json in objects.iter().cloned().map(Cell::Json).chain([Cell::Null]) {
                rows.push(vec![Cell::Instant(Timestamp::UNIX_EPOCH), text.clone(), number.clone(), json]);
            }
        }
    }
    TableSpec::new("t")
        .column("at", Kind::Instant)
        .nullable("s", Kind::Text)
        .nullable("n", Kind::Int)
        .nullable("j", Kind::Json)
        .rows(rows)
}

/// The rows for which it is true.
fn matching(table: &TableSpec, predicate: &Predicate) -> BTreeSet<i64> {
    let terms = Terms {
        since: Since::column("at"),
        cutoff: Cutoff("2026-01-01T00:00:00Z".parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: predicate.clone(),
        native: None,
    };
    oracle::due(table, &Selection::new(TableRef::parse("t"), terms)).into_iter().collect()
}

fn test() -> impl Strategy<Value = Test> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let text = || select(vec!["", "a", "ab", "b"]).prop_map(|text| Value::Text(text.into()));
    let number = || prop_oneof![(0..3_i64).prop_map(Value::Int), Just(Value::Real(1.0)), Just(Value::Real(0.5))];
    let value = move || prop_oneof![2 => text(), 2 => number(), 1 => any::<bool>().prop_map(Value::Bool)];
    let values = move || proptest::collection::vec(value(), 1..3);
    let how = select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
    let check = prop_oneof![
        3 => (how, prop_oneof![text(), number()]).prop_map(|(how, value)| Check::Compare(how, value)),
        1 => any::<bool>().prop_map(|value| Check::Compare(Equal, Value::Bool(value))),
        2 => values().prop_map(Check::In),
        1 => values().prop_map(Check::NotIn),
        1 => select(vec!["a%", "_", "%b", "a_%"]).prop_map(|pattern| Check::Like(pattern.into())),
        1 => select(vec!["a", "ab", "b"]).prop_map(|prefix| Check::Prefix(prefix.into())),
    ];
    let k = || PathStep::Field("k".into());
    let path = prop_oneof![
        3 => Just(Path::column("s")),
        3 => Just(Path::column("n")),
        2 => Just(Path { column: "j".into(), steps: vec![k()] }),
        1 => Just(Path { column: "j".into(), steps: vec![k(), PathStep::Each] }),
    ];
    let null = any::<bool>();
    (path, check, any::<bool>(), 0..8_u8, null).prop_map(|(path, check, or_null, kind, yes)| match kind {
        0 if !path.is_many() => Test { path, check: Check::Null(yes), or_null: false },
        1 if !path.is_many() && !path.steps.is_empty() => Test { path, check: Check::Exists(yes), or_null: false },
        2 => Test { path, check, or_null },
        _ => Test { path, check, or_null: false },
    })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    test().prop_map(Predicate::Test).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::All),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::Any),
            (inner, any::<bool>()).prop_map(|(part, or_null)| Predicate::Not { part: Box::new(part), or_null }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_matches_two_that_are_apart(a in predicate(), b in predicate()) {
        if apart(&a, &b) {
            let table = rows();
            let both = matching(&table, &a).intersection(&matching(&table, &b)).count();
            prop_assert_eq!(both, 0);
        }
    }

    #[test]
    fn the_normal_form_means_the_same_rows(predicate in predicate()) {
        let table = rows();
        let meant = normal(predicate.clone());
        prop_assert_eq!(matching(&table, &predicate), matching(&table, &meant), "{:?}", meant);
        prop_assert_eq!(normal(meant.clone()), meant);
    }
}
