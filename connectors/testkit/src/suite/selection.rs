//! Whole selections: every condition, every kind of moment, and what keeps rows all the same are the oracle's.

use forgetd_connector::{
    Check, Comparison, Count, Except, Joined, Latest, Path, PathStep, Predicate, RowCap, Selection, Since, SinceColumn,
    Step, TableRef, Terms, Test, Value, WhenNull,
};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::fence::{day, late};
use super::predicate::agrees;
use crate::oracle::Native;
use crate::{Arena, Cell, Fixture, Kind, TableSpec, oracle};

use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

const COMPARISONS: [Comparison; 6] = [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual];

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| Value::Text((*value).into())).collect()
}

/// A test below `column`; `[]` is every element.
fn test(column: &str, steps: &[&str], check: Check) -> Predicate {
    let step = |step: &&str| if *step == "[]" { PathStep::Each } else { PathStep::Field((*step).into()) };
    let path = Path { column: column.into(), steps: steps.iter().map(step).collect() };
    Predicate::Test(Test { path, check, or_null: false })
}

fn not(part: Predicate) -> Predicate {
    Predicate::Not { part: Box::new(part), or_null: false }
}

/// Counts what a step means, and compares with the oracle.
async fn measured(arena: &Arena, world: &[TableSpec], step: &Step) {
    let due = oracle::due(world, &step.selection);
    let count = arena.connector.measure(step, RowCap(None)).await.unwrap().due;
    let Selection { terms, except, .. } = &step.selection;
    assert_eq!(count, Count::Exact(due.len() as u64), "due are {due:?} by {terms:?} except {except:?}");
}

/// Counts what each predicate means, and its negation: what neither of them means is unknown. Every fifth also with
/// unknown as a match.
async fn all_measured(arena: &Arena, world: &[TableSpec], selection: Selection, asked: &[Predicate]) {
    let mut step = arena.step(selection).await;
    for (n, predicate) in asked.iter().enumerate() {
        let mut variants = vec![predicate.clone(), not(predicate.clone())];
        if let (0, Predicate::Test(test)) = (n % 5, predicate) {
            variants.push(Predicate::Test(Test { or_null: true, ..test.clone() }));
            variants.push(Predicate::Not { part: Box::new(predicate.clone()), or_null: true });
        }
        for predicate in variants {
            step.selection.terms.predicate = predicate;
            measured(arena, world, &step).await;
        }
    }
}

/// A world in a database.
async fn made(fixture: &dyn Fixture, world: &[TableSpec]) -> Arena {
    let arena = Arena::new(fixture).await;
    for table in world {
        arena.create(fixture, table).await;
    }
    arena
}

/// Everything that can be asked of a column's own value, of values that are nearly the same and of none.
pub async fn conditions_on_columns_agree_with_the_oracle(fixture: &dyn Fixture) {
    let words = [
        "b",
        "B",
        "a",
        "ba",
        "b ",
        "",
        "\u{e9}",
        "e\u{301}",
        "\u{ffff}",
        "\u{1f600}",
        "5",
        "a%b",
        "a*b",
        "o'k",
        r"a\b",
    ];
    let numbers = [0, 5, -5, 9_007_199_254_740_993, i64::MAX, i64::MIN];
    let reals = [0.0, -0.0, 5.0, 4.999_999_999_999_999, 9_007_199_254_740_992.0, -1e300, 0.1];
    let rows = (0..16).map(|n| {
        let of = |cells: Vec<Cell>| cells.get(n).cloned().unwrap_or(Cell::Null);
        vec![
            day(0),
            of(words.iter().map(|word| text(word)).collect()),
            of(numbers.iter().map(|number| Cell::Int(*number)).collect()),
            of(reals.iter().map(|real| Cell::Real(*real)).collect()),
            of(vec![Cell::Bool(true), Cell::Bool(false)]),
        ]
    });
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("word", Kind::Text)
        .nullable("n", Kind::Int)
        .nullable("r", Kind::Real)
        .nullable("yes", Kind::Bool)
        .rows(rows);
    let mut asked = vec![Predicate::Any(vec![]), Predicate::always()];
    for comparison in COMPARISONS {
        let mut compare = |column: &str, value| asked.push(test(column, &[], Check::Compare(comparison, value)));
        ["b", "\u{ffff}", ""].into_iter().for_each(|word| compare("word", Value::Text(word.into())));
        [5, 9_007_199_254_740_992, i64::MAX].into_iter().for_each(|number| compare("n", Value::Int(number)));
        [5.0, 0.1, 9_007_199_254_740_992.0].into_iter().for_each(|real| compare("r", Value::Real(real)));
        compare("r", Value::Int(5));
    }
    for check in [Check::Compare(Equal, Value::Bool(true)), Check::Compare(NotEqual, Value::Bool(true))] {
        asked.push(test("yes", &[], check));
    }
    for pattern in ["%", "_", "", "b%", "%b", "a_b", "a%b", r"a\%b", r"a\\b", "a*b", "%\u{301}%"] {
        asked.push(test("word", &[], Check::Like(pattern.into())));
    }
    for prefix in ["", "b", "e", "a*"] {
        asked.push(test("word", &[], Check::Prefix(prefix.into())));
    }
    for column in ["word", "n", "r", "yes"] {
        asked.push(test(column, &[], Check::Null(true)));
    }
    asked.push(test("word", &[], Check::In(texts(&["b", "\u{e9}", ""]))));
    asked.push(test("word", &[], Check::NotIn(texts(&["b", "\u{e9}", ""]))));
    asked.push(test("n", &[], Check::NotIn(vec![Value::Int(5), Value::Int(i64::MIN)])));
    let world = [table];
    let arena = made(fixture, &world).await;
    all_measured(&arena, &world, world[0].selection(fixture, "at", late()), &asked).await;
    let mut selection = world[0].selection(fixture, "at", late());
    let [b, five] = [("word", Value::Text("b".into())), ("n", Value::Int(5))]
        .map(|(column, value)| test(column, &[], Check::Compare(Equal, value)));
    selection.terms.predicate = not(Predicate::Any(vec![b.clone(), Predicate::All(vec![five, not(b)])]));
    agrees(fixture, &arena, &world[0], selection, 3).await;
}

/// Places inside JSON: by the type of what lies there, and unknown wherever nothing does.
pub async fn conditions_inside_json_agree_with_the_oracle(fixture: &dyn Fixture) {
    let documents = [
        json!({ "a": "x" }),
        json!({ "a": "X" }),
        json!({ "a": 5 }),
        json!({ "a": 5.0 }),
        json!({ "a": "5" }),
        json!({ "a": true }),
        json!({ "a": null }),
        json!({ "a": {} }),
        json!({ "a": ["x", 5] }),
        json!({ "a": [] }),
        json!({ "a": ["y", "z"] }),
        json!({ "a": [null, "y"] }),
        json!({ "a": { "b": "x" } }),
        json!({ "b": "x" }),
        json!({ "a": [{ "b": [1, 2] }, { "b": [] }] }),
        json!({ "a": [{ "b": [3] }, { "c": 1 }] }),
        json!({ "": "x", "a.b": "x", "$": "x", "a\"b": "x", "[0]": "x", "0": "x" }),
        json!(["x"]),
        json!("x"),
        json!(null),
        json!({ "a": "{\"b\": \"x\"}" }),
        json!({ "a": -0.5 }),
        json!({ "a": "\u{e9}" }),
        json!({ "a": "e\u{301}" }),
    ];
    let rows = documents.iter().map(|document| vec![Cell::Json(document.clone())]).chain([vec![Cell::Null]]);
    let rows = rows.map(|mut row| {
        row.insert(0, day(0));
        row
    });
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("doc", Kind::Json).rows(rows);
    if !table.fits(fixture) {
        return;
    }
    let mut asked = vec![test("doc", &[], Check::Null(true))];
    let x = || Value::Text("x".into());
    for steps in [&["a"][..], &["a", "b"], &["a", "[]"], &["[]"], &["a", "[]", "b", "[]"]] {
        let mut ask = |check| asked.push(test("doc", steps, check));
        for comparison in [Equal, NotEqual, Less, GreaterOrEqual] {
            ask(Check::Compare(comparison, x()));
        }
        ask(Check::Compare(Less, Value::Int(2)));
        ask(Check::Compare(Equal, Value::Real(5.0)));
        ask(Check::Compare(Equal, Value::Bool(true)));
        ask(Check::In(vec![x(), Value::Int(5), Value::Bool(false)]));
        ask(Check::NotIn(vec![x(), Value::Int(1)]));
        ask(Check::Like("_".into()));
        ask(Check::Prefix("x".into()));
        if !steps.contains(&"[]") {
            ask(Check::Null(true));
            ask(Check::Exists(true));
        }
    }
    // Documents are asked by paths between dots, in which some names cannot stand: a plan refuses them.
    let documents = fixture.keeps() == crate::Keeps::Documents;
    for name in ["", "a.b", "$", "a\"b", "[0]", "0"] {
        if documents && matches!(name, "" | "a.b" | "$") {
            continue;
        }
        asked.push(test("doc", &[name], Check::Compare(Equal, x())));
        asked.push(test("doc", &[name], Check::Exists(false)));
    }
    let world = [table];
    let arena = made(fixture, &world).await;
    all_measured(&arena, &world, world[0].selection(fixture, "at", late()), &asked).await;
    let mut selection = world[0].selection(fixture, "at", late());
    selection.terms.predicate = not(test("doc", &["a"], Check::Compare(Equal, x())));
    agrees(fixture, &arena, &world[0], selection, 2).await;
}

/// A cutoff that every kind of column can write, and the day and the second on each side of it.
fn cutoff() -> Timestamp {
    "2024-03-11T00:00:00Z".parse().expect("a moment")
}

fn since(fixture: &dyn Fixture, name: &str, kind: Kind) -> SinceColumn {
    let form = fixture.column(kind).and_then(|column| column.form);
    SinceColumn { column: name.into(), zone: Some(TimeZone::UTC), form }
}

/// The latest of several columns, written in several ways, with NULL in each.
pub async fn several_columns_agree_with_the_oracle(fixture: &dyn Fixture) {
    let date = |at: Timestamp| Cell::Date(TimeZone::UTC.to_datetime(at).date());
    let moments = [cutoff() - 1.second(), cutoff()];
    let dates = [date(cutoff() - 1.hour()), date(cutoff()), Cell::Null];
    let cells = |at: &Timestamp| Cell::Instant(*at);
    let either = || moments.iter().map(cells).chain([Cell::Null]).collect::<Vec<_>>();
    let mut rows = vec![];
    for a in &dates {
        for b in either() {
            rows.extend(either().into_iter().map(|c| vec![a.clone(), b.clone(), c]));
        }
    }
    for index in [&[][..], &["a"], &["c", "a"]] {
        let mut table = TableSpec::new("item")
            .nullable("a", Kind::Date)
            .nullable("b", Kind::Instant)
            .nullable("c", Kind::UnixS)
            .rows(rows.clone());
        if !index.is_empty() {
            table = table.index(index);
        }
        for when_null in [WhenNull::Keep, WhenNull::Delete] {
            let arena = made(fixture, std::slice::from_ref(&table)).await;
            let columns = [("a", Kind::Date), ("b", Kind::Instant), ("c", Kind::UnixS)];
            let mut selection = table.selection(fixture, "b", cutoff());
            selection.terms.since = Since::Greatest(columns.map(|(name, kind)| since(fixture, name, kind)).to_vec());
            selection.terms.when_null = when_null;
            agrees(fixture, &arena, &table, selection, 4).await;
        }
    }
}

/// Items with some activity, some in the future and none, and a moment of their own or none.
fn active() -> [TableSpec; 2] {
    let (old, new) = (Cell::Instant(cutoff() - 1.second()), Cell::Instant(cutoff()));
    let own = [old.clone(), new.clone(), Cell::Null];
    let histories =
        [vec![], vec![old.clone()], vec![old.clone(), new.clone()], vec![Cell::Null], vec![Cell::Null, old]];
    let mut items = vec![];
    let mut visits = vec![vec![Cell::Int(999), new.clone()], vec![Cell::Null, new]];
    for history in &histories {
        for own in &own {
            items.push(vec![own.clone(), text("a")]);
            let id = items.len() as i64;
            visits.extend(history.iter().map(|at| vec![Cell::Int(id), at.clone()]));
        }
    }
    [
        TableSpec::new("item").nullable("at", Kind::Instant).column("word", Kind::Text).rows(items),
        TableSpec::new("visit").nullable("item", Kind::Int).nullable("at", Kind::Instant).index(&["item"]).rows(visits),
    ]
}

fn latest(fixture: &dyn Fixture, or: bool) -> Since {
    let at = since(fixture, "at", Kind::Instant);
    let on = vec![Joined { other: "item".into(), own: fixture.id().into() }];
    Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at: at.clone(), on, or: or.then_some(at) }))
}

/// The latest activity in another table, and what counts without any.
pub async fn activity_elsewhere_agrees_with_the_oracle(fixture: &dyn Fixture) {
    let world = active();
    for when_null in [WhenNull::Keep, WhenNull::Delete] {
        for or in [false, true] {
            let arena = made(fixture, &world).await;
            let mut selection = world[0].selection(fixture, "at", cutoff());
            selection.terms.since = latest(fixture, or);
            selection.terms.when_null = when_null.clone();
            measured(&arena, &world, &arena.step(selection.clone()).await).await;
            let due = oracle::due(&world[..], &selection).len() as u64;
            let step = arena.step(selection).await;
            assert_eq!(arena.drain(&step, 2).await.changed, due);
        }
    }
}

/// What other rules keep, by every kind of moment and condition, and what another selection means.
pub async fn what_others_keep_agrees_with_the_oracle(fixture: &dyn Fixture) {
    let world = active();
    let arena = made(fixture, &world).await;
    let all = || {
        let mut selection = world[0].selection(fixture, "at", late());
        selection.terms.when_null = WhenNull::Delete;
        selection
    };
    let mut keepers: Vec<Terms> = vec![];
    for when_null in [WhenNull::Keep, WhenNull::Delete] {
        for counted in
            [Since::Column(since(fixture, "at", Kind::Instant)), latest(fixture, false), latest(fixture, true)]
        {
            for word in ["a", "b"] {
                let mut terms = world[0].selection(fixture, "at", cutoff()).terms;
                terms.since = counted.clone();
                terms.when_null = when_null.clone();
                terms.predicate = Predicate::equal("word", Value::Text(word.into()));
                keepers.push(Terms { native: Some(fixture.native(Native::Either).into()), ..terms.clone() });
                keepers.push(terms);
            }
        }
    }
    for terms in &keepers {
        let mut selection = all();
        selection.except.push(Except::Kept { rule: "keeper".into(), terms: terms.clone() });
        measured(&arena, &world, &arena.step(selection).await).await;
        let mut selection = all();
        let other = Selection::new(selection.table.clone(), terms.clone());
        selection.except.push(Except::Due(Box::new(other)));
        measured(&arena, &world, &arena.step(selection).await).await;
    }
    let mut selection = all();
    for (n, terms) in keepers.iter().take(3).enumerate() {
        selection.except.push(Except::Kept { rule: format!("keeper-{n}"), terms: terms.clone() });
    }
    let kept = oracle::survivors(&world[..], &selection);
    let step = arena.step(selection).await;
    arena.drain(&step, 2).await;
    assert_eq!(arena.count("item").await, kept.len() as i64);
    for id in kept {
        assert!(arena.has("item", id).await, "row {id} had to survive");
    }
}

/// The operator's own conditions narrow and never widen.
pub async fn native_conditions_stay_in_their_parentheses(fixture: &dyn Fixture) {
    let world = active();
    let arena = made(fixture, &world).await;
    for native in Native::ALL {
        let mut selection = world[0].selection(fixture, "at", cutoff());
        selection.terms.native = Some(fixture.native(*native).into());
        measured(&arena, &world, &arena.step(selection.clone()).await).await;
        selection.terms.predicate = not(Predicate::equal("word", Value::Text("b".into())));
        measured(&arena, &world, &arena.step(selection).await).await;
    }
    for broken in fixture.broken_natives() {
        let mut selection = world[0].selection(fixture, "at", cutoff());
        selection.terms.native = Some((*broken).into());
        let step = arena.step(selection).await;
        let blocked = match arena.connector.preflight(&step).await {
            Ok(findings) => findings.iter().any(|finding| finding.blocking_cause().is_some()),
            Err(fault) => matches!(fault.class, forgetd_connector::FaultClass::Blocked(_)),
        };
        assert!(blocked, "`{broken}` passed");
    }
    assert_eq!(arena.count("item").await, 15);
}
