//! What a table holds, and whether two cells are the same.

use forgetd_testkit::{Cell, Kind, Row, TableSpec};
use serde_json::Value as Json;

use super::coarse::parsed;
use crate::engine::Site;

/// Every row of a table with everything in it, by `id`.
pub(crate) async fn contents(site: &dyn Site, table: &TableSpec) -> Vec<Row> {
    if let Some(documents) = site.documents() {
        return documents.contents(table).await;
    }
    let rows = site.texts(table.name, &table.columns).await;
    let row = |(id, texts): (i64, Vec<Option<String>>)| {
        let cells = table.columns.iter().zip(texts);
        (id, cells.map(|(column, text)| text.map_or(Cell::Null, |text| cell(column.kind, text))).collect())
    };
    rows.into_iter().map(row).collect()
}

/// A text of the engine's, read as what its column holds; as text where it is something else.
fn cell(kind: Kind, text: String) -> Cell {
    let number = |text: &str| text.parse().map(Cell::Int).ok().or_else(|| text.parse().map(Cell::Real).ok());
    let unsigned = |text: &str| {
        let value = text.parse().ok()?;
        Some(i64::try_from(value).map_or(Cell::Unsigned(value), Cell::Int))
    };
    let zero = || text.get(..10).filter(|date| date.contains("-00")).map(|date| Cell::Zero(date.into()));
    let read = match kind {
        Kind::Int | Kind::UnixS | Kind::UnixMs | Kind::Real | Kind::Numeric | Kind::Julian => number(&text),
        Kind::Unsigned => number(&text).filter(|_| text.parse::<u64>().is_err()).or_else(|| unsigned(&text)),
        Kind::Bool => match text.as_str() {
            "true" | "1" => Some(Cell::Bool(true)),
            "false" | "0" => Some(Cell::Bool(false)),
            _ => None,
        },
        Kind::Json => serde_json::from_str(&text).map(Cell::Json).ok(),
        // Without a zone where the session is in UTC.
        Kind::Instant | Kind::InstantOf(_) => {
            text.parse().or_else(|_| format!("{text}Z").parse()).map(Cell::Instant).ok().or_else(zero)
        }
        Kind::Naive | Kind::NaiveOf(_) => text.parse().map(Cell::Naive).ok().or_else(zero),
        Kind::Date => text.parse().map(Cell::Date).ok().or_else(zero),
        _ => None,
    };
    read.unwrap_or(Cell::Text(text))
}

/// Whether two cells hold the same: numbers by what they are, JSON by its values.
pub(crate) fn same(a: &Cell, b: &Cell) -> bool {
    match (a, b) {
        (Cell::Json(a), Cell::Json(b)) => same_json(a, b),
        (Cell::Int(a), Cell::Int(b)) => a == b,
        (Cell::Int(_) | Cell::Real(_), Cell::Int(_) | Cell::Real(_)) => close(real(a), real(b)),
        (a, b) => a == b,
    }
}

/// The same, where a type may write an address in a form of its own.
pub(crate) fn same_in(kind: Kind, a: &Cell, b: &Cell) -> bool {
    let host = |text: &str| {
        let (address, length) = parsed(text)?;
        Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 })))
    };
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) if kind == Kind::Address => a == b || (host(a).is_some() && host(a) == host(b)),
        // Where a moment is kept as text.
        (Cell::Instant(a), Cell::Text(b)) | (Cell::Text(b), Cell::Instant(a)) => {
            b.parse().is_ok_and(|b: jiff::Timestamp| b == *a)
        }
        _ => same(a, b),
    }
}

#[allow(clippy::cast_precision_loss, reason = "compared with a number that has a fraction")]
fn real(cell: &Cell) -> f64 {
    match cell {
        Cell::Int(value) => *value as f64,
        Cell::Real(value) => *value,
        _ => f64::NAN,
    }
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| close(one, other))
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_json(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let there = |(name, value): (&String, &Json)| other.get(name).is_some_and(|other| same_json(value, other));
            one.len() == other.len() && one.iter().all(there)
        }
        (a, b) => a == b,
    }
}
