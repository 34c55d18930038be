//! Cases as collections have them: a row is a document, and nothing is declared.

use forgetd_connector::{Since, Test, WhenNull};
use forgetd_testkit::generator::{Case, RuleSpec, TransformSpec};
use forgetd_testkit::{Cell, Fixture, KeySpec, Kind, Row, TableSpec};

use super::names::Names;
use crate::transforms;

/// The same case with documents for rows; none where it is about what collections do not have.
pub(super) fn adapted(case: &Case, fixture: &dyn Fixture) -> Option<Case> {
    if case.below.is_some() || case.beside.is_some() {
        return None;
    }
    let names = Names::of(case);
    let mut case = names.given(case.clone());
    case.sealed = true;
    for rule in std::iter::once(&mut case.rule).chain(&mut case.keepers).chain(&mut case.counted) {
        // Everything can be missing.
        rule.when_null.get_or_insert(WhenNull::Keep);
    }
    // Text is no document, whatever stands in it.
    let is_odd = |test: &&Test| {
        let column = &test.path.column;
        column == "id" || (!test.path.steps.is_empty() && case.table().kind(column) != Kind::Json)
    };
    if case.rules().flat_map(|rule| rule.predicate.tests()).any(|test| is_odd(&test)) {
        return None;
    }
    for table in &mut case.tables {
        table.key = KeySpec::Id;
        table.indexes.clear();
    }
    if let Some(spec) = case.transform.take() {
        case.transform = Some(written(spec, &mut case.tables[0]));
    }
    let fits = case.tables.iter().all(|table| table.fits(fixture)) && cells(&case).all(to_the_millisecond);
    let treats = case.transform.as_ref().is_none_or(|spec| !transforms::places(&case, spec, fixture).is_empty());
    (fits && treats).then_some(case)
}

/// Every cell of a case.
fn cells(case: &Case) -> impl Iterator<Item = &Cell> {
    let rows = case.tables.iter().flat_map(|table| &table.rows);
    let (inserts, edits) =
        case.transform.as_ref().map_or((&[][..], &[][..]), |spec| (&spec.inserts[..], &spec.edits[..]));
    rows.chain(inserts).flat_map(|row: &Row| &row.1).chain(edits.iter().map(|edit| &edit.cell))
}

fn to_the_millisecond(cell: &Cell) -> bool {
    !matches!(cell, Cell::Instant(at) if at.subsec_nanosecond() % 1_000_000 != 0)
}

/// What a transform writes into documents. A marker is the moment itself, whatever others wrote there; and the values that
/// must differ are texts, or not there at all: a server takes two that are null for the same.
fn written(mut spec: TransformSpec, table: &mut TableSpec) -> TransformSpec {
    let columns = table.columns.clone();
    let unique = spec.unique;
    let put = |name: &str, kind: Kind, cell: &mut Cell| {
        let text = match cell {
            // Null is null, also where JSON can be.
            Cell::Json(json) if json.is_null() && kind == Kind::Json => return *cell = Cell::Null,
            Cell::Null if unique == Some(name) => return *cell = Cell::Missing,
            Cell::Naive(local) if spec.marker == Some(name) => local.to_string(),
            Cell::Date(date) if spec.marker == Some(name) => date.to_string(),
            _ => return,
        };
        *cell = Cell::Text(text);
    };
    for row in table.rows.iter_mut().chain(&mut spec.inserts) {
        columns.iter().zip(&mut row.1).for_each(|(column, cell)| put(column.name, column.kind, cell));
    }
    for edit in &mut spec.edits {
        put(edit.column, table.kind(edit.column), &mut edit.cell);
    }
    let is_marker = |name: &str| spec.marker == Some(name);
    table.columns.iter_mut().filter(|column| is_marker(column.name)).for_each(|column| column.kind = Kind::Instant);
    spec
}

/// Whether nothing in the case is about the key itself, so that it may be of any type.
pub(super) fn has_mixed_keys(case: &Case) -> bool {
    let about = |rule: &RuleSpec| rule.native.is_some() || matches!(rule.since, Since::Latest(_));
    !case.rules().any(about) && case.now.as_second() % 2 == 0
}
