//! Sweeps: the rows that are done are read, and texts that only look done make their rows due.

use std::collections::BTreeSet;

use forgetd_connector::{
    Action, ClauseOf, Count, Cutoff, DoneRows, Except, Key, OldRow, Path, Place, Put, Rewrite, RowCap, Selection, Step,
    Undone, Value,
};
use jiff::Timestamp;
use serde_json::json;

use super::fence::{day, late};
use crate::{Arena, Cell, Fixture, Kind, TableSpec, Tagger};

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// A step that tags what is at this path.
async fn tagging(arena: &Arena, mut selection: Selection, path: &str) -> Step {
    let path = Path::parse(path).unwrap();
    selection.undone = vec![Undone::Other { path: path.clone(), shape: Tagger::shape() }];
    let places = vec![Place { path, put: Put::Computed, samples: vec![] }];
    let rewrite = Rewrite { marker: None, version: None, places, follows: vec![] };
    Step { action: Action::Transform(rewrite), ..arena.step(selection).await }
}

fn is(path: &str, texts: &[&str]) -> Undone {
    Undone::Is { path: Path::parse(path).unwrap(), texts: texts.iter().map(|text| (*text).to_owned()).collect() }
}

async fn due(arena: &Arena, step: &Step) -> Count {
    arena.connector.measure(step, RowCap(None)).await.unwrap().due
}

/// Exactly these texts make a row due, whatever a column's collation takes for equal; nothing shows them.
pub async fn texts_make_their_rows_due(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let names = ["p1.hushed", "P1.hushed", "p1.hushed ", "p1.é", "p1.e\u{301}", "a"];
    let rows = (0..).zip(names).map(|(n, name)| vec![day(n), text(name)]).chain([vec![day(9), Cell::Null]]);
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("name", Kind::LaxText).rows(rows);
    arena.create(fixture, &table).await;
    let mut step = tagging(&arena, table.selection(fixture, "at", late()), "name").await;
    // One that begins with another letter, and one that is not tagged.
    assert_eq!(due(&arena, &step).await, Count::Exact(2));
    step.selection.undone.push(is("name", &["p1.hushed", "p1.é", "p1.nobody"]));
    assert_eq!(due(&arena, &step).await, Count::Exact(4));
    for (id, undone) in [(1, true), (3, false), (4, true), (5, false), (7, false)] {
        let judged = arena.connector.judge(&step, &Key(vec![Value::Int(id)])).await.unwrap().unwrap();
        let clause = judged.clauses.iter().find(|clause| clause.what == ClauseOf::Undone).unwrap();
        assert_eq!((judged.due, clause.holds), (undone, Some(undone)), "{id}");
    }
    let statements = arena.connector.statements(&step).unwrap();
    assert!(!format!("{statements:?}").contains("hushed"));
}

/// The same inside JSON, in any element.
pub async fn texts_inside_json_make_their_rows_due(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let documents = [
        json!({"items": [{"email": "p1.a"}, {"email": "p1.b"}]}),
        json!({"items": [{"email": "p1.a"}, {"email": null}, {"email": "p1.fake"}]}),
        json!({"items": [{"email": "p1.FAKE"}], "email": "p1.fake"}),
        json!({"items": {"email": "p1.fake"}}),
        json!({"items": ["p1.fake", [{"email": "p1.fake"}]]}),
        json!(null),
    ];
    let rows =
        (0..).zip(documents).map(|(n, document)| vec![day(n), Cell::Json(document)]).chain([vec![day(9), Cell::Null]]);
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("doc", Kind::Json).rows(rows);
    if !table.fits(fixture) {
        return;
    }
    arena.create(fixture, &table).await;
    let mut step = tagging(&arena, table.selection(fixture, "at", late()), "doc.items[].email").await;
    assert_eq!(due(&arena, &step).await, Count::Exact(0));
    step.selection.undone.push(is("doc.items[].email", &["p1.fake"]));
    assert_eq!(due(&arena, &step).await, Count::Exact(1));
    step.selection.undone.push(is("doc.items[].email", &["p1.nobody", "p1.FAKE"]));
    assert_eq!(due(&arena, &step).await, Count::Exact(2));
}

/// Every page, and how many rows each held.
async fn pages(arena: &Arena, step: &Step, rows_max: u32) -> (Vec<OldRow>, Vec<usize>) {
    let (mut rows, mut sizes, mut after) = (vec![], vec![], None);
    for _ in 0..100 {
        let DoneRows { rows: more, next } =
            arena.connector.done_rows(step, after.as_ref(), rows_max).await.expect("rows are read");
        sizes.push(more.len());
        rows.extend(more);
        match next {
            Some(next) => after = Some(next),
            None => return (rows, sizes),
        }
    }
    panic!("the pages have no end: {sizes:?}");
}

/// Every row that is done is read once, in pages: no row that is due, kept or none of the rule's, and those before the floor.
pub async fn done_rows_are_read_page_by_page(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let rows = (0..40).map(|n| match n % 8 {
        0 => vec![day(n), text(&format!("a{n}"))],
        1 => vec![day(5_000), text(&format!("p1.later{n}"))],
        2 => vec![day(n), Cell::Null],
        3 => vec![day(n), text("p1.kept")],
        _ => vec![day(n), text(&format!("p1.{n}"))],
    });
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("email", Kind::Text).rows(rows);
    arena.create(fixture, &table).await;
    let mut selection = table.selection(fixture, "at", late());
    let mut keeping = table.selection(fixture, "at", Timestamp::from_second(1_600_000_000).unwrap()).terms;
    keeping.predicate = super::predicate::text("email", "p1.kept");
    selection.except = vec![Except::Kept { rule: "keeper".into(), terms: keeping }];
    selection.floor = Some(Cutoff(late()));
    let step = tagging(&arena, selection, "email").await;
    let expected: BTreeSet<String> = (0..40).filter(|n| n % 8 > 3).map(|n| format!("p1.{n}")).collect();
    for rows_max in [1, 7, 40, 1_000] {
        let (read, sizes) = pages(&arena, &step, rows_max).await;
        assert!(sizes.iter().all(|rows| *rows <= rows_max as usize), "{sizes:?}");
        let texts: Vec<&str> = read
            .iter()
            .filter_map(|row| match &row.values[0] {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>(), expected);
        assert_eq!((texts.len(), read.len()), (20, 25), "five rows hold NULL");
        assert!(read.iter().all(|row| row.values.len() == 1 && !row.marked));
    }
    assert_eq!(arena.count("item").await, 40);
}

/// Few large rows are a page, and none of them is left out.
pub async fn large_rows_are_read_few_at_a_time(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let rows = (0..6).map(|n| vec![day(n), text(&format!("p1.{n}{}", "x".repeat(2_500_000)))]);
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("email", Kind::LongText).rows(rows);
    arena.create(fixture, &table).await;
    let step = tagging(&arena, table.selection(fixture, "at", late()), "email").await;
    let (read, sizes) = pages(&arena, &step, 1_000).await;
    assert_eq!(read.len(), 6, "{sizes:?}");
    assert!(sizes.iter().all(|rows| *rows <= 2), "{sizes:?}");
}
