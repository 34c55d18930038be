//! `{"places": [["email", {"token": "email"}], ["born", {"coarser": "year"}], ["name", {"constant": null}]], "marker": ..,
//! "unique": .., "tokens": [[1, "email"]], "edits": [[1, "email", "a@b"]], "inserts": [..], "later": ..}`.

use forgetd_connector::{Grain, Path, Value};
use serde_json::{Value as Json, json};

use super::{Read, condition, each, member, name, optional, table, text, wrong};
use crate::TableSpec;
use crate::generator::{Deed, EditSpec, PlaceSpec, TokenForm, TransformSpec};

const PARTS: [Grain; 4] = [Grain::Day, Grain::Month, Grain::Quarter, Grain::Year];

pub(super) fn write(transform: &TransformSpec) -> Json {
    let TransformSpec { places, marker, unique, tokens, edits, inserts, later } = transform;
    json!({
        "places": places.iter().map(|place| json!([place.path.to_string(), deed(&place.deed)])).collect::<Vec<_>>(),
        "marker": marker,
        "unique": unique,
        "tokens": tokens.iter().map(|(id, path)| json!([id, path.to_string()])).collect::<Vec<_>>(),
        "edits": edits.iter().map(|edit| json!([edit.id, edit.column, table::cell(&edit.cell)])).collect::<Vec<_>>(),
        "inserts": inserts.iter().map(table::row).collect::<Vec<_>>(),
        "later": later.to_string(),
    })
}

fn deed(deed: &Deed) -> Json {
    match deed {
        Deed::Token(form) => json!({ "token": form.word() }),
        Deed::Constant(Value::Null) => json!({ "constant": null }),
        Deed::Constant(value) => json!({ "constant": condition::value(value) }),
        Deed::Coarser(Grain::Step(step)) => json!({ "step": step }),
        Deed::Coarser(Grain::Prefix(chars)) => json!({ "prefix": chars }),
        Deed::Coarser(Grain::Network { v4, v6 }) => json!({ "network": [v4, v6] }),
        Deed::Coarser(part) => json!({ "coarser": part.word() }),
    }
}

pub(super) fn read(json: &Json, own: &TableSpec) -> Read<TransformSpec> {
    let list = |name| optional(json, name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let column = |name: &'static str| optional(json, name).and_then(Json::as_str).map(super::name);
    Ok(TransformSpec {
        places: each(member(json, "places")?, read_place)?,
        marker: column("marker"),
        unique: column("unique"),
        tokens: list("tokens").iter().map(|token| Ok((id(token)?, path(token.get(1))?))).collect::<Read<_>>()?,
        edits: list("edits").iter().map(|edit| read_edit(edit, own)).collect::<Read<_>>()?,
        inserts: list("inserts").iter().map(|row| table::read_row(row, &own.columns)).collect::<Read<_>>()?,
        later: text(json, "later")?.parse().map_err(|_| wrong("later", json))?,
    })
}

fn id(json: &Json) -> Read<i64> {
    json.get(0).and_then(Json::as_i64).ok_or_else(|| wrong("id", json))
}

fn path(json: Option<&Json>) -> Read<Path> {
    let text = json.and_then(Json::as_str).unwrap_or_default();
    Path::parse(text).map_err(|_| wrong("path", &json!(text)))
}

fn read_edit(json: &Json, own: &TableSpec) -> Read<EditSpec> {
    let column = json.get(1).and_then(Json::as_str).map(name).ok_or_else(|| wrong("column", json))?;
    let cell = table::read_cell(own.kind(column), json.get(2).unwrap_or(&Json::Null))?;
    Ok(EditSpec { id: id(json)?, column, cell })
}

fn read_place(json: &Json) -> Read<PlaceSpec> {
    let deed = json.get(1).ok_or_else(|| wrong("deed", json))?;
    Ok(PlaceSpec { path: path(json.get(0))?, deed: read_deed(deed)? })
}

fn read_deed(json: &Json) -> Read<Deed> {
    let unknown = || wrong("deed", json);
    if let Some(word) = optional(json, "token").and_then(Json::as_str) {
        return TokenForm::ALL.iter().find(|form| form.word() == word).copied().map(Deed::Token).ok_or_else(unknown);
    }
    if let Some(constant) = json.get("constant") {
        return Ok(Deed::Constant(if constant.is_null() { Value::Null } else { condition::literal(constant)? }));
    }
    let number = |json: &Json| json.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or_else(unknown);
    Ok(Deed::Coarser(if let Some(step) = optional(json, "step") {
        Grain::Step(step.as_str().ok_or_else(unknown)?.into())
    } else if let Some(chars) = optional(json, "prefix") {
        Grain::Prefix(number(chars)?.into())
    } else if let Some(lengths) = optional(json, "network") {
        let length = |n: usize| lengths.get(n).ok_or_else(unknown).and_then(number);
        Grain::Network { v4: length(0)?, v6: length(1)? }
    } else {
        let word = text(json, "coarser")?;
        PARTS.into_iter().find(|part| part.word() == word).ok_or_else(unknown)?
    }))
}
