//! JSON that people store: nested, with members missing, null or of another type.

use serde_json::{Map, Value as Json};

use forgetd_connector::PathStep;

use super::Dice;
use super::words::{integer, real};

/// Members' names; some of them mean something to an engine's own path language.
const NAMES: &[&str] = &["a", "b", "Name", "x y", "a.b", "0", "$", "[0]", "\u{e9}", "it's", "q\"q", r"back\slash"];

/// How deep values lie inside one another.
const DEPTH: usize = 3;

/// A few documents that share names.
pub(super) fn documents(dice: &mut Dice, words: &[String]) -> Vec<Json> {
    let names: Vec<&str> = (0..2 + dice.below(2)).map(|_| *dice.pick(NAMES)).collect();
    (0..3 + dice.below(8)).map(|_| value(dice, &names, words, DEPTH)).collect()
}

fn value(dice: &mut Dice, names: &[&str], words: &[String], depth: usize) -> Json {
    let kind = if depth == 0 {
        3 + dice.below(7)
    } else if depth == DEPTH {
        dice.below(4)
    } else {
        dice.below(10)
    };
    match kind {
        0 | 1 => {
            let mut object = Map::new();
            for name in names {
                if dice.chance(75) {
                    object.insert((*name).into(), value(dice, names, words, depth - 1));
                }
            }
            Json::Object(object)
        }
        2 => Json::Array((0..dice.below(4)).map(|_| value(dice, names, words, depth - 1)).collect()),
        3 if depth < DEPTH || dice.chance(30) => Json::Null,
        4 => Json::Bool(dice.chance(50)),
        5 => integer(dice).into(),
        6 => real(dice).into(),
        _ => dice.pick(words).clone().into(),
    }
}

/// A way into a document and what lies there: mostly something, at times nothing.
pub(super) fn path<'a>(dice: &mut Dice, document: &'a Json) -> (Vec<PathStep>, Option<&'a Json>) {
    let mut steps = vec![];
    let mut here = Some(document);
    for _ in 0..DEPTH + 1 {
        match here {
            Some(Json::Object(object)) if !object.is_empty() => {
                let names: Vec<&String> = object.keys().collect();
                let name = (*dice.pick(&names)).clone();
                here = object.get(&name);
                steps.push(PathStep::Field(name));
            }
            Some(Json::Array(elements)) if dice.chance(80) => {
                steps.push(PathStep::Each);
                here = if elements.is_empty() { None } else { Some(dice.pick(elements)) };
            }
            _ => break,
        }
    }
    if steps.is_empty() || dice.chance(10) {
        steps.push(PathStep::Field((*dice.pick(NAMES)).into()));
        here = None;
    }
    (steps, here)
}
