//! Whether what a transform writes fits the column: its type, its length, its range, and what must stay unique.

use forgetd_connector::{Cause, Column, ColumnKind, Finding, Grain, Path, Value};

use super::rewrite::At;
use crate::transform::{self, Holder, TokenKind, Treatment};

/// Rows of a table whose statistics were never taken.
const ROWS_UNKNOWN: u64 = 1_000_000;

/// Likelier collisions than this are refused.
const ODDS_MAX: f64 = 0.001;

/// Digits of a number whose length nobody knows.
const DIGITS_USUAL: f64 = 10.0;

/// Characters of an IPv4 network with its length, and of any address with one.
const NETWORK_CHARS: u32 = 43;

/// What holds the value at a path of this column.
pub(super) fn holder(column: &Column, path: &Path) -> Holder {
    if !path.steps.is_empty() {
        return Holder::Json;
    }
    match (column.kind, column.type_name.to_ascii_lowercase().as_str()) {
        (_, "uuid") => Holder::Uuid,
        (_, "inet" | "cidr") => Holder::Address,
        (ColumnKind::Text, _) => Holder::Text,
        (ColumnKind::Integer, _) => Holder::Integer { max: column.fit.integer_max.unwrap_or(i64::MAX) },
        (ColumnKind::Number, _) => Holder::Number,
        (ColumnKind::Bool, _) => Holder::Bool,
        (ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date, _) => Holder::Time,
        (ColumnKind::Json, _) => Holder::WholeJson,
        (ColumnKind::Any, _) => Holder::Any,
        (ColumnKind::Other, _) => Holder::Other,
    }
}

/// The same of what happens there: a field inside a document is made coarser like a whole one.
pub(super) fn holder_for(column: &Column, path: &Path, treatment: &Treatment) -> Holder {
    let coarser = matches!(treatment, Treatment::Generalize(grain) if !matches!(grain, Grain::Network { .. }));
    if column.kind == ColumnKind::Any && coarser && !path.is_many() {
        return Holder::Any;
    }
    holder(column, path)
}

/// Everything about the place that does not fit.
pub(super) fn misfits(at: &At<'_>) -> Vec<Finding> {
    let holder = holder_for(at.column, at.path, at.treatment);
    if holder == Holder::Json && !matches!(at.column.kind, ColumnKind::Json | ColumnKind::Text | ColumnKind::Any) {
        let message = format!("the rule looks into {}, which holds no JSON", typed(at.column));
        let fix = "name a column that holds JSON, or write a dot that belongs to the name as `\\.`";
        return vec![at.refuse(Cause::ColumnType, message).with_fix(fix)];
    }
    let found = match at.treatment {
        Treatment::Redact(value) => constant(at, holder, value),
        Treatment::Generalize(grain) => coarser(at, holder, grain),
        Treatment::Pseudonymize { kind, .. } => token(at, holder, *kind),
    };
    match found {
        Some(finding) => vec![finding],
        None => not_unique(at, holder).into_iter().collect(),
    }
}

fn typed(column: &Column) -> String {
    format!("{} ({})", column.name, column.type_name)
}

fn constant(at: &At<'_>, holder: Holder, value: &Value) -> Option<Finding> {
    let unfit = |what: &str| Some(at.refuse(Cause::TransformUnfit, format!("{} {what}", typed(at.column))));
    let fit = &at.column.fit;
    match (value, holder) {
        (Value::Null, Holder::Json | Holder::Any) => None,
        (Value::Null, _) if at.column.nullable => None,
        (Value::Null, _) => unfit("cannot be NULL"),
        (_, Holder::Json | Holder::Any) | (Value::Bool(_), Holder::Bool) => None,
        (Value::Text(text), Holder::Text) => {
            let chars = text.chars().count();
            match fit.chars_max {
                Some(max) if chars > max as usize => {
                    unfit(&format!("takes {max} characters, and the constant has {chars}"))
                }
                _ if !fit.labels.is_empty() && !fit.labels.contains(text) => {
                    unfit("takes only its own words, and the constant is none")
                }
                _ => None,
            }
        }
        (Value::Text(text), Holder::Other) if !fit.labels.is_empty() => {
            if fit.labels.contains(text) {
                None
            } else {
                unfit("takes only its own words, and the constant is none")
            }
        }
        (Value::Int(number), Holder::Integer { max }) if *number <= max && *number >= -max => None,
        (Value::Int(_), Holder::Integer { max }) => {
            unfit(&format!("takes numbers up to {max}, and the constant is beyond"))
        }
        (Value::Real(number), Holder::Number)
            if fit.scale.is_some_and(|scale| decimals(&number.to_string()) > Some(scale)) =>
        {
            unfit("keeps fewer decimals than the constant has")
        }
        (Value::Int(_) | Value::Real(_), Holder::Number) => None,
        _ => unfit("takes no such constant; write null, or a value of its type"),
    }
}

fn coarser(at: &At<'_>, holder: Holder, grain: &Grain) -> Option<Finding> {
    let unfit = |what: String| Some(at.refuse(Cause::TransformUnfit, what));
    let column = typed(at.column);
    match (grain, holder) {
        (_, Holder::Any) => None,
        (_, Holder::Json) if at.column.kind == ColumnKind::Any => unfit(format!(
            "{} lies inside an array or is an address in a document, where nothing is made coarser",
            at.path
        )),
        (_, Holder::Json) => unfit(format!("{} lies inside JSON, where nothing is made coarser", at.path)),
        (Grain::Day, Holder::Time) if at.column.kind == ColumnKind::Date => {
            unfit(format!("{column} is no finer than a day"))
        }
        (Grain::Day | Grain::Month | Grain::Quarter | Grain::Year, Holder::Time) => None,
        (Grain::Step(step), Holder::Integer { .. }) if step.contains('.') => {
            unfit(format!("{column} holds whole numbers, and the step has a fraction"))
        }
        (Grain::Step(step), Holder::Number)
            if at.column.fit.scale.is_some_and(|scale| decimals(step) > Some(scale)) =>
        {
            unfit(format!("{column} keeps fewer decimals than the step has"))
        }
        (Grain::Step(_), Holder::Integer { .. } | Holder::Number) | (Grain::Network { .. }, Holder::Address) => None,
        (Grain::Prefix(_), Holder::Text) if at.column.fit.labels.is_empty() => None,
        (Grain::Network { .. }, Holder::Text) => match at.column.fit.chars_max {
            Some(max) if max < NETWORK_CHARS => unfit(format!(
                "{column} takes {max} characters, and a network with its length needs up to {NETWORK_CHARS}"
            )),
            _ => None,
        },
        _ => unfit(format!("{column} cannot become coarser by `{}`", grain.word())),
    }
}

fn token(at: &At<'_>, holder: Holder, kind: TokenKind) -> Option<Finding> {
    let unfit = |what: String| Some(at.refuse(Cause::TransformUnfit, what));
    let column = typed(at.column);
    let fit = &at.column.fit;
    if !fit.labels.is_empty() {
        return unfit(format!("{column} takes only its own words, and no token is among them"));
    }
    match (kind, holder) {
        (_, Holder::Json | Holder::Any) => None,
        (TokenKind::Text | TokenKind::Email | TokenKind::Uuid | TokenKind::Ip, Holder::Text) => {
            let needs = transform::length(kind)?;
            match fit.chars_max {
                Some(max) if needs > max as usize => {
                    unfit(format!("{column} takes {max} characters, and the token has {needs}"))
                }
                _ => None,
            }
        }
        (TokenKind::Phone | TokenKind::Digits { .. }, Holder::Text)
        | (TokenKind::Uuid, Holder::Uuid)
        | (TokenKind::Ip, Holder::Address) => None,
        (TokenKind::Integer { max: Some(wanted) }, Holder::Integer { max }) if wanted > max => {
            unfit(format!("{column} takes numbers up to {max}, and tokens go up to {wanted}"))
        }
        (TokenKind::Integer { .. }, Holder::Integer { .. }) => None,
        _ => unfit(format!("{column} takes no token of the form `{}`", kind.word())),
    }
}

/// Whether values that must be unique stay so.
fn not_unique(at: &At<'_>, holder: Holder) -> Option<Finding> {
    if matches!(holder, Holder::Json | Holder::Any) {
        return None;
    }
    let name = &at.column.name;
    // The strictest decides: one over this column alone before one over several.
    let unique = at.table.indexes.iter().filter(|index| index.unique && index.columns.contains(name));
    let index = unique.min_by_key(|index| index.columns.len())?;
    let alone = index.columns.len() == 1;
    let refuse = |message: String| Some(at.refuse(Cause::NotUnique, message));
    match at.treatment {
        Treatment::Redact(Value::Null) => None,
        Treatment::Redact(_) if alone => {
            refuse(format!("{name} is unique ({}), and the constant is the same in every row", index.name))
        }
        Treatment::Generalize(_) if alone => {
            refuse(format!("{name} is unique ({}), and coarser values coincide", index.name))
        }
        Treatment::Redact(_) | Treatment::Generalize(_) => None,
        Treatment::Pseudonymize { kind, .. } => {
            let rows = at.table.rows_estimate.unwrap_or(ROWS_UNKNOWN);
            let bits = transform::bits(*kind, holder).unwrap_or(DIGITS_USUAL * std::f64::consts::LOG2_10);
            let odds = transform::collision_odds(rows, bits);
            if odds <= ODDS_MAX {
                return None;
            }
            refuse(format!(
                "{name} is unique ({}), and of {rows} tokens of {bits:.0} bits two are the same with odds of {}",
                index.name,
                share(odds)
            ))
        }
    }
}

/// How many digits stand behind the point.
fn decimals(number: &str) -> Option<u32> {
    let behind = number.split_once('.').map_or(0, |(_, behind)| behind.len());
    u32::try_from(behind).ok()
}

/// Odds as people read them.
fn share(odds: f64) -> String {
    if odds >= 1.0 { "nearly 1".into() } else { format!("{odds:.3}") }
}
