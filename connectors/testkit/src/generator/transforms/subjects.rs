//! Columns about somebody, with what happens to them.

use forgetd_connector::{Grain, Path, Value};
use jiff::civil::{Date, DateTime};

use super::documents::{Flavour, PLACES, documents};
use super::texts::{ADDRESSES, EMAILS, NAMES, NUMBERS, PHONES, TYPED_ADDRESSES, TYPED_UUIDS, UUIDS, some};
use super::{Deed, PlaceSpec, TokenForm};
use crate::generator::Dice;
use crate::generator::words::integer;
use crate::{Cell, ColumnSpec, Kind};

/// One column that is transformed.
pub(super) struct Subject {
    pub(super) column: ColumnSpec,
    pub(super) places: Vec<PlaceSpec>,
    /// What rows draw from; never empty. Not asked where values must differ.
    pub(super) pool: Vec<Cell>,
    pub(super) null_percent: usize,
    /// Whether its values must differ.
    pub(super) unique: bool,
}

type Make = fn(&mut Dice, Stem) -> Subject;

/// Each with a name that no other column has.
const MAKES: &[(&str, Make)] = &[
    ("email", email),
    ("full name", name),
    ("phone \"no\"", phone),
    ("number", number),
    ("born", born),
    ("born.at", born_at),
    ("amount", amount),
    ("ip", address),
    ("uid", uuid),
    ("doc", document),
    ("note[]", name),
    ("agreed", agreed),
    ("more data", document),
];

/// One to so many columns, each of its own kind.
pub(super) fn draw(dice: &mut Dice, max: usize) -> Vec<Subject> {
    let mut makes = MAKES.to_vec();
    dice.shuffle(&mut makes);
    if dice.chance(25)
        && let Some(at) = makes.iter().position(|(name, _)| *name == "email")
    {
        makes.swap(0, at);
    }
    makes.truncate(1 + dice.below(max));
    makes
        .into_iter()
        .map(|(name, make)| {
            let nullable = dice.chance(70);
            let null_percent = if nullable { *dice.pick(&[0, 10, 30, 60]) } else { 0 };
            make(dice, Stem { name, nullable, null_percent })
        })
        .collect()
}

/// What a column is before it is about anything.
struct Stem {
    name: &'static str,
    nullable: bool,
    null_percent: usize,
}

// === impl Stem ===

impl Stem {
    fn whole(self, kind: Kind, pool: Vec<Cell>, deed: Deed) -> Subject {
        let places = vec![PlaceSpec { path: Path::column(self.name), deed }];
        self.with(kind, pool, places)
    }

    fn with(self, kind: Kind, pool: Vec<Cell>, places: Vec<PlaceSpec>) -> Subject {
        let Self { name, nullable, null_percent } = self;
        Subject { column: ColumnSpec { name, kind, nullable }, places, pool, null_percent, unique: false }
    }

    /// A constant, or nothing where the column can hold nothing.
    fn constant(&self, dice: &mut Dice, value: Value) -> Deed {
        Deed::Constant(if self.nullable && dice.chance(50) { Value::Null } else { value })
    }
}

fn text_kind(dice: &mut Dice) -> Kind {
    if dice.chance(25) { Kind::LaxText } else { Kind::Text }
}

fn email(dice: &mut Dice, stem: Stem) -> Subject {
    let pool = some(dice, EMAILS);
    let unique = dice.chance(70);
    let kind = if unique { Kind::Text } else { text_kind(dice) };
    Subject { unique, ..stem.whole(kind, pool, Deed::Token(TokenForm::Email)) }
}

fn name(dice: &mut Dice, stem: Stem) -> Subject {
    let deed = match dice.below(10) {
        0..4 => Deed::Token(TokenForm::Text),
        4..6 => Deed::Coarser(Grain::Prefix(u32::try_from(1 + dice.below(5)).unwrap_or(1))),
        _ => {
            let text = *dice.pick(&["gone", "", "Anna", "it's \u{1f600}"]);
            stem.constant(dice, Value::Text(text.into()))
        }
    };
    let pool = some(dice, NAMES);
    stem.whole(text_kind(dice), pool, deed)
}

fn phone(dice: &mut Dice, stem: Stem) -> Subject {
    let form = *dice.pick(&[TokenForm::Phone, TokenForm::Phone, TokenForm::Digits, TokenForm::Luhn]);
    let pool = some(dice, if form == TokenForm::Phone { PHONES } else { NUMBERS });
    stem.whole(text_kind(dice), pool, Deed::Token(form))
}

fn number(dice: &mut Dice, stem: Stem) -> Subject {
    let deed = match dice.below(4) {
        0 => Deed::Token(TokenForm::Integer),
        1 => {
            let constant = Value::Int(dice.between(-1, 5));
            stem.constant(dice, constant)
        }
        _ => Deed::Coarser(Grain::Step((*dice.pick(&["1", "5", "10", "1000", "7"])).into())),
    };
    let pool = (0..2 + dice.below(8)).map(|_| Cell::Int(integer(dice))).collect();
    stem.whole(Kind::Int, pool, deed)
}

fn amount(dice: &mut Dice, stem: Stem) -> Subject {
    let kind = if dice.chance(60) { Kind::Numeric } else { Kind::Real };
    let step = *dice.pick(&["0.5", "10", "2.5", "0.25", "100", "1"]);
    // Quarters, so that no engine has to round before it is asked to; some lie in the middle between two steps.
    let pool = (0..2 + dice.below(8)).map(|_| Cell::Real(dice.between(-900, 900) as f64 / 8.0)).collect();
    let deed = match dice.below(4) {
        0 => stem.constant(dice, Value::Int(0)),
        _ => Deed::Coarser(Grain::Step(step.into())),
    };
    stem.whole(kind, pool, deed)
}

fn date(dice: &mut Dice) -> Date {
    let pick = |dice: &mut Dice, from: i64, to: i64| i8::try_from(dice.between(from, to)).unwrap_or(1);
    let year = i16::try_from(dice.between(1899, 2038)).unwrap_or(2000);
    let (month, day) = match dice.below(4) {
        0 => (1, 1),
        1 => (pick(dice, 1, 12), 1),
        2 => (12, 31),
        _ => (pick(dice, 1, 12), pick(dice, 1, 28)),
    };
    Date::new(year, month, day).unwrap_or(Date::ZERO)
}

fn born(dice: &mut Dice, stem: Stem) -> Subject {
    let deed = if stem.nullable && dice.chance(20) {
        Deed::Constant(Value::Null)
    } else {
        Deed::Coarser(dice.pick(&[Grain::Month, Grain::Quarter, Grain::Year]).clone())
    };
    let pool = (0..2 + dice.below(8)).map(|_| Cell::Date(date(dice))).collect();
    stem.whole(Kind::Date, pool, deed)
}

fn born_at(dice: &mut Dice, stem: Stem) -> Subject {
    let at = |dice: &mut Dice| -> DateTime {
        let time =
            *dice.pick(&[(0, 0, 0, 0), (0, 0, 0, 1_000), (23, 59, 59, 999_999_000), (12, 30, 0, 0), (0, 0, 1, 0)]);
        date(dice).at(time.0, time.1, time.2, time.3)
    };
    let pool: Vec<DateTime> = (0..2 + dice.below(8)).map(|_| at(dice)).collect();
    let deed = if stem.nullable && dice.chance(20) {
        Deed::Constant(Value::Null)
    } else {
        Deed::Coarser(dice.pick(&[Grain::Day, Grain::Month, Grain::Quarter, Grain::Year]).clone())
    };
    if dice.chance(30) {
        let instant = |at: DateTime| {
            Cell::Instant(super::super::moments::known(jiff::tz::TimeZone::UTC.to_timestamp(at).unwrap_or_default()))
        };
        return stem.whole(Kind::Instant, pool.into_iter().map(instant).collect(), deed);
    }
    stem.whole(Kind::Naive, pool.into_iter().map(Cell::Naive).collect(), deed)
}

fn address(dice: &mut Dice, stem: Stem) -> Subject {
    let deed = match dice.below(5) {
        0 if stem.nullable => Deed::Constant(Value::Null),
        0..3 => Deed::Token(TokenForm::Ip),
        _ => Deed::Coarser(dice.pick(&[Grain::Network { v4: 24, v6: 48 }, Grain::Network { v4: 16, v6: 32 }]).clone()),
    };
    if dice.chance(40) {
        let pool = some(dice, TYPED_ADDRESSES);
        return stem.whole(Kind::Address, pool, deed);
    }
    let pool = some(dice, ADDRESSES);
    stem.whole(Kind::Text, pool, deed)
}

fn uuid(dice: &mut Dice, stem: Stem) -> Subject {
    if dice.chance(50) {
        let pool = some(dice, TYPED_UUIDS);
        return stem.whole(Kind::Uuid, pool, Deed::Token(TokenForm::Uuid));
    }
    let pool = some(dice, UUIDS);
    stem.whole(text_kind(dice), pool, Deed::Token(TokenForm::Uuid))
}

fn agreed(dice: &mut Dice, stem: Stem) -> Subject {
    let value = Value::Bool(dice.chance(50));
    let deed = stem.constant(dice, value);
    stem.whole(Kind::Bool, vec![Cell::Bool(true), Cell::Bool(false)], deed)
}

/// A document, mostly written inside.
fn document(dice: &mut Dice, stem: Stem) -> Subject {
    let flavour = if dice.chance(75) { Flavour::Names } else { Flavour::Numbers };
    let pool = documents(dice, flavour);
    if stem.nullable && dice.chance(8) {
        return stem.whole(Kind::Json, pool, Deed::Constant(Value::Null));
    }
    let mut paths = PLACES.to_vec();
    dice.shuffle(&mut paths);
    paths.truncate(1 + dice.below(3));
    let column = Path::column(stem.name);
    let place = |dice: &mut Dice, path: &str| {
        let path = Path::parse(&format!("{column}.{path}")).expect("a path");
        let deed = match (dice.below(10), flavour) {
            (0, _) => Deed::Constant(Value::Null),
            (1, _) => Deed::Constant(Value::Text("gone".into())),
            (2, _) => Deed::Constant(Value::Int(5)),
            (3, _) => Deed::Constant(Value::Bool(false)),
            (_, Flavour::Numbers) => Deed::Token(*dice.pick(&[TokenForm::Integer, TokenForm::Digits, TokenForm::Luhn])),
            (4..7, Flavour::Names) => Deed::Token(TokenForm::Text),
            (_, Flavour::Names) => Deed::Token(TokenForm::Email),
        };
        PlaceSpec { path, deed }
    };
    let places = paths.into_iter().map(|path| place(dice, path)).collect();
    stem.with(Kind::Json, pool, places)
}
