//! Cases that transform: what happens to which place, what the application does meanwhile, and a later moment.

mod documents;
mod subjects;
mod texts;

use std::collections::BTreeSet;

use forgetd_connector::{Grain, Path, Predicate, Value};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::moments::{When, after};
use super::{Case, Dice, Features, rules};
use crate::{Cell, ColumnSpec, KeySpec, Kind, Row, TableSpec};
use subjects::Subject;

/// What a rule writes into the rows of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// What happens where; a path stands once.
    pub places: Vec<PlaceSpec>,
    /// The column that says that a row is done.
    pub marker: Option<&'static str>,
    /// A column whose values must differ.
    pub unique: Option<&'static str>,
    /// Rows in which the values at a place are tokens of the rule's own key from the beginning.
    pub tokens: Vec<(i64, Path)>,
    /// What the application writes between two runs.
    pub edits: Vec<EditSpec>,
    /// Rows that the application adds between two runs.
    pub inserts: Vec<Row>,
    /// The moment of the later run.
    pub later: Timestamp,
}

/// One place.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceSpec {
    /// Where.
    pub path: Path,
    /// What.
    pub deed: Deed,
}

/// What happens to a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A token stands in its place.
    Token(TokenForm),
    /// This stands in its place.
    Constant(Value),
    /// It becomes coarser.
    Coarser(Grain),
}

/// Forms of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A word.
    Text,
    /// An address of a mailbox.
    Email,
    /// A telephone number.
    Phone,
    /// Other digits.
    Digits,
    /// Other digits, the last one computed.
    Luhn,
    /// A network address.
    Ip,
    /// A UUID.
    Uuid,
    /// A number up to 2^31 - 1.
    Integer,
}

/// One column of one row that the application writes.
#[derive(Clone, Debug, PartialEq)]
pub struct EditSpec {
    /// The row.
    pub id: i64,
    /// The column.
    pub column: &'static str,
    /// What it writes.
    pub cell: Cell,
}

// === impl TokenForm ===

impl TokenForm {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Text, Self::Email, Self::Phone, Self::Digits, Self::Luhn, Self::Ip, Self::Uuid, Self::Integer];

    /// As a case's file writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Digits => "digits",
            Self::Luhn => "luhn",
            Self::Ip => "ip",
            Self::Uuid => "uuid",
            Self::Integer => "integer",
        }
    }

    /// Whether a token of this form looks unlike other values.
    pub const fn shows(self) -> bool {
        matches!(self, Self::Text | Self::Email | Self::Ip | Self::Uuid)
    }
}

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
    if dice.chance(60) {
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
    let places: Vec<PlaceSpec> = subjects.iter().flat_map(|subject| subject.places.clone()).collect();
    let unique = subjects.iter().find(|subject| subject.unique).map(|subject| subject.column.name);
    let later = after(case.now, &case.rule.keep_for) + *dice.pick(LATER);
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
