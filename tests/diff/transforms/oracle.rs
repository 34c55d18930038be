//! What a run must make of every row, worked out without asking any engine.

use std::collections::BTreeMap;

use forgetd_testkit::generator::{Case, TransformSpec};
use forgetd_testkit::{Cell, Fixture, Kind, Row, TableSpec};
use jiff::Timestamp;

use super::coarse::Manner;
use super::place::{Became, Place};
use crate::policy;

/// The rule of a case on one engine.
pub(crate) struct Oracle<'a> {
    pub(crate) spec: &'a TransformSpec,
    pub(crate) places: Vec<Place<'a>>,
    /// The column that the period counts from, where its moments can be compared with the marker's.
    since: Option<&'a str>,
    /// Whether some engines can compare them and others cannot.
    pub(crate) is_engines_own: bool,
    marker: Option<(&'a str, Cell)>,
}

/// What becomes of the rows of a table.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    /// Rows that are due, ascending.
    pub(crate) due: Vec<i64>,
    /// Those of them that cannot be read.
    pub(crate) unfit: Vec<i64>,
    /// What the others hold afterwards.
    pub(crate) new: BTreeMap<i64, Vec<Cell>>,
    /// Of these rows only so many can be written, whichever come first: what they would hold must differ.
    pub(crate) rivals: Vec<(Vec<i64>, usize)>,
}

// === impl Oracle ===

impl<'a> Oracle<'a> {
    /// For the run at `case.now`.
    pub(crate) fn new(case: &'a Case, spec: &'a TransformSpec, fixture: &dyn Fixture) -> Self {
        let table = case.table();
        let places = places(case, spec, fixture);
        let marker = spec.marker.map(|marker| (marker, marked(case, table.kind(marker))));
        let comparable = |since: &&str| {
            let kind = table.kind(since);
            let times = matches!(kind, Kind::Instant | Kind::Naive);
            let typed = fixture.column(kind).is_some_and(|column| column.form.is_none());
            times && typed && spec.marker.is_some_and(|marker| table.kind(marker) == kind)
        };
        let since = case.rule.since.single().map(|since| since.column.as_str()).filter(comparable);
        let single = case.rule.since.single().map(|since| table.kind(&since.column));
        // A time without a zone has a type of its own on some engines, and is a text on others.
        let comparable = matches!(single, Some(Kind::Instant | Kind::Naive));
        let is_engines_own = comparable && spec.marker.map(|marker| table.kind(marker)) == single;
        Self { spec, places, since, is_engines_own, marker }
    }

    /// What becomes of the rows whose period is over.
    pub(crate) fn fates(&self, table: &TableSpec, over: &[i64]) -> Fates {
        let mut fates = Fates::default();
        for row in table.rows.iter().filter(|row| over.contains(&row.0) && self.is_undone(table, row)) {
            fates.due.push(row.0);
            match self.becomes(table, row) {
                Some(cells) => drop(fates.new.insert(row.0, cells)),
                None => fates.unfit.push(row.0),
            }
        }
        fates.due.sort_unstable();
        if let Some(unique) = self.spec.unique {
            fates.rivals = rivals(table, &fates.new, unique);
        }
        fates
    }

    fn is_undone(&self, table: &TableSpec, row: &Row) -> bool {
        let unmarked = self.marker.as_ref().is_some_and(|(marker, _)| table.cell(row, marker) == Cell::Null);
        unmarked
            || self.is_marked_before(table, row)
            || self.places.iter().any(|place| place.shows() && !place.is_done(&table.cell(row, place.column())))
    }

    /// Whether the row was used again after it was done.
    fn is_marked_before(&self, table: &TableSpec, row: &Row) -> bool {
        let Some(((marker, _), since)) = self.marker.as_ref().zip(self.since) else { return false };
        match (table.cell(row, marker), table.cell(row, since)) {
            (Cell::Instant(marker), Cell::Instant(since)) => marker < since,
            (Cell::Naive(marker), Cell::Naive(since)) => marker < since,
            _ => false,
        }
    }

    /// The row afterwards; none if one of its values cannot be read.
    fn becomes(&self, table: &TableSpec, row: &Row) -> Option<Vec<Cell>> {
        let is_marked = self.marker.as_ref().is_some_and(|(marker, _)| table.cell(row, marker) != Cell::Null)
            && !self.is_marked_before(table, row);
        let mut new = row.clone();
        for place in &self.places {
            // Nothing else tells that such a value is done.
            if is_marked && !place.shows() {
                continue;
            }
            match place.becomes(&table.cell(&new, place.column())) {
                Became::Same => {}
                Became::New(cell) => put(table, &mut new, place.column(), cell),
                Became::Unfit => return None,
            }
        }
        if let Some((marker, cell)) = &self.marker {
            put(table, &mut new, marker, cell.clone());
        }
        Some(new.1)
    }
}

/// The places that the engine has: a moment or a date that is kept as text is none to it.
pub(crate) fn places<'a>(case: &Case, spec: &'a TransformSpec, fixture: &dyn Fixture) -> Vec<Place<'a>> {
    let place = |spec: &'a forgetd_testkit::generator::PlaceSpec| {
        let kind = case.table().kind(&spec.path.column);
        let sql = fixture.column(kind)?;
        let in_words = matches!(kind, Kind::Instant | Kind::Naive | Kind::Date) && sql.form.is_some();
        let is_coarse = matches!(spec.deed, forgetd_testkit::generator::Deed::Coarser(_));
        let manner = Manner {
            // Where a column decides, its values all are integers or none is.
            integers_by_value: sql.type_name == "numeric" && fixture.column(Kind::Json)?.type_name == "json",
            typed_address: kind == Kind::Address && sql.type_name == "inet",
        };
        (!(in_words && is_coarse)).then_some(Place { spec, manner })
    };
    spec.places.iter().filter_map(place).collect()
}

/// What the marker says of a row that is done now.
fn marked(case: &Case, kind: Kind) -> Cell {
    let second = Timestamp::from_second(case.now.as_second()).unwrap();
    let local = second.to_zoned(policy::zone(&case.rule)).datetime();
    match kind {
        Kind::Instant => Cell::Instant(second),
        Kind::Naive => Cell::Naive(local),
        Kind::Date => Cell::Date(local.date()),
        Kind::Bool => Cell::Bool(true),
        Kind::Int => Cell::Int(1),
        _ => Cell::Text(second.to_string()),
    }
}

pub(crate) fn put(table: &TableSpec, row: &mut Row, column: &str, cell: Cell) {
    let at = table.columns.iter().position(|spec| spec.name == column).unwrap();
    row.1[at] = cell;
}

/// Rows that would hold the same in a column whose values must differ: one of them can, if no other row has it already.
fn rivals(table: &TableSpec, new: &BTreeMap<i64, Vec<Cell>>, unique: &str) -> Vec<(Vec<i64>, usize)> {
    let at = table.columns.iter().position(|spec| spec.name == unique).unwrap();
    let mut wanted: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (id, cells) in new {
        let old = table.rows.iter().find(|row| row.0 == *id).map(|row| &row.1[at]);
        if let Cell::Text(text) = &cells[at]
            && old != Some(&cells[at])
        {
            wanted.entry(text.clone()).or_default().push(*id);
        }
    }
    let holds = |text: &String| table.rows.iter().any(|row| row.1[at] == Cell::Text(text.clone()));
    wanted
        .into_iter()
        .map(|(text, ids)| (ids, usize::from(!holds(&text))))
        .filter(|(ids, places)| ids.len() > *places)
        .collect()
}
