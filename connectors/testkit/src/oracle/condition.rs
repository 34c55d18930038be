//! `where`, one row at a time.

use std::cmp::Ordering;

use forgetd_connector::{Check, Comparison, PathStep, Predicate, Test, Value};
use serde_json::Value as Json;

use super::Truth;
use super::like::is_like;
use super::number::Number;
use crate::table::{Cell, Row, TableSpec};

/// What lies at a path.
#[derive(Clone, Copy, Debug)]
enum Found<'a> {
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
    /// An array, an object, a moment: nothing that a literal is compared with.
    Other,
}

/// Whether the predicate holds for a row.
pub(super) fn holds(table: &TableSpec, row: &Row, predicate: &Predicate) -> Truth {
    let parts = |parts: &[Predicate]| parts.iter().map(|part| holds(table, row, part)).collect::<Vec<_>>();
    match predicate {
        Predicate::All(all) => Truth::all(parts(all)),
        Predicate::Any(any) => Truth::any(parts(any)),
        Predicate::Not { part, or_null } => (!holds(table, row, part)).or_null(*or_null),
        Predicate::Test(test) => tested(&table.cell(row, &test.path.column), test).or_null(test.or_null),
    }
}

fn tested(cell: &Cell, test: &Test) -> Truth {
    match (cell, test.path.steps.as_slice()) {
        (Cell::Json(json), steps) => inside(Some(json), steps, &test.check),
        (_, []) => judge(plain(cell), &test.check),
        // Text can hold JSON where the engine has no type for it; what is no JSON has nothing inside.
        (Cell::Text(text), steps) => inside(serde_json::from_str(text).ok().as_ref(), steps, &test.check),
        (_, _) => judge(Found::Missing, &test.check),
    }
}

/// Goes on along the path; `json` is absent where something is missing on the way.
fn inside(json: Option<&Json>, steps: &[PathStep], check: &Check) -> Truth {
    match (json, steps) {
        (None, _) => judge(Found::Missing, check),
        (Some(json), []) => judge(leaf(json), check),
        (Some(json), [PathStep::Field(name), rest @ ..]) => {
            inside(json.as_object().and_then(|object| object.get(name)), rest, check)
        }
        (Some(Json::Array(elements)), [PathStep::Each, ..]) if elements.is_empty() => Truth::Unknown,
        (Some(Json::Array(elements)), [PathStep::Each, rest @ ..]) => {
            Truth::any(elements.iter().map(|element| inside(Some(element), rest, check)))
        }
        (Some(_), [PathStep::Each, ..]) => judge(Found::Missing, check),
    }
}

fn plain(cell: &Cell) -> Found<'_> {
    match cell {
        Cell::Null | Cell::Missing => Found::Null,
        Cell::Bool(value) => Found::Bool(*value),
        Cell::Int(value) => Found::Number(Number::Int((*value).into())),
        Cell::Unsigned(value) => Found::Number(Number::Int((*value).into())),
        Cell::Real(value) => Found::Number(Number::Real(*value)),
        Cell::Text(text) => Found::Text(text),
        Cell::Json(_) | Cell::Instant(_) | Cell::Naive(_) | Cell::Date(_) | Cell::Zero(_) => Found::Other,
    }
}

fn leaf(json: &Json) -> Found<'_> {
    match json {
        Json::Null => Found::Null,
        Json::Bool(value) => Found::Bool(*value),
        Json::Number(number) => Found::Number(match number.as_i64() {
            Some(value) => Number::Int(value.into()),
            None => Number::Real(number.as_f64().expect("a number of JSON")),
        }),
        Json::String(text) => Found::Text(text),
        Json::Array(_) | Json::Object(_) => Found::Other,
    }
}

fn judge(found: Found<'_>, check: &Check) -> Truth {
    match check {
        Check::Null(wanted) => (matches!(found, Found::Missing | Found::Null) == *wanted).into(),
        Check::Exists(wanted) => (!matches!(found, Found::Missing) == *wanted).into(),
        Check::Compare(comparison, value) => compared(found, *comparison, value),
        Check::In(values) => within(found, values),
        Check::NotIn(values) => !within(found, values),
        Check::Like(pattern) => text(found).map_or(Truth::Unknown, |text| is_like(text, pattern).into()),
        Check::Prefix(prefix) => text(found).map_or(Truth::Unknown, |text| text.starts_with(prefix.as_str()).into()),
    }
}

fn text(found: Found<'_>) -> Option<&str> {
    if let Found::Text(text) = found { Some(text) } else { None }
}

fn compared(found: Found<'_>, comparison: Comparison, value: &Value) -> Truth {
    let Some(order) = order(found, value) else { return Truth::Unknown };
    let truth = match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        // A truth value is before nothing.
        _ if matches!(value, Value::Bool(_)) => return Truth::Unknown,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    };
    truth.into()
}

fn within(found: Found<'_>, values: &[Value]) -> Truth {
    let mut alike = values.iter().filter_map(|value| order(found, value)).peekable();
    if alike.peek().is_none() {
        return Truth::Unknown;
    }
    alike.any(|order| order == Ordering::Equal).into()
}

/// How the value lies to a literal; nothing where they are not of one type.
fn order(found: Found<'_>, value: &Value) -> Option<Ordering> {
    match (found, value) {
        (Found::Bool(found), Value::Bool(value)) => Some(found.cmp(value)),
        (Found::Number(found), Value::Int(value)) => found.compare(Number::Int((*value).into())),
        (Found::Number(found), Value::Real(value)) => found.compare(Number::Real(*value)),
        // UTF-8 keeps the order of code points.
        (Found::Text(found), Value::Text(value)) => Some(found.as_bytes().cmp(value.as_bytes())),
        _ => None,
    }
}
