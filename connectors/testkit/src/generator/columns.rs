//! Columns, and the few values that each draws from.

use super::moments::{JUNK, When, ZEROS};
use super::words::{integer, real, unsigned};
use super::{Dice, Features, documents};
use crate::{Cell, ColumnSpec, Kind, LABELS, MARKS};

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
    Kind::Latin,
    Kind::Narrow,
    Kind::Label,
    Kind::Marks,
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

/// Whether values of a kind are moments.
pub(super) fn is_time(kind: Kind) -> bool {
    TIMES.contains(&kind) || kind.second_digits().is_some()
}

/// A kind that holds a moment.
pub(super) fn time(dice: &mut Dice, features: Features) -> Kind {
    if features.rare && dice.chance(45) {
        let digits = u8::try_from(dice.below(6)).unwrap_or(0);
        return if dice.chance(50) { Kind::NaiveOf(digits) } else { Kind::InstantOf(digits) };
    }
    loop {
        let kind = *dice.pick(TIMES);
        if features.fits(kind) {
            return kind;
        }
    }
}

/// A kind that holds anything else.
pub(super) fn other(dice: &mut Dice, features: Features) -> Kind {
    if features.rare && dice.chance(50) {
        return *dice.pick(&[Kind::Unsigned, Kind::Unsigned, Kind::Bits]);
    }
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
    if is_time(kind) {
        let mut pool: Vec<Cell> = stock.moments.iter().map(|at| stock.when.cell(dice, kind, *at)).collect();
        let is_text = matches!(kind, Kind::Iso8601 | Kind::NaiveText | Kind::DateText);
        if is_text && stock.features.unreadable_times && dice.chance(40) {
            pool.push(Cell::Text((*dice.pick(JUNK)).into()));
        }
        let has_zeros = matches!(kind, Kind::Naive | Kind::NaiveOf(_) | Kind::Date);
        let is_instant = matches!(kind, Kind::Instant | Kind::InstantOf(_));
        if stock.features.rare && (has_zeros || is_instant) && dice.chance(40) {
            let zeros = if is_instant { &ZEROS[..1] } else { ZEROS };
            for _ in 0..1 + dice.below(3) {
                pool.push(Cell::Zero((*dice.pick(zeros)).into()));
            }
        }
        return pool;
    }
    let several = 2 + dice.below(6);
    match kind {
        Kind::Int => (0..several).map(|_| Cell::Int(integer(dice))).collect(),
        Kind::Unsigned => (0..several).map(|_| unsigned(dice)).collect(),
        Kind::Bits => (0..several).map(|_| bits(dice)).collect(),
        Kind::Label => (0..several).map(|_| Cell::Text((*dice.pick(LABELS)).into())).collect(),
        Kind::Marks => (0..several).map(|_| Cell::Text(marks(dice))).collect(),
        Kind::Latin => texts(stock, |letter| letter <= '\u{ff}'),
        Kind::Narrow => texts(stock, |letter| letter <= '\u{ffff}'),
        Kind::Bool => vec![Cell::Bool(true), Cell::Bool(false)],
        Kind::Real => (0..several).map(|_| Cell::Real(real(dice))).collect(),
        Kind::Numeric => (0..several)
            .map(|_| if dice.chance(40) { Cell::Int(integer(dice)) } else { Cell::Real(real(dice)) })
            .collect(),
        Kind::Json => documents::documents(dice, &stock.words).into_iter().map(Cell::Json).collect(),
        _ => stock.words.iter().cloned().map(Cell::Text).collect(),
    }
}

/// The words that a character set has; never none.
fn texts(stock: &Stock<'_>, has: fn(char) -> bool) -> Vec<Cell> {
    let words = stock.words.iter().filter(|word| word.chars().all(has));
    let texts: Vec<Cell> = words.cloned().map(Cell::Text).collect();
    if texts.is_empty() { ["caf\u{e9}", "CAFE ", "cafe"].map(|word| Cell::Text(word.into())).into() } else { texts }
}

/// Strings of 40 bits, as numbers.
fn bits(dice: &mut Dice) -> Cell {
    let value = *dice.pick(&[0, 1, 5, 10, 255, 256, 12_345, (1_u64 << 39), (1 << 40) - 1]);
    Cell::Text(value.to_string())
}

fn marks(dice: &mut Dice) -> String {
    let marks: Vec<&str> = MARKS.iter().copied().filter(|_| dice.chance(40)).collect();
    marks.join(",")
}
