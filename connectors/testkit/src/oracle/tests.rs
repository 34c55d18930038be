use forgetd_connector::{
    Check, Comparison, Cutoff, Except, Joined, Latest, Path, PathStep, Predicate, Selection, Since, SinceColumn,
    SinceForm, TableRef, Terms, Test, Value, WhenNull,
};
use jiff::Timestamp;
use jiff::civil::{date, datetime};
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Native, Truth, condition, due, survivors};
use crate::{Cell, Kind, TableSpec};

fn zoned(column: &str, zone: &str) -> SinceColumn {
    SinceColumn { column: column.into(), zone: Some(TimeZone::get(zone).unwrap()), form: None }
}

fn formed(column: &str, form: SinceForm) -> SinceColumn {
    SinceColumn { form: Some(form), ..zoned(column, "Europe/Stockholm") }
}

fn selection(since: Since, cutoff: &str) -> Selection {
    let terms = Terms {
        since,
        cutoff: Cutoff(at(cutoff)),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Selection::new(TableRef::parse("t"), terms)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn old() -> Cell {
    Cell::Instant(at("2020-01-01T00:00:00Z"))
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

// === Time ===

#[test]
fn a_folded_hour_is_over_after_its_second_pass() {
    let table = TableSpec::new("t").column("at", Kind::Naive).rows([
        vec![Cell::Naive(datetime(2026, 10, 25, 1, 59, 0, 0))],
        vec![Cell::Naive(datetime(2026, 10, 25, 2, 10, 0, 0))],
        vec![Cell::Naive(datetime(2026, 10, 25, 3, 0, 0, 0))],
    ]);
    let at = |cutoff| selection(Since::Column(zoned("at", "Europe/Stockholm")), cutoff);
    // In the first pass of 02:00 to 03:00 nothing of that hour is over.
    assert_eq!(due(&table, &at("2026-10-25T00:30:00Z")), [1]);
    assert_eq!(due(&table, &at("2026-10-25T01:05:00Z")), [1]);
    assert_eq!(due(&table, &at("2026-10-25T01:30:00Z")), [1, 2]);
    assert_eq!(survivors(&table, &at("2026-10-25T01:30:00Z")), [3]);
}

#[test]
fn a_time_that_no_clock_showed_is_over_with_the_next_that_one_shows() {
    let table = TableSpec::new("t").column("at", Kind::Naive).rows([
        vec![Cell::Naive(datetime(2026, 3, 29, 1, 59, 0, 0))],
        vec![Cell::Naive(datetime(2026, 3, 29, 2, 30, 0, 0))],
        vec![Cell::Naive(datetime(2026, 3, 29, 3, 0, 0, 0))],
    ]);
    let at = |cutoff| selection(Since::Column(zoned("at", "Europe/Stockholm")), cutoff);
    assert_eq!(due(&table, &at("2026-03-29T00:59:30Z")), [1]);
    assert_eq!(due(&table, &at("2026-03-29T01:00:00Z")), [1, 2]);
    assert_eq!(due(&table, &at("2026-03-29T01:00:01Z")), [1, 2, 3]);
}

#[test]
fn a_date_is_over_when_no_clock_shows_it_any_more() {
    let table = TableSpec::new("t").column("day", Kind::Date).rows([
        vec![Cell::Date(date(2011, 12, 28))],
        vec![Cell::Date(date(2011, 12, 29))],
        vec![Cell::Date(date(2011, 12, 31))],
    ]);
    // Samoa went from the end of 29 December to 31 December 2011 at 10:00 UTC.
    let at = |cutoff| selection(Since::Column(zoned("day", "Pacific/Apia")), cutoff);
    assert_eq!(due(&table, &at("2011-12-30T09:59:59Z")), [1]);
    assert_eq!(due(&table, &at("2011-12-30T10:00:00Z")), [1, 2]);
    // In St John's clocks went from 00:01 back to 23:01: the day before came back once more.
    let table = TableSpec::new("t").column("day", Kind::Date).rows([vec![Cell::Date(date(2010, 11, 6))]]);
    let at = |cutoff| selection(Since::Column(zoned("day", "America/St_Johns")), cutoff);
    for (cutoff, over) in [
        ("2010-11-07T02:29:59Z", false),
        ("2010-11-07T02:30:30Z", false),
        ("2010-11-07T03:00:00Z", false),
        ("2010-11-07T03:29:59Z", false),
        ("2010-11-07T03:30:00Z", true),
    ] {
        assert_eq!(due(&table, &at(cutoff)).len(), usize::from(over), "{cutoff}");
    }
}

#[test]
fn a_time_of_few_digits_is_over_with_the_last_moment_that_it_can_mean() {
    let table = TableSpec::new("t").column("at", Kind::InstantOf(1)).column("here", Kind::NaiveOf(0)).rows([
        vec![Cell::Instant(at("2024-03-10T11:30:45.3Z")), Cell::Naive(datetime(2024, 3, 10, 12, 30, 45, 0))],
        vec![Cell::Instant(at("2024-03-10T11:30:45.4Z")), Cell::Naive(datetime(2024, 3, 10, 12, 30, 46, 0))],
    ]);
    let cutoffs = ["2024-03-10T11:30:45.499999Z", "2024-03-10T11:30:45.5Z", "2024-03-10T11:30:46Z"];
    for (cutoff, instants, naives) in [(cutoffs[0], 1, 0), (cutoffs[1], 2, 0), (cutoffs[2], 2, 1)] {
        assert_eq!(due(&table, &selection(Since::column("at"), cutoff)).len(), instants, "{cutoff}");
        let here = selection(Since::Column(zoned("here", "Europe/Stockholm")), cutoff);
        assert_eq!(due(&table, &here).len(), naives, "{cutoff}");
    }
}

#[test]
fn a_date_with_zeros_is_no_moment_and_is_there_all_the_same() {
    let table = TableSpec::new("t").column("at", Kind::Naive).rows([
        vec![Cell::Zero("2020-02-00".into())],
        vec![Cell::Naive(datetime(2020, 2, 1, 0, 0, 0, 0))],
        vec![Cell::Zero("2024-01-00".into())],
        vec![Cell::Zero("2024-02-00".into())],
    ]);
    let mut selection = selection(Since::Column(zoned("at", "UTC")), "2024-01-01T00:00:00Z");
    assert_eq!(due(&table, &selection), [2]);
    selection.terms.when_null = WhenNull::Delete;
    assert_eq!(due(&table, &selection), [1, 2, 3]);
    let path = Path::column("at");
    selection.terms.predicate = Predicate::Test(Test { path, check: Check::Null(true), or_null: false });
    assert_eq!(due(&table, &selection), [0_i64; 0]);
}

#[test]
fn numbers_without_a_sign_are_compared_by_value() {
    let cells = [u64::MAX, 1 << 63].map(Cell::Unsigned);
    let table = TableSpec::new("t")
        .column("at", Kind::Instant)
        .column("n", Kind::Unsigned)
        .rows(cells.into_iter().chain([Cell::Int(i64::MAX)]).map(|cell| vec![old(), cell]));
    for (comparison, value, expected) in [
        (Comparison::Greater, Value::Int(i64::MAX), &[1, 2][..]),
        (Comparison::Equal, Value::Int(i64::MAX), &[3]),
        (Comparison::Less, Value::Real(18_446_744_073_709_551_616.0), &[1, 2, 3]),
        (Comparison::Less, Value::Real(9_223_372_036_854_775_808.0), &[3]),
    ] {
        let mut selection = selection(Since::column("at"), "2024-01-01T00:00:00Z");
        let check = Check::Compare(comparison, value.clone());
        selection.terms.predicate = Predicate::Test(Test { path: Path::column("n"), check, or_null: false });
        assert_eq!(due(&table, &selection), expected, "{comparison:?} {value:?}");
    }
}

#[test]
fn texts_and_numbers_are_read_strictly() {
    let over = |cell: Cell, form: SinceForm, cutoff: &str| {
        let table = TableSpec::new("t").column("at", Kind::Text).rows([vec![cell]]);
        !due(&table, &selection(Since::Column(formed("at", form)), cutoff)).is_empty()
    };
    // 12:30:45.5 in Stockholm.
    let cutoff = "2024-03-10T11:30:45.5Z";
    for (written, form, expected) in [
        ("2024-03-10 12:30:45.4999999999999", SinceForm::Timestamp, true),
        ("2024-03-10T12:30:45", SinceForm::Timestamp, true),
        ("2024-03-10 12:30:45.50", SinceForm::Timestamp, false),
        ("2020-02-30 10:00:00", SinceForm::Timestamp, false),
        ("2020-01-01 10:00:00Z", SinceForm::Timestamp, false),
        ("2020-01-01 10:00:00.", SinceForm::Timestamp, false),
        ("2020-1-1 10:00:00", SinceForm::Timestamp, false),
        ("2020-01-01", SinceForm::Timestamp, false),
        ("2024-03-09", SinceForm::Date, true),
        ("2024-03-10", SinceForm::Date, false),
        ("2020-01-01 00:00:00", SinceForm::Date, false),
        ("2024-03-11T01:30:45+14:00", SinceForm::Iso8601, true),
        ("2024-03-09 23:30:46-12:00", SinceForm::Iso8601, false),
        ("2020-01-01T10:00:00", SinceForm::Iso8601, false),
        ("2020-01-01T10:00:00+0200", SinceForm::Iso8601, false),
        ("", SinceForm::Iso8601, false),
        ("\u{e9}\u{e9}\u{e9}\u{e9}", SinceForm::Iso8601, false),
    ] {
        assert_eq!(over(text(written), form, cutoff), expected, "{written}");
    }
    for (number, form, expected) in [
        (Cell::Int(1_710_070_244), SinceForm::UnixS, true),
        (Cell::Int(1_710_070_245), SinceForm::UnixS, false),
        (Cell::Int(1_710_070_245_499), SinceForm::UnixMs, true),
        (Cell::Int(1_710_070_245_500), SinceForm::UnixMs, false),
        (Cell::Real(1_710_070_245.25), SinceForm::UnixS, true),
        (Cell::Real(1_710_070_245.5), SinceForm::UnixS, false),
        (Cell::Int(-5), SinceForm::UnixS, true),
        (Cell::Int(5), SinceForm::Iso8601, false),
    ] {
        assert_eq!(over(number.clone(), form, cutoff), expected, "{number:?}");
    }
    // 2000-01-01T12:00:00Z is 2451545 exactly; six hours are a quarter.
    for (day, cutoff, expected) in [
        (Cell::Real(2_451_545.0), "2000-01-01T12:00:00Z", false),
        (Cell::Real(2_451_545.0), "2000-01-01T12:00:00.000001Z", true),
        (Cell::Int(2_451_545), "2000-01-02T11:59:59Z", false),
        (Cell::Int(2_451_545), "2000-01-02T12:00:00Z", true),
        (Cell::Real(2_451_545.25), "2000-01-01T18:00:00Z", false),
        (Cell::Real(2_451_545.25), "2000-01-01T18:00:01Z", true),
    ] {
        assert_eq!(over(day.clone(), SinceForm::Julian, cutoff), expected, "{day:?} {cutoff}");
    }
}

#[test]
fn unknown_deletes_nothing_unless_the_rule_says_what_null_means() {
    let cutoff = "2026-01-01T00:00:00Z";
    let table = TableSpec::new("t")
        .nullable("at", Kind::Instant)
        .nullable("made", Kind::Instant)
        .nullable("state", Kind::Text)
        .rows([
            vec![old(), old(), text("a")],
            vec![old(), old(), Cell::Null],
            vec![Cell::Null, old(), text("a")],
            vec![Cell::Null, Cell::Null, text("a")],
            vec![Cell::Instant(at(cutoff)), old(), text("a")],
        ]);
    let mut selection = selection(Since::column("at"), cutoff);
    assert_eq!(due(&table, &selection), [1, 2]);
    selection.terms.predicate = Predicate::equal("state", Value::Text("a".into()));
    assert_eq!(due(&table, &selection), [1]);
    selection.terms.when_null = WhenNull::Delete;
    assert_eq!(due(&table, &selection), [1, 3, 4]);
    selection.terms.when_null = WhenNull::Use("made".into());
    assert_eq!(due(&table, &selection), [1, 3]);
}

#[test]
fn several_moments_count_as_their_latest() {
    let table = TableSpec::new("t").nullable("a", Kind::Instant).nullable("b", Kind::NaiveText).rows([
        vec![old(), text("2020-01-01 00:00:00")],
        vec![old(), text("2030-01-01 00:00:00")],
        vec![Cell::Null, text("2020-01-01 00:00:00")],
        vec![old(), Cell::Null],
        vec![Cell::Null, Cell::Null],
        vec![old(), text("soon")],
        vec![Cell::Null, text("soon")],
    ]);
    let since = vec![zoned("a", "UTC"), formed("b", SinceForm::Timestamp)];
    let mut selection = selection(Since::Greatest(since), "2026-01-01T00:00:00Z");
    assert_eq!(due(&table, &selection), [1, 3, 4]);
    selection.terms.when_null = WhenNull::Delete;
    assert_eq!(due(&table, &selection), [1, 3, 4, 5], "what cannot be read is no NULL");
}

#[test]
fn activity_elsewhere_counts_and_none_counts_from_or() {
    let own = TableSpec::new("t").nullable("k", Kind::Int).nullable("made", Kind::Instant).rows([
        vec![Cell::Int(1), old()],
        vec![Cell::Int(2), old()],
        vec![Cell::Int(3), old()],
        vec![Cell::Int(4), Cell::Null],
        vec![Cell::Null, old()],
        vec![Cell::Int(6), old()],
    ]);
    let young = || text("2030-01-01T00:00:00Z");
    let other = TableSpec::new("o").nullable("k", Kind::Real).nullable("seen", Kind::Iso8601).rows([
        vec![Cell::Real(1.0), text("2020-01-01T00:00:00Z")],
        vec![Cell::Real(2.0), text("2020-01-01T00:00:00Z")],
        vec![Cell::Real(2.0), young()],
        vec![Cell::Int(3), Cell::Null],
        vec![Cell::Null, young()],
        vec![Cell::Int(6), text("soon")],
    ]);
    let mut latest = Latest {
        table: TableRef::parse("o"),
        at: formed("seen", SinceForm::Iso8601),
        on: vec![Joined { other: "k".into(), own: "k".into() }],
        or: Some(zoned("made", "UTC")),
    };
    let of = |latest: &Latest| selection(Since::Latest(Box::new(latest.clone())), "2026-01-01T00:00:00Z");
    assert_eq!(due([&own, &other], &of(&latest)), [1, 3, 5]);
    let mut delete = of(&latest);
    delete.terms.when_null = WhenNull::Delete;
    assert_eq!(due([&own, &other], &delete), [1, 3, 4, 5]);
    latest.or = None;
    assert_eq!(due([&own, &other], &of(&latest)), [1]);
    let mut delete = of(&latest);
    delete.terms.when_null = WhenNull::Delete;
    assert_eq!(due([&own, &other], &delete), [1, 3, 4, 5]);
}

// === What other rules keep ===

#[test]
fn what_another_rule_keeps_is_not_due() {
    let table = TableSpec::new("t")
        .nullable("at", Kind::Instant)
        .nullable("paid", Kind::Instant)
        .nullable("s", Kind::Text)
        .rows([
            vec![old(), Cell::Instant(at("2025-12-01T00:00:00Z")), text("a")],
            vec![old(), old(), text("a")],
            vec![old(), Cell::Null, text("a")],
            vec![old(), Cell::Null, text("b")],
            vec![old(), Cell::Null, Cell::Null],
        ]);
    let mut selection = selection(Since::column("at"), "2026-01-01T00:00:00Z");
    let mut keeper =
        Terms { since: Since::column("paid"), cutoff: Cutoff(at("2025-01-01T00:00:00Z")), ..selection.terms.clone() };
    keeper.predicate = Predicate::equal("s", Value::Text("a".into()));
    let kept = |terms: &Terms| vec![Except::Kept { rule: "keeper".into(), terms: terms.clone() }];
    selection.except = kept(&keeper);
    assert_eq!(due(&table, &selection), [2, 4, 5]);
    selection.except = kept(&Terms { when_null: WhenNull::Delete, ..keeper.clone() });
    assert_eq!(due(&table, &selection), [2, 3, 4, 5]);
    selection.except = kept(&Terms { native: Some(Native::NotEveryThird.text().into()), ..keeper.clone() });
    assert_eq!(due(&table, &selection), [2, 3, 4, 5], "the third is not kept");
    let inner = Selection { terms: keeper, except: vec![], ..selection.clone() };
    selection.except = vec![Except::Due(Box::new(inner))];
    assert_eq!(due(&table, &selection), [1, 3, 4, 5]);
}

// === Conditions ===

/// The truth of a test on column `v`.
fn truth(cell: Cell, steps: &[PathStep], check: Check) -> Truth {
    let table = TableSpec::new("t").nullable("v", Kind::Text).rows([vec![cell]]);
    let path = Path { column: "v".into(), steps: steps.to_vec() };
    condition::holds(&table, &table.rows[0], &Predicate::Test(Test { path, check, or_null: false }))
}

#[test]
fn values_of_another_type_are_unknown_and_so_is_their_negation() {
    use Comparison::{Equal, Greater, Less, LessOrEqual, NotEqual};
    use Truth::{False, True, Unknown};
    let compare = |comparison, value| Check::Compare(comparison, value);
    let word = |text: &str| Value::Text(text.into());
    for (cell, check, expected) in [
        (text("a"), compare(Equal, word("a")), True),
        (text("a"), compare(Equal, word("A")), False),
        (text("a "), compare(NotEqual, word("a")), True),
        (Cell::Null, compare(NotEqual, word("a")), Unknown),
        (text("5"), compare(Equal, Value::Int(5)), Unknown),
        (Cell::Int(5), compare(NotEqual, word("5")), Unknown),
        (Cell::Bool(true), compare(Equal, Value::Int(1)), Unknown),
        (Cell::Bool(true), compare(NotEqual, Value::Bool(false)), True),
        (Cell::Int(5), compare(Equal, Value::Real(5.0)), True),
        (Cell::Real(-0.0), compare(Equal, Value::Int(0)), True),
        (Cell::Int(9_007_199_254_740_993), compare(Greater, Value::Real(9_007_199_254_740_992.0)), True),
        (Cell::Int(9_007_199_254_740_993), compare(Equal, Value::Real(9_007_199_254_740_992.0)), False),
        (Cell::Real(2.5), compare(Less, Value::Int(3)), True),
        (Cell::Real(-2.5), compare(Less, Value::Int(-2)), True),
        (Cell::Int(-2), compare(Less, Value::Real(-2.5)), False),
        (Cell::Int(i64::MAX), compare(Less, Value::Real(9.3e18)), True),
        (text("Z"), compare(Less, word("a")), True),
        (text("\u{ff5e}"), compare(Less, word("\u{1f600}")), True),
        (text("a"), compare(LessOrEqual, word("a")), True),
        (Cell::Int(5), Check::In(vec![word("5"), Value::Int(6)]), False),
        (Cell::Int(6), Check::In(vec![word("5"), Value::Int(6)]), True),
        (Cell::Int(5), Check::In(vec![word("5")]), Unknown),
        (Cell::Int(5), Check::NotIn(vec![word("5")]), Unknown),
        (Cell::Int(5), Check::NotIn(vec![word("5"), Value::Int(6)]), True),
        (Cell::Null, Check::NotIn(vec![Value::Int(6)]), Unknown),
        (Cell::Null, Check::Null(true), True),
        (text(""), Check::Null(true), False),
        (text("a_b%"), Check::Like(r"a\_b\%".into()), True),
        (text("axb%"), Check::Like(r"a\_b%".into()), False),
        (text("\u{1f600}!"), Check::Like("_!".into()), True),
        (text("A"), Check::Like("a".into()), False),
        (text(""), Check::Like("%".into()), True),
        (text("aab"), Check::Like("%a%ab%%".into()), True),
        (text("ab"), Check::Like("%a%ab%%".into()), False),
        (text(r"a\b"), Check::Like(r"a\\%".into()), True),
        (text("100%"), Check::Prefix("100%".into()), True),
        (text("1000"), Check::Prefix("100%".into()), False),
        (Cell::Null, Check::Prefix(String::new()), Unknown),
        (Cell::Int(5), Check::Prefix("5".into()), Unknown),
    ] {
        assert_eq!(truth(cell.clone(), &[], check.clone()), expected, "{cell:?} {check:?}");
    }
}

#[test]
fn paths_lead_into_json() {
    use Truth::{False, True, Unknown};
    let field = |name: &str| PathStep::Field(name.into());
    let equal = |value| Check::Compare(Comparison::Equal, value);
    let a = || equal(Value::Text("a".into()));
    let j = Cell::Json;
    let (x, y, each) = (field("x"), field("y"), PathStep::Each);
    for (cell, steps, check, expected) in [
        (j(json!({"x": "a"})), vec![&x], a(), True),
        (j(json!({"x": "b"})), vec![&x], a(), False),
        (j(json!({"x": 1})), vec![&x], a(), Unknown),
        (j(json!({"x": 1.0})), vec![&x], equal(Value::Int(1)), True),
        (j(json!({"x": null})), vec![&x], a(), Unknown),
        (j(json!({"x": null})), vec![&x], Check::Null(true), True),
        (j(json!({"x": null})), vec![&x], Check::Exists(true), True),
        (j(json!({})), vec![&x], Check::Exists(true), False),
        (j(json!({})), vec![&x], Check::Null(true), True),
        (j(json!([{"x": "a"}])), vec![&x], a(), Unknown),
        (Cell::Null, vec![&x], Check::Exists(false), True),
        (Cell::Null, vec![], Check::Null(true), True),
        (j(json!(null)), vec![], Check::Null(true), True),
        (j(json!({"x": {"y": "a"}})), vec![&x, &y], a(), True),
        (j(json!({"x": ["b", "a"]})), vec![&x, &each], a(), True),
        (j(json!({"x": ["b", 1]})), vec![&x, &each], a(), Unknown),
        (j(json!({"x": ["b", "c"]})), vec![&x, &each], a(), False),
        (j(json!({"x": []})), vec![&x, &each], a(), Unknown),
        (j(json!({"x": "a"})), vec![&x, &each], a(), Unknown),
        (j(json!({"x": [{"y": "a"}, {}]})), vec![&x, &each, &y], a(), True),
        (j(json!({"x": [{"y": "b"}, {}]})), vec![&x, &each, &y], a(), Unknown),
        (j(json!([["b"], ["a"]])), vec![&each, &each], a(), True),
        (j(json!([["b"], []])), vec![&each, &each], a(), Unknown),
        (text(r#"{"x": "a"}"#), vec![&x], a(), True),
        (text("no json"), vec![&x], Check::Exists(false), True),
    ] {
        let steps: Vec<PathStep> = steps.into_iter().cloned().collect();
        assert_eq!(truth(cell.clone(), &steps, check.clone()), expected, "{cell:?} {steps:?} {check:?}");
    }
}

#[test]
fn truths_combine_by_the_rules_of_sql() {
    use Truth::{False, True, Unknown};
    for (parts, all, any) in [
        (vec![], True, False),
        (vec![True, Unknown], Unknown, True),
        (vec![False, Unknown], False, Unknown),
        (vec![Unknown, False, True], False, True),
        (vec![Unknown], Unknown, Unknown),
        (vec![True, True], True, True),
        (vec![False, False], False, False),
    ] {
        assert_eq!((Truth::all(parts.clone()), Truth::any(parts.clone())), (all, any), "{parts:?}");
    }
    let table =
        TableSpec::new("t").nullable("v", Kind::Text).rows([vec![Cell::Null], vec![text("a")], vec![text("b")]]);
    let equal = Predicate::equal("v", Value::Text("a".into()));
    for (or_null, expected) in [(false, [Unknown, False, True]), (true, [True, False, True])] {
        let not = Predicate::Not { part: Box::new(equal.clone()), or_null };
        let found: Vec<Truth> = table.rows.iter().map(|row| condition::holds(&table, row, &not)).collect();
        assert_eq!(found, expected);
    }
}
