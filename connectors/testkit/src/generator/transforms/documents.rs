//! JSON about somebody: at the places that are written lies a value, nothing, null, or what is no value.

use serde_json::{Value as Json, json};

use super::texts::{EMAILS, NAMES, NUMBERS};
use crate::Cell;
use crate::generator::Dice;

/// What lies at the places of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Names,
    Numbers,
}

/// The places at which [`documents`] puts values.
pub(super) const PLACES: &[&str] = &["email", "data.email", "items[].email", "a.b[].c", r"x\.y.\[0\]", "rows[][]"];

pub(super) fn documents(dice: &mut Dice, flavour: Flavour) -> Vec<Cell> {
    // Rarely, so that most rows with a document can be done.
    let odd = *dice.pick(&[0, 0, 4, 10]);
    (0..3 + dice.below(8)).map(|_| Cell::Json(document(dice, flavour, odd))).collect()
}

fn document(dice: &mut Dice, flavour: Flavour, odd: usize) -> Json {
    if dice.chance(8) {
        return dice.pick(&[json!(null), json!([]), json!("email"), json!(7), json!([{ "email": "x@y" }])]).clone();
    }
    let mut document = json!({ "kept": dice.pick(NAMES), "n": dice.between(-5, 5) });
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            document[name] = value;
        }
    };
    put("email", spot(dice, flavour, odd));
    if dice.chance(80) {
        put("data", Some(holding(dice, "email", flavour, odd)));
    }
    if dice.chance(80) {
        let items = (0..dice.below(4)).map(|_| holding(dice, "email", flavour, odd)).collect();
        put("items", Some(Json::Array(items)));
    } else {
        put("items", Some(holding(dice, "email", flavour, odd)));
    }
    if dice.chance(70) {
        let b: Vec<Json> = (0..dice.below(3)).map(|_| holding(dice, "c", flavour, odd)).collect();
        put("a", Some(json!({ "b": b, "c": "stays" })));
    }
    if dice.chance(50) {
        put("x.y", Some(holding(dice, "[0]", flavour, odd)));
    }
    if dice.chance(50) {
        let row = |dice: &mut Dice| (0..dice.below(3)).filter_map(|_| spot(dice, flavour, odd)).collect();
        put("rows", Some((0..dice.below(3)).map(|_| Json::Array(row(dice))).collect()));
    }
    document
}

/// An object with a value of this name; at times something else.
fn holding(dice: &mut Dice, name: &str, flavour: Flavour, odd: usize) -> Json {
    match dice.below(12) {
        0 => json!(null),
        1 => json!(5),
        2 => json!([]),
        _ => match spot(dice, flavour, odd) {
            Some(value) => json!({ name: value, "kept": true }),
            None => json!({ "kept": false }),
        },
    }
}

/// What lies at a place, if anything does.
fn spot(dice: &mut Dice, flavour: Flavour, odd: usize) -> Option<Json> {
    if dice.chance(odd) {
        return Some(dice.pick(&[json!({}), json!({ "email": "x@y" }), json!([]), json!(["x@y"])]).clone());
    }
    Some(match (dice.below(12), flavour) {
        (0, _) => return None,
        (1, _) => Json::Null,
        (2, Flavour::Names) => json!(dice.between(-3, 99_999)),
        (3, Flavour::Names) => json!(dice.chance(50)),
        (4, Flavour::Names) => json!(1.5),
        (_, Flavour::Names) if dice.chance(60) => json!(dice.pick(EMAILS)),
        (_, Flavour::Names) => json!(dice.pick(NAMES)),
        (2..=6, Flavour::Numbers) => json!(dice.between(1_000, 99_999_999)),
        (7, Flavour::Numbers) if odd > 0 => json!(dice.pick(NUMBERS)),
        (_, Flavour::Numbers) => json!(dice.between(1_000, 99_999_999).to_string()),
    })
}
