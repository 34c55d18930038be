//! Conditions that have to do with what lies in the rows.

use forgetd_connector::{Check, Comparison, Path, PathStep, Predicate, Test, Value};
use serde_json::Value as Json;

use super::columns::Column;
use super::words::{integer, real};
use super::{Dice, Features, documents};
use crate::{Cell, Kind, LABELS};

/// How deep conditions lie inside one another.
const DEPTH: usize = 4;

const COMPARISONS: &[Comparison] = &[
    Comparison::Equal,
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
];

/// What literals are made of where a value of the table does not serve.
pub(super) struct Literals<'a> {
    pub(super) columns: &'a [Column],
    pub(super) words: &'a [String],
    pub(super) features: Features,
}

// === impl Literals ===

impl Literals<'_> {
    /// A condition; at times the one that always holds.
    pub(super) fn predicate(&self, dice: &mut Dice) -> Predicate {
        if dice.chance(20) {
            return Predicate::always();
        }
        if !self.features.all_predicates {
            return self.simple(dice);
        }
        self.tree(dice, DEPTH)
    }

    /// What the first connectors know: equality of columns.
    fn simple(&self, dice: &mut Dice) -> Predicate {
        let parts = (0..1 + dice.below(2)).map(|_| {
            loop {
                if let Predicate::Test(test) = self.leaf(dice)
                    && test.path.steps.is_empty()
                    && !test.or_null
                    && matches!(test.check, Check::Compare(Comparison::Equal, _) | Check::In(_))
                {
                    return Predicate::Test(test);
                }
            }
        });
        Predicate::All(parts.collect())
    }

    fn tree(&self, dice: &mut Dice, depth: usize) -> Predicate {
        if depth == 1 || dice.chance(45) {
            return self.leaf(dice);
        }
        let mut parts: Vec<Predicate> = (0..1 + dice.below(3)).map(|_| self.tree(dice, depth - 1)).collect();
        match dice.below(10) {
            0..4 => Predicate::All(parts),
            4..7 => Predicate::Any(parts),
            _ => {
                let part = if parts.len() == 1 { parts.swap_remove(0) } else { Predicate::Any(parts) };
                Predicate::Not { part: Box::new(part), or_null: dice.chance(30) }
            }
        }
    }

    fn leaf(&self, dice: &mut Dice) -> Predicate {
        let (path, check) = loop {
            if dice.chance(10) {
                let value = Value::Int(dice.between(0, 20));
                break (Path::column("id"), Check::Compare(*dice.pick(COMPARISONS), value));
            }
            let column = dice.pick(self.columns);
            if let Some(found) = self.on(dice, column) {
                break found;
            }
        };
        let unknown = !matches!(check, Check::Null(_) | Check::Exists(_));
        let or_null = unknown && self.features.all_predicates && dice.chance(15);
        Predicate::Test(Test { path, check, or_null })
    }

    /// A check of a column; nothing where there is little to ask.
    fn on(&self, dice: &mut Dice, column: &Column) -> Option<(Path, Check)> {
        let path = Path::column(column.spec.name);
        let value = dice.pick(&column.pool).clone();
        if dice.chance(10) {
            return Some((path, Check::Null(dice.chance(50))));
        }
        // Some engines have types of their own for these.
        if matches!(column.spec.kind, Kind::Iso8601 | Kind::NaiveText | Kind::DateText) {
            return None;
        }
        Some(match value {
            Cell::Json(document) => {
                if !self.features.json {
                    return None;
                }
                let (steps, leaf) = documents::path(dice, &document);
                let check = self.inside(dice, &steps, leaf);
                (Path { steps, ..path }, check)
            }
            Cell::Text(text) => match column.spec.kind {
                Kind::Label | Kind::Marks | Kind::Bits => (path, label(dice, column, &text)),
                _ => (path, self.text(dice, &text)),
            },
            Cell::Bool(value) => (path, truth(dice, value)),
            Cell::Int(value) => (path, self.number(dice, column.spec.kind, Value::Int(value))),
            Cell::Real(value) => (path, self.number(dice, column.spec.kind, Value::Real(value))),
            // No integer of a policy's is as large, and no number with a fraction is compared with integers.
            Cell::Unsigned(_) => (path, self.number(dice, column.spec.kind, Value::Int(i64::MAX))),
            Cell::Null | Cell::Missing | Cell::Zero(_) | Cell::Instant(_) | Cell::Naive(_) | Cell::Date(_) => {
                return None;
            }
        })
    }

    fn text(&self, dice: &mut Dice, text: &str) -> Check {
        match dice.below(10) {
            0..4 => Check::Compare(*dice.pick(COMPARISONS), Value::Text(self.word(dice, text))),
            4..7 => listed(dice, |dice| Value::Text(self.word(dice, text))),
            7 | 8 => {
                let word = self.word(dice, text);
                Check::Like(pattern(dice, &word))
            }
            _ => {
                let word = self.word(dice, text);
                let letters = 1 + dice.below(3);
                // A policy refuses a prefix that every text has.
                if word.is_empty() {
                    Check::Like("_%".into())
                } else {
                    Check::Prefix(word.chars().take(letters).collect())
                }
            }
        }
    }

    /// Mostly this very text.
    fn word(&self, dice: &mut Dice, text: &str) -> String {
        if dice.chance(65) { text.into() } else { dice.pick(self.words).clone() }
    }

    fn number(&self, dice: &mut Dice, kind: Kind, value: Value) -> Check {
        let fractions = matches!(kind, Kind::Real | Kind::Numeric | Kind::Julian);
        let any = |dice: &mut Dice| match &value {
            Value::Real(value) if dice.chance(25) && value.fract() == 0.0 && value.abs() < 1e15 => {
                Value::Int(*value as i64)
            }
            value if dice.chance(70) => value.clone(),
            _ if kind == Kind::Unsigned && dice.chance(50) => Value::Int(i64::MAX - dice.between(0, 1)),
            _ if fractions && dice.chance(50) => Value::Real(real(dice)),
            _ => Value::Int(integer(dice)),
        };
        if dice.chance(65) { Check::Compare(*dice.pick(COMPARISONS), any(dice)) } else { listed(dice, any) }
    }

    /// A check of what lies inside a document; now and then of another type.
    fn inside(&self, dice: &mut Dice, steps: &[PathStep], leaf: Option<&Json>) -> Check {
        let one = !steps.contains(&PathStep::Each);
        if one && dice.chance(20) {
            return if dice.chance(50) { Check::Null(dice.chance(50)) } else { Check::Exists(dice.chance(50)) };
        }
        match leaf {
            Some(Json::String(text)) if dice.chance(85) => return self.text(dice, text),
            Some(Json::Bool(value)) if dice.chance(85) => return truth(dice, *value),
            _ => {}
        }
        let value = match leaf {
            Some(Json::Number(number)) if dice.chance(80) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Real(number.as_f64().expect("a number")),
            },
            _ => self.any(dice),
        };
        match value {
            Value::Int(_) | Value::Real(_) if dice.chance(60) => {
                if dice.chance(75) {
                    Check::Compare(*dice.pick(COMPARISONS), value)
                } else {
                    self.number(dice, Kind::Numeric, value)
                }
            }
            // Lists of several types: each value is compared with those of its own.
            value => {
                let mut values = vec![value];
                for _ in 0..dice.below(3) {
                    values.push(self.any(dice));
                }
                if dice.chance(50) { Check::In(values) } else { Check::NotIn(values) }
            }
        }
    }

    fn any(&self, dice: &mut Dice) -> Value {
        match dice.below(4) {
            0 => Value::Bool(dice.chance(50)),
            1 => Value::Int(integer(dice)),
            2 => Value::Real(real(dice)),
            _ => Value::Text(dice.pick(self.words).clone()),
        }
    }
}

/// A check of a column whose type knows few texts: no others can be asked for.
fn label(dice: &mut Dice, column: &Column, text: &str) -> Check {
    let any = |dice: &mut Dice| match dice.pick(&column.pool) {
        _ if column.spec.kind == Kind::Label && dice.chance(30) => Value::Text((*dice.pick(LABELS)).into()),
        Cell::Text(other) if dice.chance(50) => Value::Text(other.clone()),
        _ => Value::Text(text.into()),
    };
    if dice.chance(50) {
        let comparison = if dice.chance(60) { Comparison::Equal } else { Comparison::NotEqual };
        return Check::Compare(comparison, any(dice));
    }
    listed(dice, any)
}

fn truth(dice: &mut Dice, value: bool) -> Check {
    let value = Value::Bool(value);
    match dice.below(5) {
        0 | 1 => Check::Compare(Comparison::Equal, value),
        2 | 3 => Check::Compare(Comparison::NotEqual, value),
        _ => listed(dice, |_| value.clone()),
    }
}

fn listed(dice: &mut Dice, mut value: impl FnMut(&mut Dice) -> Value) -> Check {
    let values = (0..1 + dice.below(4)).map(|_| value(dice)).collect();
    if dice.chance(60) { Check::In(values) } else { Check::NotIn(values) }
}

/// A pattern that the word fits, or nearly. A policy refuses patterns that only one text fits.
fn pattern(dice: &mut Dice, word: &str) -> String {
    let escaped = |letters: &[char]| {
        letters.iter().fold(String::new(), |mut text, letter| {
            if matches!(letter, '%' | '_' | '\\') {
                text.push('\\');
            }
            text.push(*letter);
            text
        })
    };
    let letters: Vec<char> = word.chars().collect();
    let at = dice.below(letters.len() + 1);
    match dice.below(7) {
        0 => format!("{}%", escaped(&letters)),
        1 => format!("{}%", escaped(&letters[..at])),
        2 => format!("%{}", escaped(&letters[at..])),
        3 => format!("%{}%", escaped(&letters[at..letters.len().min(at + 2)])),
        4 => format!("{}_{}", escaped(&letters[..at]), escaped(&letters[letters.len().min(at + 1)..])),
        5 => format!("{}%{}", escaped(&letters[..at]), escaped(&letters[letters.len().min(at + 1)..])),
        _ => "%".into(),
    }
}
