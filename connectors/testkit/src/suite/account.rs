//! What is told about rows: how they are spread, why they stay, why one goes, how statements run, which tables there are.

use forgetd_connector::{
    Clause, ClauseOf, Count, Except, KeptWhy, Key, Predicate, RowCap, Selection, TableRef, Value, WhenNull,
};
use jiff::{Timestamp, ToSpan as _};

use super::fence::ten;
use super::predicate::text;
use crate::oracle::Native;
use crate::{Arena, Cell, Fixture, Kind, TableSpec};

fn moment(at: &str) -> Cell {
    Cell::Instant(at.parse().expect("a moment"))
}

fn cutoff() -> Timestamp {
    "2024-03-10T12:00:00Z".parse().expect("a moment")
}

/// Rows with a moment and one that another rule counts from; `a` is what the rule means.
fn table() -> TableSpec {
    let rows = [
        (moment("2023-12-31T23:59:59Z"), moment("2020-01-01T00:00:00Z"), "a"),
        (moment("2024-01-01T00:00:00Z"), moment("2020-01-01T00:00:00Z"), "a"),
        (moment("2024-01-31T23:59:59Z"), Cell::Null, "a"),
        (moment("2024-01-31T23:59:59Z"), moment("2024-03-10T12:00:00Z"), "a"),
        (moment("2024-03-10T12:00:00Z"), moment("2020-01-01T00:00:00Z"), "a"),
        (moment("2037-01-01T00:00:00Z"), moment("2020-01-01T00:00:00Z"), "a"),
        (Cell::Null, moment("2020-01-01T00:00:00Z"), "a"),
        (Cell::Null, moment("2020-01-01T00:00:00Z"), "b"),
        (moment("2037-01-01T00:00:00Z"), Cell::Null, "b"),
        (moment("2020-01-01T00:00:00Z"), Cell::Null, "b"),
    ];
    TableSpec::new("item")
        .nullable("at", Kind::Instant)
        .nullable("until", Kind::Instant)
        .column("word", Kind::Text)
        .rows(rows.map(|(at, until, word)| vec![at, until, Cell::Text(word.into())]))
}

/// What `a` means, except what is still kept by `until`.
fn rule(fixture: &dyn Fixture) -> Selection {
    let mut selection = table().selection(fixture, "at", cutoff());
    selection.terms.predicate = text("word", "a");
    let terms = table().selection(fixture, "until", cutoff()).terms;
    selection.except.push(Except::Kept { rule: "keeper".into(), terms });
    selection
}

async fn made(fixture: &dyn Fixture) -> Arena {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table()).await;
    arena
}

/// Due rows by month; rows that stay by reason, of those that the conditions mean.
pub async fn rows_are_spread_and_stay_for_reasons(fixture: &dyn Fixture) {
    let arena = made(fixture).await;
    let step = arena.step(rule(fixture)).await;
    let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
    let months: Vec<(Option<&str>, u64)> =
        profile.months.iter().map(|month| (month.month.as_deref(), month.rows)).collect();
    assert_eq!((months, profile.complete), (vec![(Some("2023-12"), 1), (Some("2024-01"), 1)], true));
    let mut kept: Vec<(KeptWhy, Count)> = profile.kept.into_iter().map(|kept| (kept.why, kept.rows)).collect();
    // Where a column's type takes nothing but time, there is no such reason.
    kept.retain(|kept| *kept != (KeptWhy::Unreadable, Count::Exact(0)));
    let exact = |why, rows| (why, Count::Exact(rows));
    let keeper = KeptWhy::Rule("keeper".into());
    assert_eq!(kept, [exact(KeptWhy::Null, 1), exact(KeptWhy::Future, 1), exact(keeper, 2)]);
    let mut selection = rule(fixture);
    selection.except.clear();
    selection.terms.when_null = WhenNull::Delete;
    let step = arena.step(selection).await;
    let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
    assert!(profile.months.iter().any(|month| month.month.is_none() && month.rows == 1), "{profile:?}");
    assert!(profile.kept.iter().all(|kept| kept.why != KeptWhy::Null), "{profile:?}");
    let capped = arena.connector.profile(&step, RowCap(Some(2))).await.unwrap();
    assert!(!capped.complete);
    assert_eq!(capped.months.iter().map(|month| month.rows).sum::<u64>(), 2);
}

/// One row, condition by condition.
pub async fn a_row_is_judged_by_each_condition(fixture: &dyn Fixture) {
    let arena = made(fixture).await;
    let mut selection = rule(fixture);
    selection.terms.native = Some(fixture.native(Native::Quoted).into());
    selection.terms.predicate =
        Predicate::All(vec![text("word", "a"), Predicate::Any(vec![text("word", "a"), text("word", "c")])]);
    let step = arena.step(selection).await;
    let clause = |what, holds, moment: Option<&str>| Clause {
        what,
        holds,
        moment: moment.map(|at| at.parse().expect("a moment")),
    };
    let word = || ClauseOf::Where("word".into());
    let keeper = || ClauseOf::Kept("keeper".into());
    let early = Some("2020-01-01T00:00:00Z");
    for (id, due, over, at, holds, native, keeps, until) in [
        (1, false, Some(true), Some("2023-12-31T23:59:59Z"), true, false, false, early),
        (2, true, Some(true), Some("2024-01-01T00:00:00Z"), true, true, false, early),
        (3, false, Some(true), Some("2024-01-31T23:59:59Z"), true, true, true, None),
        (5, false, Some(false), Some("2024-03-10T12:00:00Z"), true, true, false, early),
        (7, false, None, None, true, true, false, early),
        (10, false, Some(true), early, false, true, true, None),
    ] {
        let judged = arena.connector.judge(&step, &Key(vec![Value::Int(id)])).await.unwrap().expect("a row");
        assert_eq!(judged.due, due, "row {id}");
        assert_eq!(
            judged.clauses,
            [
                clause(ClauseOf::Since, over, at),
                clause(word(), Some(holds), None),
                clause(word(), Some(holds), None),
                clause(ClauseOf::Native, Some(native), None),
                clause(keeper(), Some(keeps), until),
            ],
            "row {id}"
        );
    }
    assert_eq!(arena.connector.judge(&step, &Key(vec![Value::Int(99)])).await.unwrap(), None);
    assert_eq!(arena.count("item").await, 10, "judging changes nothing");
}

/// The engine's own account of every statement; none of them is run.
pub async fn statements_are_explained_and_not_run(fixture: &dyn Fixture) {
    let arena = made(fixture).await;
    let mut selection = rule(fixture);
    selection.terms.cutoff = forgetd_connector::Cutoff(cutoff() + 24.hours());
    let step = arena.step(selection).await;
    let explained = arena.connector.explain(&step).await.unwrap();
    let names: Vec<&str> = explained.iter().map(|explained| explained.statement.as_str()).collect();
    for name in ["change", "count"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(explained.iter().all(|explained| !explained.text.is_empty()), "{explained:?}");
    assert_eq!(arena.count("item").await, 10);
}

/// The tables that a policy could name, in order.
pub async fn tables_are_listed(fixture: &dyn Fixture) {
    let arena = made(fixture).await;
    assert_eq!(
        arena.connector.tables().await.unwrap().iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["item"]
    );
    let another = TableSpec { name: "another", ..ten() };
    arena.create(fixture, &another).await;
    let tables = arena.connector.tables().await.unwrap();
    assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["another", "item"]);
    let catalog = arena.connector.describe(&tables).await.unwrap();
    let described: Vec<TableRef> = catalog.tables.into_iter().map(|table| table.name).collect();
    assert_eq!(described, tables, "what is listed can be described by its name");
}
