//! One place of a rule: whether it is done in a row, and what becomes of it.

use forgetd_connector::{Grain, PathStep, Value};
use forgetd_testkit::Cell;
use forgetd_testkit::generator::{Deed, PlaceSpec, TokenForm};
use serde_json::Value as Json;

use super::coarse::{Manner, coarser};
use super::contents::same;
use super::tokens::token;

/// What becomes of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Became {
    Same,
    New(Cell),
    /// It cannot be read as what the rule says it is.
    Unfit,
}

/// A place with what its engine makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) spec: &'a PlaceSpec,
    pub(crate) manner: Manner,
}

// === impl Place ===

impl Place<'_> {
    pub(crate) fn column(&self) -> &str {
        &self.spec.path.column
    }

    /// Whether a value shows that it is done.
    pub(crate) fn shows(&self) -> bool {
        !matches!(self.spec.deed, Deed::Token(form) if !form.shows())
    }

    /// Whether the lane computes it; else the engine does.
    pub(crate) fn is_computed(&self) -> bool {
        let in_text = matches!(self.spec.deed, Deed::Coarser(Grain::Network { .. })) && !self.manner.typed_address;
        matches!(self.spec.deed, Deed::Token(_)) || !self.spec.path.steps.is_empty() || in_text
    }

    /// Whether no value there looks as if it were not done. Only asked of a place that shows it.
    pub(crate) fn is_done(&self, cell: &Cell) -> bool {
        match cell {
            Cell::Null => true,
            Cell::Json(json) if !self.spec.path.steps.is_empty() => {
                let mut json = json.clone();
                let mut done = true;
                // Every value, whatever the others are.
                each(&mut json, &self.spec.path.steps, &mut |value| done &= self.is_done_inside(value));
                done
            }
            cell => self.is_done_whole(cell),
        }
    }

    /// Whether at least one value there looks as if it were done: what counts of tokens count.
    pub(crate) fn is_alike(&self, cell: &Cell) -> bool {
        match cell {
            Cell::Null => false,
            Cell::Json(json) if !self.spec.path.steps.is_empty() => {
                let mut json = json.clone();
                let mut alike = false;
                each(&mut json, &self.spec.path.steps, &mut |value| alike |= self.is_done_inside(value));
                alike
            }
            cell => self.is_done_whole(cell),
        }
    }

    fn is_done_whole(&self, cell: &Cell) -> bool {
        match (&self.spec.deed, cell) {
            (Deed::Token(form), Cell::Text(text)) => looks_done(*form, text),
            (Deed::Token(_), _) => false,
            (Deed::Constant(constant), cell) => same(&whole(constant), cell),
            (Deed::Coarser(Grain::Network { v4, v6 }), Cell::Text(text)) if !self.manner.typed_address => {
                text.is_empty() || is_network_text(text, *v4, *v6)
            }
            (Deed::Coarser(grain), cell) => coarser(cell, grain, self.manner).is_some_and(|coarse| same(&coarse, cell)),
        }
    }

    /// Null is never asked.
    fn is_done_inside(&self, value: &Json) -> bool {
        match (&self.spec.deed, value) {
            (Deed::Token(form), Json::String(text)) => looks_done(*form, text),
            (Deed::Constant(constant), value) => inside(constant) == *value,
            _ => false,
        }
    }

    pub(crate) fn becomes(&self, cell: &Cell) -> Became {
        let became = match (&self.spec.deed, cell) {
            (_, Cell::Null) => return Became::Same,
            (_, Cell::Json(json)) if !self.spec.path.steps.is_empty() => self.inside(json),
            (Deed::Token(form), cell) => token_of(*form, cell),
            (Deed::Constant(constant), _) => Some(whole(constant)),
            (Deed::Coarser(grain), cell) => coarser(cell, grain, self.manner),
        };
        match became {
            None => Became::Unfit,
            Some(new) if new == *cell => Became::Same,
            Some(new) => Became::New(new),
        }
    }

    fn inside(&self, json: &Json) -> Option<Cell> {
        let mut json = json.clone();
        let mut fits = true;
        each(&mut json, &self.spec.path.steps, &mut |value| {
            let new = match &self.spec.deed {
                Deed::Constant(constant) => Some(inside(constant)),
                Deed::Token(form) => token_inside(*form, value),
                Deed::Coarser(_) => None,
            };
            fits &= new.is_some();
            *value = new.unwrap_or_default();
        });
        fits.then_some(Cell::Json(json))
    }
}

/// Every value at the path that is not null.
fn each(json: &mut Json, steps: &[PathStep], visit: &mut dyn FnMut(&mut Json)) {
    match (steps, json) {
        ([], Json::Null) => {}
        ([], value) => visit(value),
        ([PathStep::Field(name), rest @ ..], Json::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                each(member, rest, visit);
            }
        }
        ([PathStep::Each, rest @ ..], Json::Array(elements)) => {
            elements.iter_mut().for_each(|element| each(element, rest, visit));
        }
        _ => {}
    }
}

fn whole(constant: &Value) -> Cell {
    match constant {
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Int(value) => Cell::Int(*value),
        Value::Bool(value) => Cell::Bool(*value),
        Value::Null => Cell::Null,
        other => panic!("{other:?} is no constant of a case"),
    }
}

fn inside(constant: &Value) -> Json {
    match constant {
        Value::Text(text) => text.as_str().into(),
        Value::Int(value) => (*value).into(),
        Value::Bool(value) => (*value).into(),
        _ => Json::Null,
    }
}

fn token_of(form: TokenForm, cell: &Cell) -> Option<Cell> {
    let value = match cell {
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Int(value) => Value::Int(*value),
        Cell::Bool(value) => Value::Text(value.to_string()),
        _ => return None,
    };
    match token(form, &value)? {
        Value::Text(text) => Some(Cell::Text(text)),
        Value::Int(value) => Some(Cell::Int(value)),
        other => panic!("{other:?} is no token"),
    }
}

/// A token stays a number where it is one; every other scalar is taken by its text.
fn token_inside(form: TokenForm, value: &Json) -> Option<Json> {
    let value = match value {
        Json::String(text) => Value::Text(text.clone()),
        Json::Bool(value) => Value::Text(value.to_string()),
        Json::Number(number) => match number.as_i64() {
            Some(value) if !form.shows() => Value::Int(value),
            _ => Value::Text(number.to_string()),
        },
        _ => return None,
    };
    match token(form, &value)? {
        Value::Text(text) => Some(text.into()),
        Value::Int(value) => Some(value.into()),
        other => panic!("{other:?} is no token"),
    }
}

// === How tokens look ===

fn looks_done(form: TokenForm, text: &str) -> bool {
    let word = |text: &str| text.starts_with("fg1") && text.chars().count() == 26;
    let letters: Vec<char> = text.chars().collect();
    text.is_empty()
        || match form {
            TokenForm::Text => word(text),
            TokenForm::Email => text.strip_suffix("@pseudonym.invalid").is_some_and(word),
            TokenForm::Uuid => {
                letters.len() == 36
                    && [8, 13, 18, 23].iter().all(|at| letters[*at] == '-')
                    && text[14..].starts_with("8f91")
            }
            TokenForm::Ip => {
                let four = matches!(letters.as_slice(), ['2', '4' | '5', _, '.', ..]);
                four || text.starts_with("2001:db8:")
            }
            TokenForm::Phone | TokenForm::Digits | TokenForm::Luhn | TokenForm::Integer => false,
        }
}

/// Whether a text ends like a network that is coarse enough: nothing but zeros behind its length.
fn is_network_text(text: &str, v4: u8, v6: u8) -> bool {
    let Some((front, length)) = text.split_once('/') else { return false };
    let Ok(length) = length.parse::<u8>() else { return false };
    let fits = |wanted: u8, boundary: u8| length == wanted || (length < wanted && length.is_multiple_of(boundary));
    let numbers: Vec<u32> = front.split('.').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [a, b, c, d] if fits(v4, 8) => {
            let bits = u64::from(a) << 24 | u64::from(b) << 16 | u64::from(c) << 8 | u64::from(d);
            bits.is_multiple_of(1 << (32 - u32::from(length.min(32))))
        }
        _ => fits(v6, 16) && (front.ends_with("::") || front.ends_with(":0")),
    }
}
