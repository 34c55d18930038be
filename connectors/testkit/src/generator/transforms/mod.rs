//! Cases that transform: what happens to which place, what the application does meanwhile, and a later moment.

mod documents;
mod spec;
mod subjects;
mod texts;

use std::collections::BTreeSet;

use forgetd_connector::{Check, Comparison, Path, Predicate, Test, Value};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::moments::{LAST, When, after, moment};
use super::{Case, Dice, Features, RuleSpec, rules};
use crate::{Cell, ColumnSpec, KeySpec, Kind, Row, TableSpec};
pub use spec::{Deed, EditSpec, PlaceSpec, TokenForm, TransformSpec};
use subjects::Subject;

/// Columns that are transformed, beside the marker.
const SUBJECTS_MAX: usize = 4;

/// A case whose rule transforms: a rule like any other on a table like any other, with columns about somebody.
pub(super) fn draw(dice: &mut Dice, features: Features) -> Case {
    let mut case = rules::draw(dice, Features { cascades: false, ..features });
    case.counted.clear();
    if !matches!(&case.tables[0].key, KeySpec::Columns(key) if key.contains(&"id")) {
        case.tables[0].key = KeySpec::Id;
    }
    case.sealed = dice.chance(25);
    // Most cases are about what is written, and not about which rows are meant.
    if dice.chance(50) {
        case.keepers.clear();
        case.rule.predicate = Predicate::always();
        case.rule.native = None;
    }
    let subjects = subjects::draw(dice, SUBJECTS_MAX);
    let zone = case.rule.since.zone().cloned().unwrap_or(TimeZone::UTC);
    let now = When { zone, target: case.now, change: None };
    let marker = marker(dice, &case, &subjects);
    let mut table = case.tables[0].clone();
    let mut draw = Draw { subjects: &subjects, marker: marker.as_ref(), now: &now, used: BTreeSet::new() };
    for row in &mut table.rows {
        row.1.extend(draw.cells(dice));
    }
    let largest = table.rows.iter().map(|row| row.0).max().unwrap_or(0);
    let inserts = inserts(dice, &mut draw, &table, case.tables[0].columns.len(), largest);
    table.columns.extend(subjects.iter().map(|subject| subject.column.clone()));
    table.columns.extend(marker.clone());
    let edits = edits(dice, &mut draw, &case, &table);
    if dice.chance(35) {
        ask_of_a_subject(dice, &mut case, &subjects);
    }
    let places: Vec<PlaceSpec> = subjects.iter().flat_map(|subject| subject.places.clone()).collect();
    let unique = subjects.iter().find(|subject| subject.unique).map(|subject| subject.column.name);
    let later = (after(case.now, &case.rule.keep_for) + *dice.pick(LATER)).min(moment(LAST));
    let tokens = tokens(dice, &table, &places, unique);
    case.transform =
        Some(TransformSpec { places, marker: marker.map(|marker| marker.name), unique, tokens, edits, inserts, later });
    case.tables[0] = table;
    case
}

/// How long after the period is over once more.
const LATER: &[SignedDuration] = &[
    SignedDuration::from_secs(1),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(24 * 40),
    SignedDuration::from_hours(24 * 1_200),
];

/// A column that says that a row is done: always where nothing else could tell.
fn marker(dice: &mut Dice, case: &Case, subjects: &[Subject]) -> Option<ColumnSpec> {
    let silent = subjects
        .iter()
        .flat_map(|subject| &subject.places)
        .any(|place| matches!(place.deed, Deed::Token(form) if !form.shows()));
    if !silent && dice.chance(60) {
        return None;
    }
    let since = case.rule.since.single().map(|since| case.table().kind(&since.column));
    let kind = match since {
        // So that a row can be known to have been used again.
        Some(kind @ (Kind::Instant | Kind::Naive)) if dice.chance(70) => kind,
        _ => *dice.pick(&[Kind::Instant, Kind::Naive, Kind::Date, Kind::Bool, Kind::Int, Kind::Text]),
    };
    Some(ColumnSpec { name: "done at", kind, nullable: true })
}

/// Makes the rule, or one that keeps rows, ask for a value that is then written over.
fn ask_of_a_subject(dice: &mut Dice, case: &mut Case, subjects: &[Subject]) {
    let subject = dice.pick(subjects);
    let check = match dice.pick(&subject.pool) {
        Cell::Text(text) if matches!(subject.column.kind, Kind::Text | Kind::LaxText) => match dice.below(4) {
            0 => Check::Compare(Comparison::Equal, Value::Text(text.clone())),
            1 => Check::Compare(Comparison::NotEqual, Value::Text(text.clone())),
            2 if !text.is_empty() => Check::Prefix(text.chars().take(2).collect()),
            _ => Check::Null(dice.chance(30)),
        },
        Cell::Int(value) => Check::Compare(Comparison::LessOrEqual, Value::Int(*value)),
        Cell::Bool(value) => Check::Compare(Comparison::Equal, Value::Bool(*value)),
        _ => Check::Null(dice.chance(30)),
    };
    let or_null = !matches!(check, Check::Null(_)) && dice.chance(50);
    let asked = Predicate::Test(Test { path: Path::column(subject.column.name), check, or_null });
    if dice.chance(60) || case.keepers.len() > 1 {
        let before = std::mem::replace(&mut case.rule.predicate, Predicate::always());
        case.rule.predicate = if before == Predicate::always() { asked } else { Predicate::All(vec![before, asked]) };
        return;
    }
    let keep_for = (*dice.pick(&["3y", "10mo", "1d", "90d"])).into();
    case.keepers.push(RuleSpec { keep_for, predicate: asked, native: None, ..case.rule.clone() });
}

/// What new rows are drawn from.
struct Draw<'a> {
    subjects: &'a [Subject],
    marker: Option<&'a ColumnSpec>,
    now: &'a When,
    /// Values of the unique column that were ever drawn.
    used: BTreeSet<String>,
}

// === impl Draw ===

impl Draw<'_> {
    /// The cells of a row behind those of an ordinary case.
    fn cells(&mut self, dice: &mut Dice) -> Vec<Cell> {
        let mut cells: Vec<Cell> = vec![];
        for subject in self.subjects {
            cells.push(self.cell(dice, subject));
        }
        cells.extend(self.marker.map(|marker| self.marked(dice, marker.kind)));
        cells
    }

    fn cell(&mut self, dice: &mut Dice, subject: &Subject) -> Cell {
        if subject.column.nullable && dice.chance(subject.null_percent) {
            return Cell::Null;
        }
        if subject.unique { Cell::Text(texts::another(dice, &mut self.used)) } else { dice.pick(&subject.pool).clone() }
    }

    /// Mostly not done yet; else done long ago or lately.
    fn marked(&self, dice: &mut Dice, kind: Kind) -> Cell {
        if dice.chance(75) {
            return Cell::Null;
        }
        let hours = *dice.pick(&[0, 1, 48, 24 * 40, 24 * 400, 24 * 4_000]);
        let at = self.now.target - SignedDuration::from_hours(hours);
        match kind {
            Kind::Bool => Cell::Bool(dice.chance(70)),
            Kind::Int => Cell::Int(dice.between(0, 2)),
            Kind::Text => Cell::Text("by hand".into()),
            kind => self.now.cell(dice, kind, at),
        }
    }
}

/// Rows that have what another row has, and somebody of their own.
fn inserts(dice: &mut Dice, draw: &mut Draw<'_>, table: &TableSpec, width: usize, largest: i64) -> Vec<Row> {
    let how_many = if table.rows.is_empty() { 0 } else { dice.below(6) };
    let row = |n: usize| {
        let mut cells = dice.pick(&table.rows).1[..width].to_vec();
        cells.extend(draw.cells(dice));
        (largest + 1 + i64::try_from(n).unwrap_or(0), cells)
    };
    (0..how_many).map(row).collect()
}

/// Somebody comes back: other values in some columns, a later moment or none, the mark taken away or left.
fn edits(dice: &mut Dice, draw: &mut Draw<'_>, case: &Case, table: &TableSpec) -> Vec<EditSpec> {
    let mut edits = vec![];
    let percent = *dice.pick(&[0, 15, 40, 40]);
    let since: Vec<&str> = case.rule.since.columns().into_iter().map(|since| since.column.as_str()).collect();
    for (id, _) in &table.rows {
        if !dice.chance(percent) {
            continue;
        }
        let mut edit = |column: &'static str, cell: Cell| edits.push(EditSpec { id: *id, column, cell });
        for subject in draw.subjects {
            if dice.chance(45) {
                let cell = draw.cell(dice, subject);
                edit(subject.column.name, cell);
            }
        }
        for column in table.columns.iter().filter(|column| since.contains(&column.name)) {
            if dice.chance(40) {
                let at = draw.now.target + SignedDuration::from_hours(dice.between(-48, 48));
                edit(column.name, draw.now.cell(dice, column.kind, at));
            }
        }
        if let Some(marker) = draw.marker
            && dice.chance(35)
        {
            let cell = draw.marked(dice, marker.kind);
            edit(marker.name, cell);
        }
    }
    edits
}

/// Rows that were done before, in a whole column or inside JSON.
fn tokens(dice: &mut Dice, table: &TableSpec, places: &[PlaceSpec], unique: Option<&'static str>) -> Vec<(i64, Path)> {
    let mut tokens = vec![];
    for (id, _) in &table.rows {
        // Mostly the whole row, as a run leaves it.
        let whole = dice.chance(15);
        for place in places.iter().filter(|place| matches!(place.deed, Deed::Token(_))) {
            // Two values of which one token is made cannot both be one there.
            let percent = if unique == Some(place.path.column.as_str()) { 0 } else { 8 };
            if (whole && percent > 0) || dice.chance(percent) {
                tokens.push((*id, place.path.clone()));
            }
        }
    }
    if let Some(unique) = unique
        && let Some((id, _)) = table.rows.first()
        && dice.chance(50)
    {
        tokens.push((*id, Path::column(unique)));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::super::moments::{LAST, moment};
    use super::{Case, Features};

    #[test]
    fn every_engine_can_say_when_the_later_run_was() {
        let cases = (0..4_000).filter_map(|number| Case::draw(20_261_129, number, Features::ALL).transform);
        let latest = cases.map(|transform| transform.later).max().unwrap();
        assert!(latest <= moment(LAST), "{latest}");
    }
}
