//! NULL: never due unless the rule says so, and never a match.

use forgetd_connector::{Predicate, Value, WhenNull};

use super::fence::day;
use super::predicate::agrees;
use crate::{Arena, Cell, Fixture, Kind, TableSpec};

/// Keep, delete, or another column; that other one NULL too keeps the row.
pub async fn null_is_due_only_where_the_rule_says_so(fixture: &dyn Fixture) {
    let cells = [Cell::Null, day(0), day(10)];
    let pairs = cells.iter().flat_map(|at| cells.iter().map(|made| vec![at.clone(), made.clone()]));
    // Enough of them that the NULLs alone fill several batches.
    let rows: Vec<Vec<Cell>> = pairs.cycle().take(9 * 8).collect();
    let table = TableSpec::new("item").nullable("at", Kind::Instant).nullable("made", Kind::Instant).rows(rows);
    let Cell::Instant(cutoff) = day(5) else { unreachable!("a moment") };
    for when_null in [WhenNull::Keep, WhenNull::Delete, WhenNull::Use("made".into())] {
        let arena = Arena::new(fixture).await;
        arena.create(fixture, &table).await;
        let mut selection = table.selection(fixture, "at", cutoff);
        selection.terms.when_null = when_null;
        agrees(fixture, &arena, &table, selection, 7).await;
    }
}

/// A condition on a NULL is unknown, for equality and for lists.
pub async fn null_in_a_predicate_deletes_nothing(fixture: &dyn Fixture) {
    let texts = [Cell::Null, Cell::Text(String::new()), Cell::Text("a".into())];
    let numbers = [Cell::Null, Cell::Int(0), Cell::Int(1)];
    let rows = texts.iter().flat_map(|text| numbers.iter().map(|n| vec![day(0), text.clone(), n.clone()]));
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("t", Kind::Text)
        .nullable("n", Kind::Int)
        .rows(rows);
    let equal = |column: &str, value| Predicate::equal(column, value);
    let within = |column: &str, values| Predicate::one_of(column, values);
    for predicate in [
        equal("t", Value::Text(String::new())),
        within("t", vec![Value::Text(String::new()), Value::Text("a".into())]),
        Predicate::All(vec![equal("n", Value::Int(0)), within("t", vec![Value::Text("a".into())])]),
    ] {
        let arena = Arena::new(fixture).await;
        arena.create(fixture, &table).await;
        let mut selection = table.selection(fixture, "at", super::fence::late());
        selection.terms.predicate = predicate;
        agrees(fixture, &arena, &table, selection, 3).await;
    }
}
