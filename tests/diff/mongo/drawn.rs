//! What tables cannot hold, put into cases that were drawn: members that are missing, values of other types, arrays. Nothing
//! is put into a case that somebody wrote.

use std::collections::BTreeSet;

use forgetd_connector::{Path, Since};
use forgetd_testkit::generator::{Case, Deed, PlaceSpec};
use forgetd_testkit::{Cell, ColumnSpec, Kind, Row, TableSpec};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// The case with what only documents hold.
pub(super) fn drawn(case: &Case) -> Case {
    let mut case = case.clone();
    let plain = plain(&case);
    let columns = case.table().columns.clone();
    for table in &mut case.tables {
        let columns = table.columns.clone();
        table.rows.iter_mut().for_each(|row| in_row(&columns, row, &plain));
    }
    if let Some(spec) = &mut case.transform {
        spec.inserts.iter_mut().for_each(|row| in_row(&columns, row, &plain));
        for (n, edit) in (0..).zip(&mut spec.edits) {
            edit.cell = match &edit.cell {
                Cell::Null if n % 2 == 0 => Cell::Missing,
                cell => to_the_millisecond(cell),
            };
        }
    }
    case
}

/// Columns in which everything stays: whose values must differ, and of which several join, because an element of a list may
/// meet one of them and another one the next.
fn plain(case: &Case) -> BTreeSet<String> {
    let mut plain = BTreeSet::new();
    plain.extend(case.transform.as_ref().and_then(|spec| spec.unique).map(str::to_owned));
    for rule in case.rules() {
        let Since::Latest(latest) = &rule.since else { continue };
        if latest.on.len() > 1 {
            plain.extend(latest.on.iter().flat_map(|joined| [joined.own.clone(), joined.other.clone()]));
        }
    }
    plain
}

fn in_row(columns: &[ColumnSpec], (id, cells): &mut Row, plain: &BTreeSet<String>) {
    for ((n, spec), cell) in (0..).zip(columns).zip(cells) {
        *cell = if plain.contains(spec.name) { to_the_millisecond(cell) } else { in_document(spec, *id, n, cell) };
    }
}

/// A cell as a document holds it: moments to the millisecond, some of what is nothing left out, some values of another type.
fn in_document(spec: &ColumnSpec, id: i64, n: i64, cell: &Cell) -> Cell {
    let draw = id * 7 + n * 3;
    if spec.nullable && spec.kind != Kind::Json && draw % 23 == 5 {
        return match draw / 23 % 5 {
            0 => Cell::Text(ODD.into()),
            // As a Julian day it would lie before the year 0, which no engine reads as time.
            1 if spec.kind != Kind::Julian => Cell::Int(5),
            1 => Cell::Bool(false),
            2 => Cell::Bool(true),
            3 => Cell::Json(json!([1, "x", null])),
            _ => Cell::Json(json!({ "a": 1 })),
        };
    }
    match cell {
        Cell::Null if draw % 2 == 0 => Cell::Missing,
        cell => to_the_millisecond(cell),
    }
}

const ODD: &str = "of another type";

fn to_the_millisecond(cell: &Cell) -> Cell {
    match cell {
        Cell::Instant(at) => Cell::Instant(Timestamp::from_millisecond(at.as_millisecond()).unwrap()),
        cell => cell.clone(),
    }
}

/// What a case has that only documents can have, and what is done with it; of a case as it runs there.
pub(crate) fn met(case: &Case, has_mixed_keys: bool) -> Vec<(&'static str, bool)> {
    let in_table = |table: &TableSpec, what: &dyn Fn(&ColumnSpec, &Cell) -> bool| {
        let mut cells = table.rows.iter().flat_map(|row| table.columns.iter().zip(&row.1));
        cells.any(|(spec, cell)| what(spec, cell))
    };
    let holds = |what: &dyn Fn(&ColumnSpec, &Cell) -> bool| case.tables.iter().any(|table| in_table(table, what));
    let mut met = vec![
        ("missing", holds(&|_, cell| *cell == Cell::Missing)),
        ("other_type", holds(&|_, cell| *cell == Cell::Text(ODD.into()))),
        ("array", holds(&|spec, cell| spec.kind != Kind::Json && matches!(cell, Cell::Json(Json::Array(_))))),
        ("field_of_a_field", holds(&|spec, _| spec.name.contains('.'))),
        ("mixed_keys", has_mixed_keys),
    ];
    let Some(spec) = &case.transform else { return met };
    let written = |what: &dyn Fn(&PlaceSpec) -> bool| spec.places.iter().any(what);
    let is_deep = |path: &Path| path.column.contains('.');
    let is_coarse = |deed: &Deed| matches!(deed, Deed::Coarser(_));
    let odd = |column: &str| {
        let is_odd = |cell: &Cell| *cell == Cell::Text(ODD.into()) || matches!(cell, Cell::Bool(_) | Cell::Json(_));
        in_table(case.table(), &|spec, cell| {
            spec.name == column && !matches!(spec.kind, Kind::Json | Kind::Bool) && is_odd(cell)
        })
    };
    met.extend([
        ("rewritten", true),
        ("rewritten_inside", written(&|place| !place.path.steps.is_empty() && !place.path.is_many())),
        ("rewritten_elements", written(&|place| place.path.is_many())),
        ("rewritten_deep", written(&|place| is_deep(&place.path))),
        ("rewritten_coarser", written(&|place| is_coarse(&place.deed) && !is_deep(&place.path))),
        ("rewritten_coarser_deep", written(&|place| is_coarse(&place.deed) && is_deep(&place.path))),
        ("rewritten_odd", written(&|place| odd(&place.path.column))),
        ("rewritten_unique", spec.unique.is_some()),
        ("rewritten_marked", spec.marker.is_some()),
        ("rewritten_marked_deep", spec.marker.is_some_and(|marker| marker.contains('.'))),
        ("rewritten_mixed_keys", has_mixed_keys),
    ]);
    met
}
