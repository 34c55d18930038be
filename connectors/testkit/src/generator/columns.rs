//! Columns, and the few values that each draws from.

use super::moments::{JUNK, When};
use super::words::{integer, real};
use super::{Dice, Features, documents};
use crate::{Cell, ColumnSpec, Kind};

/// Names of columns; some need their quotes.
const NAMES: &[&str] = &[
    "at",
    "made",
    "seen_at",
    "state",
    "Status2",
    "user name",
    "a.b",
    "x[]",
    "quo\"te",
    r"back\slash",
    "order",
    "n\u{e9}",
    "`tick`",
    "rowid",
    "k",
    "v",
    "data",
    "it's",
    "null",
    "select",
];

/// Kinds that hold a moment.
pub(super) const TIMES: &[Kind] = &[
    Kind::Instant,
    Kind::Instant,
    Kind::Naive,
    Kind::Naive,
    Kind::Date,
    Kind::UnixS,
    Kind::UnixMs,
    Kind::Iso8601,
    Kind::NaiveText,
    Kind::DateText,
    Kind::Julian,
];

/// Kinds that hold something else.
const OTHERS: &[Kind] = &[
    Kind::Int,
    Kind::Bool,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::LaxText,
    Kind::LaxText,
    Kind::Real,
    Kind::Numeric,
    Kind::Json,
    Kind::Json,
    Kind::Json,
    Kind::Json,
];

/// A column with what it draws from.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) spec: ColumnSpec,
    /// The values; never empty, no NULL among them.
    pub(super) pool: Vec<Cell>,
    /// How many rows in a hundred have NULL.
    pub(super) null_percent: usize,
}

/// What columns of one case share.
pub(super) struct Stock<'a> {
    pub(super) when: &'a When,
    pub(super) moments: Vec<jiff::Timestamp>,
    pub(super) words: Vec<String>,
    pub(super) features: Features,
}

/// A name that none of these has, in any case.
pub(super) fn name(dice: &mut Dice, taken: &[Column]) -> &'static str {
    loop {
        let name = *dice.pick(NAMES);
        if !taken.iter().any(|column| column.spec.name.eq_ignore_ascii_case(name)) {
            return name;
        }
    }
}

/// A kind that holds a moment.
pub(super) fn time(dice: &mut Dice, features: Features) -> Kind {
    loop {
        let kind = *dice.pick(TIMES);
        if features.fits(kind) {
            return kind;
        }
    }
}

/// A kind that holds anything else.
pub(super) fn other(dice: &mut Dice, features: Features) -> Kind {
    loop {
        let kind = *dice.pick(OTHERS);
        if features.fits(kind) {
            return kind;
        }
    }
}

// === impl Column ===

impl Column {
    pub(super) fn new(dice: &mut Dice, name: &'static str, kind: Kind, stock: &Stock<'_>) -> Self {
        let nullable = dice.chance(65);
        let null_percent = if nullable { *dice.pick(&[0, 10, 30, 60, 90]) } else { 0 };
        let pool = pool(dice, kind, stock);
        Self { spec: ColumnSpec { name, kind, nullable }, pool, null_percent }
    }

    /// A value for a row.
    pub(super) fn draw(&self, dice: &mut Dice) -> Cell {
        if dice.chance(self.null_percent) { Cell::Null } else { dice.pick(&self.pool).clone() }
    }
}

fn pool(dice: &mut Dice, kind: Kind, stock: &Stock<'_>) -> Vec<Cell> {
    if TIMES.contains(&kind) {
        let mut pool: Vec<Cell> = stock.moments.iter().map(|at| stock.when.cell(dice, kind, *at)).collect();
        let is_text = matches!(kind, Kind::Iso8601 | Kind::NaiveText | Kind::DateText);
        if is_text && stock.features.unreadable_times && dice.chance(40) {
            pool.push(Cell::Text((*dice.pick(JUNK)).into()));
        }
        return pool;
    }
    let several = 2 + dice.below(6);
    match kind {
        Kind::Int => (0..several).map(|_| Cell::Int(integer(dice))).collect(),
        Kind::Bool => vec![Cell::Bool(true), Cell::Bool(false)],
        Kind::Real => (0..several).map(|_| Cell::Real(real(dice))).collect(),
        Kind::Numeric => (0..several)
            .map(|_| if dice.chance(40) { Cell::Int(integer(dice)) } else { Cell::Real(real(dice)) })
            .collect(),
        Kind::Json => documents::documents(dice, &stock.words).into_iter().map(Cell::Json).collect(),
        _ => stock.words.iter().cloned().map(Cell::Text).collect(),
    }
}
