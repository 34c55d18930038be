//! A transform that anybody can see through: connectors know no tokens, so the suite brings its own.

use forgetd_connector::{Cause, NewRow, OldRow, PathStep, Rewrite, Shape, Transform, Value};
use serde_json::Value as Json;

/// How a text begins that is done.
pub const TAG: &str = "p1.";

/// Puts [`TAG`] before texts, once. Texts that begin with `unfit` cannot be transformed, and rows that are marked stay as
/// they are. What is no text stays too.
#[derive(Clone, Debug)]
pub struct Tagger {
    /// For each computed column, the places in it; one without steps is the column itself.
    columns: Vec<Vec<Vec<PathStep>>>,
}

// === impl Tagger ===

impl Tagger {
    /// For the computed places of this rewrite.
    pub fn new(rewrite: &Rewrite) -> Self {
        let places = |column: &str| {
            let of_column = rewrite.places.iter().filter(|place| place.path.column == column);
            of_column.map(|place| place.path.steps.clone()).collect()
        };
        Self { columns: rewrite.computed().into_iter().map(places).collect() }
    }

    /// How a value looks that it made.
    pub fn shape() -> Shape {
        Shape::Like(vec![format!("{TAG}%")])
    }

    fn row(&self, row: &OldRow) -> NewRow {
        if row.marked {
            return NewRow::Same;
        }
        let mut values = vec![];
        for (old, places) in row.values.iter().zip(&self.columns) {
            match value(old, places) {
                Some(value) => values.push(value),
                None => return NewRow::Unfit(Cause::ValueUnfit),
            }
        }
        if values == row.values { NewRow::Same } else { NewRow::Values(values) }
    }
}

impl Transform for Tagger {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(|row| self.row(row)).collect()
    }
}

/// The new value; absent: the old one cannot be transformed.
fn value(old: &Value, places: &[Vec<PathStep>]) -> Option<Value> {
    let Value::Text(text) = old else { return Some(old.clone()) };
    if places.iter().any(Vec::is_empty) {
        return tagged(text).map(Value::Text);
    }
    let before: Json = serde_json::from_str(text).expect("a column of JSON holds JSON");
    let mut json = before.clone();
    for steps in places {
        edit(&mut json, steps)?;
    }
    // What is done comes out as it went in, spaces and all.
    Some(if json == before { old.clone() } else { Value::Text(json.to_string()) })
}

fn edit(json: &mut Json, steps: &[PathStep]) -> Option<()> {
    match (steps, json) {
        ([], Json::String(text)) => *text = tagged(text)?,
        ([PathStep::Field(name), rest @ ..], Json::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                edit(member, rest)?;
            }
        }
        ([PathStep::Each, rest @ ..], Json::Array(elements)) => {
            for element in elements {
                edit(element, rest)?;
            }
        }
        _ => {}
    }
    Some(())
}

fn tagged(text: &str) -> Option<String> {
    if text.starts_with("unfit") {
        return None;
    }
    Some(if text.starts_with(TAG) { text.to_owned() } else { format!("{TAG}{text}") })
}
