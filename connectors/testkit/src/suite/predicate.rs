//! Predicates: measured, planned and deleted rows are the oracle's rows.

use forgetd_connector::{Count, Cutoff, Outside, Predicate, RowCap, Selection, Value, WhenNull};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};

use super::fence::{day, late, ten};
use crate::{Arena, Cell, Drained, Fixture, Kind, TableSpec, oracle};

pub(super) fn text(column: &str, value: &str) -> Predicate {
    Predicate::equal(column, Value::Text(value.into()))
}

/// Measures, deletes, measures again, and compares each with the oracle.
pub(super) async fn agrees(
    fixture: &dyn Fixture,
    arena: &Arena,
    table: &TableSpec,
    selection: Selection,
    rows_max: u32,
) -> Drained {
    let due = oracle::due(table, &selection);
    let kept = oracle::survivors(table, &selection);
    let what = format!(
        "{:?} {} {:?} {}",
        table.columns,
        selection.terms.cutoff.0,
        selection.terms.when_null,
        fixture_name(fixture)
    );
    let step = arena.step(selection).await;
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, Count::Exact(due.len() as u64), "measured: {what}");
    assert_eq!(measure.total, Count::Exact(table.rows.len() as u64), "total: {what}");
    // A cap that is reached makes a connector look instead of count.
    for cap in [RowCap(None), RowCap(Some(0))] {
        let measure = arena.connector.measure(&step, cap).await.unwrap();
        assert_eq!(measure.outside, Outside::found(!kept.is_empty()), "kept under {cap:?}: {what}");
    }
    let done = arena.drain(&step, rows_max).await;
    assert_eq!(done.changed, due.len() as u64, "changed: {what}");
    assert!(done.batch_rows_max <= u64::from(rows_max), "{done:?}: {what}");
    for id in kept.iter() {
        assert!(arena.has(table.name, *id).await, "row {id} had to survive: {what}");
    }
    assert_eq!(arena.count(table.name).await, kept.len() as i64, "survivors: {what}");
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, Count::Exact(0), "left: {what}");
    done
}

/// The kinds of time an engine has tell which one it is well enough.
fn fixture_name(fixture: &dyn Fixture) -> &'static str {
    fixture.column(Kind::Instant).map_or("", |column| column.type_name)
}

/// Case, spaces and normal forms make different values; numbers and truth values are compared as such.
pub async fn equality_is_exact(fixture: &dyn Fixture) {
    let words =
        ["closed", "CLOSED", "Closed", "closed ", " closed", "clos\u{e9}d", "close\u{301}d", "", "o'closed", "%"];
    let rows = words.iter().enumerate().map(|(n, word)| {
        let n = n as i64;
        vec![day(0), Cell::Text((*word).into()), Cell::Int(n % 3), Cell::Bool(n % 2 == 0)]
    });
    let mut table =
        TableSpec::new("item").column("at", Kind::Instant).column("word", Kind::Text).column("n", Kind::Int);
    table = table.column("yes", Kind::Bool);
    if !table.fits(fixture) {
        return;
    }
    let table = table.rows(rows);
    let values = |words: &[&str]| words.iter().map(|word| Value::Text((*word).into())).collect();
    let mut predicates: Vec<Predicate> = words.iter().map(|word| text("word", word)).collect();
    predicates.push(Predicate::one_of("word", values(&["CLOSED", "close\u{301}d", "o'closed"])));
    predicates.push(Predicate::equal("n", Value::Int(2)));
    predicates.push(Predicate::equal("yes", Value::Bool(true)));
    predicates.push(Predicate::All(vec![text("word", "closed"), Predicate::equal("n", Value::Int(1))]));
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table).await;
    for predicate in predicates {
        let mut selection = table.selection(fixture, "at", late());
        selection.terms.predicate = predicate;
        let due = oracle::due(&table, &selection);
        let step = arena.step(selection).await;
        let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
        assert_eq!(measure.due, Count::Exact(due.len() as u64), "{:?}", step.selection.terms.predicate);
    }
    let mut selection = table.selection(fixture, "at", late());
    selection.terms.predicate = text("word", "closed");
    agrees(fixture, &arena, &table, selection, 4).await;
}

/// Moments around the cutoff, in every form a column can write them.
pub async fn every_form_of_time_agrees_with_the_oracle(fixture: &dyn Fixture) {
    let cutoff: Timestamp = "2024-03-10T12:30:45Z".parse().unwrap();
    let seconds = [-86_400, -3_600, -1, 0, 1, 3_600, 86_400];
    for kind in [Kind::Instant, Kind::UnixS, Kind::UnixMs, Kind::Iso8601] {
        let moments = seconds.iter().map(|s| vec![Cell::Instant(cutoff + jiff::Span::new().seconds(*s))]);
        let table = TableSpec::new("item").column("at", kind).rows(moments);
        if !table.fits(fixture) {
            continue;
        }
        let arena = Arena::new(fixture).await;
        arena.create(fixture, &table).await;
        agrees(fixture, &arena, &table, table.selection(fixture, "at", cutoff), 2).await;
    }
    // A cutoff between two microseconds' neighbours: the smallest step that every engine keeps.
    let fine = [-1, 0, 1].map(|us| vec![Cell::Instant(cutoff + jiff::Span::new().microseconds(us))]);
    let table = TableSpec::new("item").column("at", Kind::Instant).rows(fine);
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &table).await;
    agrees(fixture, &arena, &table, table.selection(fixture, "at", cutoff), 2).await;
}

/// Naive times and dates in zones, around both changes of summer time and around midnight.
pub async fn zones_and_folds_agree_with_the_oracle(fixture: &dyn Fixture) {
    let autumn = date(2026, 10, 25);
    let nights = [autumn, date(2026, 3, 29)];
    let naive: Vec<DateTime> = nights
        .iter()
        .flat_map(|day| (0..24).map(|n| day.at(0, 10, 0, 0) + jiff::Span::new().minutes(n * 20)))
        .collect();
    let dates: Vec<Date> =
        nights.iter().flat_map(|day| [day.yesterday().unwrap(), *day, day.tomorrow().unwrap()]).collect();
    let cutoffs = [
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:05:00Z",
        "2026-10-25T01:30:00Z",
        "2026-03-29T00:59:00Z",
        "2026-03-29T01:05:00Z",
    ];
    for (column, kind, cells) in [
        ("at", Kind::Naive, naive.into_iter().map(Cell::Naive).collect::<Vec<_>>()),
        ("day", Kind::Date, dates.into_iter().map(Cell::Date).collect()),
    ] {
        let table = TableSpec::new("item").column(column, kind).rows(cells.into_iter().map(|cell| vec![cell]));
        if !table.fits(fixture) {
            continue;
        }
        let arena = Arena::new(fixture).await;
        arena.create(fixture, &table).await;
        for (zone, cutoff) in ["Europe/Stockholm", "America/New_York"].iter().flat_map(|z| cutoffs.map(|c| (*z, c))) {
            let mut selection = table.selection(fixture, column, cutoff.parse().unwrap());
            crate::in_zone(&mut selection, zone);
            let due = oracle::due(&table, &selection);
            let step = arena.step(selection).await;
            let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
            assert_eq!(measure.due, Count::Exact(due.len() as u64), "{kind:?} in {zone} at {cutoff}");
        }
        let mut selection = table.selection(fixture, column, "2026-10-25T00:30:00Z".parse().unwrap());
        crate::in_zone(&mut selection, "Europe/Stockholm");
        agrees(fixture, &arena, &table, selection, 5).await;
    }
}

/// The predicate that people are shown stands in every statement, and a capped count says so.
pub async fn plan_and_run_mean_the_same_rows(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let mut selection = table.selection(fixture, "at", late());
    selection.terms.when_null = WhenNull::Keep;
    let step = arena.step(selection).await;
    let shown = arena.connector.statements(&step).unwrap();
    assert!(!shown.predicate.is_empty());
    for statement in [&shown.change, &shown.count] {
        assert!(statement.contains(&shown.predicate), "{statement} does not hold {}", shown.predicate);
    }
    let capped = arena.connector.measure(&step, RowCap(Some(4))).await.unwrap();
    assert_eq!(capped.due, Count::Capped(4));
    let enough = arena.connector.measure(&step, RowCap(Some(50))).await.unwrap();
    assert_eq!(enough.due, Count::Exact(10));
    assert_eq!(enough.oldest, Some(Timestamp::from_second(1_700_000_000).unwrap()));
    for (second, outside) in [(1_800_000_000, Outside::Nothing), (1_700_000_001, Outside::Rows)] {
        let mut selection = step.selection.clone();
        selection.terms.cutoff = Cutoff(Timestamp::from_second(second).unwrap());
        let measure = arena.connector.measure(&arena.step(selection).await, RowCap(Some(0))).await.unwrap();
        assert_eq!((measure.due, measure.outside), (Count::Capped(0), outside), "counting stopped early");
    }
    let mut none = step.selection.clone();
    none.terms.cutoff = Cutoff(Timestamp::from_second(1_700_000_000).unwrap());
    let none = arena.connector.measure(&arena.step(none).await, RowCap(None)).await.unwrap();
    assert_eq!((none.due, none.oldest), (Count::Exact(0), None), "the cutoff itself is not before the cutoff");
    assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(10), "survivors are counted to the end");
}

/// Describing, checking and counting leave rows and control tables alone.
pub async fn looking_changes_nothing(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let findings = arena.connector.preflight(&step).await.unwrap();
    let blocking: Vec<_> = findings.iter().filter_map(forgetd_connector::Finding::blocking_cause).collect();
    assert_eq!(blocking, [], "an ordinary table blocks nothing");
    arena.connector.measure(&step, RowCap(None)).await.unwrap();
    let again = arena.step(step.selection.clone()).await;
    assert_eq!(again, step, "the same table is described the same way twice");
    assert_eq!((arena.count("item").await, arena.connector.control().pending_count().await.unwrap()), (10, 0));
}
