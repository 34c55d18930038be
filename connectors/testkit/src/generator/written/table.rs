//! `{"name": .., "key": "id", "columns": [["at", "naive?"], ..], "rows": [[1, "2024-01-01T00:00:00"], ..]}`; a question
//! mark behind a kind: the column can be NULL.

use serde_json::{Value as Json, json};

use super::{Read, each, member, name, optional, text, wrong};
use crate::{Cell, ColumnSpec, KeySpec, Kind, Reference, Row, TableSpec};

const KINDS: &[(&str, Kind)] = &[
    ("int", Kind::Int),
    ("bool", Kind::Bool),
    ("real", Kind::Real),
    ("numeric", Kind::Numeric),
    ("text", Kind::Text),
    ("lax_text", Kind::LaxText),
    ("latin", Kind::Latin),
    ("narrow", Kind::Narrow),
    ("label", Kind::Label),
    ("marks", Kind::Marks),
    ("unsigned", Kind::Unsigned),
    ("bits", Kind::Bits),
    ("instant_0", Kind::InstantOf(0)),
    ("instant_1", Kind::InstantOf(1)),
    ("instant_2", Kind::InstantOf(2)),
    ("instant_3", Kind::InstantOf(3)),
    ("instant_4", Kind::InstantOf(4)),
    ("instant_5", Kind::InstantOf(5)),
    ("naive_0", Kind::NaiveOf(0)),
    ("naive_1", Kind::NaiveOf(1)),
    ("naive_2", Kind::NaiveOf(2)),
    ("naive_3", Kind::NaiveOf(3)),
    ("naive_4", Kind::NaiveOf(4)),
    ("naive_5", Kind::NaiveOf(5)),
    ("json", Kind::Json),
    ("uuid", Kind::Uuid),
    ("address", Kind::Address),
    ("instant", Kind::Instant),
    ("naive", Kind::Naive),
    ("date", Kind::Date),
    ("unix_s", Kind::UnixS),
    ("unix_ms", Kind::UnixMs),
    ("iso8601", Kind::Iso8601),
    ("naive_text", Kind::NaiveText),
    ("date_text", Kind::DateText),
    ("julian", Kind::Julian),
];

pub(super) fn write(table: &TableSpec) -> Json {
    json!({
        "name": table.name,
        "key": match &table.key {
            KeySpec::Id => json!("id"),
            KeySpec::Columns(columns) => json!(columns),
            KeySpec::None => Json::Null,
        },
        "indexes": table.indexes,
        "below": table.below.as_ref().map(write_reference),
        "beside": table.beside.as_ref().map(write_reference),
        "columns": table.columns.iter().map(column).collect::<Vec<_>>(),
        "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn column(column: &ColumnSpec) -> Json {
    let kind = KINDS.iter().find(|(_, kind)| *kind == column.kind).expect("a kind").0;
    json!([column.name, format!("{kind}{}", if column.nullable { "?" } else { "" })])
}

pub(super) fn row((id, cells): &Row) -> Json {
    let mut row = vec![json!(id)];
    row.extend(cells.iter().map(cell));
    row.into()
}

pub(super) fn cell(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Int(value) => json!(value),
        Cell::Unsigned(value) => json!(value),
        Cell::Bool(value) => json!(value),
        Cell::Real(value) => json!(value),
        Cell::Text(text) => json!(text),
        // So that NULL and JSON's own null are two things.
        Cell::Json(json) => json!({ "json": json }),
        Cell::Instant(instant) => json!(instant.to_string()),
        Cell::Naive(local) => json!(local.to_string()),
        Cell::Date(date) => json!(date.to_string()),
        Cell::Zero(date) => json!({ "zero": date }),
        Cell::Missing => json!({ "missing": true }),
    }
}

pub(super) fn read(json: &Json) -> Read<TableSpec> {
    let columns = each(member(json, "columns")?, read_column)?;
    let read_row = |row: &Json| read_row(row, &columns);
    let names = |list: &Json| each(list, |column| column.as_str().map(name).ok_or_else(|| wrong("column", column)));
    let mut table = TableSpec::new(name(text(json, "name")?)).key(match json.get("key") {
        None => KeySpec::Id,
        Some(Json::Null) => KeySpec::None,
        Some(Json::String(id)) if id == "id" => KeySpec::Id,
        Some(list) => KeySpec::Columns(names(list)?),
    });
    table.indexes = optional(json, "indexes").map_or(Ok(vec![]), |list| each(list, names))?;
    table.rows = each(member(json, "rows")?, read_row)?;
    let reference = |pair: &Json| {
        let [column, parent] = names(pair)?.try_into().map_err(|_| wrong("column and table", pair))?;
        Ok(Reference { column, parent })
    };
    table.below = optional(json, "below").map(reference).transpose()?;
    table.beside = optional(json, "beside").map(reference).transpose()?;
    table.columns = columns;
    Ok(table)
}

fn write_reference(reference: &Reference) -> Json {
    json!([reference.column, reference.parent])
}

fn read_column(json: &Json) -> Read<ColumnSpec> {
    let part = |n: usize| json.get(n).and_then(Json::as_str).ok_or_else(|| wrong("column", json));
    let (column, kind) = (part(0)?, part(1)?);
    let bare = kind.strip_suffix('?').unwrap_or(kind);
    let kind_of = KINDS.iter().find(|(known, _)| *known == bare).ok_or_else(|| wrong("kind", json))?.1;
    Ok(ColumnSpec { name: name(column), kind: kind_of, nullable: kind != bare })
}

pub(super) fn read_row(json: &Json, columns: &[ColumnSpec]) -> Read<Row> {
    let cells = json.as_array().ok_or_else(|| wrong("row", json))?;
    let [id, cells @ ..] = cells.as_slice() else { return Err(wrong("row", json)) };
    if cells.len() != columns.len() {
        return Err(wrong("row of as many cells as columns", json));
    }
    let cells = columns.iter().zip(cells).map(|(column, cell)| read_cell(column.kind, cell));
    Ok((id.as_i64().ok_or_else(|| wrong("id", json))?, cells.collect::<Read<_>>()?))
}

pub(super) fn read_cell(kind: Kind, json: &Json) -> Read<Cell> {
    // Documents hold texts where tables hold moments.
    let parsed = |json: &str| {
        let moment = match kind {
            Kind::Instant | Kind::InstantOf(_) => json.parse().ok().map(Cell::Instant),
            Kind::Naive | Kind::NaiveOf(_) => json.parse().ok().map(Cell::Naive),
            Kind::Date => json.parse().ok().map(Cell::Date),
            _ => None,
        };
        moment.unwrap_or_else(|| Cell::Text(json.into()))
    };
    let cell = match json {
        Json::Null => Some(Cell::Null),
        Json::Bool(value) => Some(Cell::Bool(*value)),
        Json::Number(number) => {
            let integer = number.as_i64().map(Cell::Int).or_else(|| number.as_u64().map(Cell::Unsigned));
            integer.or_else(|| number.as_f64().map(Cell::Real))
        }
        Json::String(text) => Some(parsed(text)),
        Json::Object(object) => match object.get("zero").and_then(Json::as_str) {
            Some(date) => Some(Cell::Zero(date.into())),
            None if object.contains_key("missing") => Some(Cell::Missing),
            None => object.get("json").cloned().map(Cell::Json),
        },
        Json::Array(_) => None,
    };
    cell.ok_or_else(|| wrong("cell", json))
}
