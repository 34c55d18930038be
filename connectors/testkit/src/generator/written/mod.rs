//! Cases as files: JSON that people can read, write and cut down.

mod condition;
mod rule;
mod table;
mod transform;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::Case;

/// What stands in a file of a case and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

type Read<T> = Result<T, Unreadable>;

// === impl Case ===

impl Case {
    /// The case as it stands in a file.
    pub fn to_json(&self) -> Json {
        json!({
            "now": self.now.to_string(),
            "rows_max": self.rows_max,
            "sealed": self.sealed,
            "tables": self.tables.iter().map(table::write).collect::<Vec<_>>(),
            "rule": rule::write(&self.rule),
            "transform": self.transform.as_ref().map(transform::write),
            "keepers": self.keepers.iter().map(rule::write).collect::<Vec<_>>(),
            "below": self.below.as_ref().map(rule::write),
            "beside": self.beside.as_ref().map(rule::write),
            "counted": self.counted.iter().map(rule::write).collect::<Vec<_>>(),
        })
    }

    /// Reads a case. What may be left out: `transform`, `keepers`, `counted`, `below`, `beside`, `rows_max` (3), `sealed` (no).
    pub fn from_json(json: &Json) -> Read<Self> {
        let now = text(json, "now")?;
        let rules = |name| optional(json, name).map_or(Ok(vec![]), |list| each(list, rule::read));
        let tables = each(member(json, "tables")?, table::read)?;
        let own = tables.first().ok_or_else(|| wrong("table", json))?;
        Ok(Self {
            now: now.parse::<Timestamp>().map_err(|_| wrong("now", json))?,
            rule: rule::read(member(json, "rule")?)?,
            transform: optional(json, "transform").map(|json| transform::read(json, own)).transpose()?,
            keepers: rules("keepers")?,
            counted: rules("counted")?,
            below: optional(json, "below").map(rule::read).transpose()?,
            beside: optional(json, "beside").map(rule::read).transpose()?,
            rows_max: optional(json, "rows_max").and_then(Json::as_u64).unwrap_or(3) as u32,
            sealed: optional(json, "sealed").and_then(Json::as_bool).unwrap_or(false),
            tables,
        })
    }
}

fn wrong(what: &str, json: &Json) -> Unreadable {
    Unreadable(format!("no {what}: {json}"))
}

/// A member that is there and not null.
fn optional<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.get(name).filter(|value| !value.is_null())
}

fn member<'a>(json: &'a Json, name: &str) -> Read<&'a Json> {
    optional(json, name).ok_or_else(|| wrong(name, json))
}

fn text<'a>(json: &'a Json, name: &str) -> Read<&'a str> {
    member(json, name)?.as_str().ok_or_else(|| wrong(name, json))
}

fn each<T>(json: &Json, read: impl Fn(&Json) -> Read<T>) -> Read<Vec<T>> {
    json.as_array().ok_or_else(|| wrong("list", json))?.iter().map(read).collect()
}

/// A name for as long as the tests run: tables and columns have such names.
fn name(text: &str) -> &'static str {
    text.to_owned().leak()
}

#[cfg(test)]
mod tests {
    use super::Case;
    use crate::generator::Features;

    #[test]
    fn cases_read_back_as_they_were_written() {
        for number in 0..300 {
            let case = Case::draw(7, number, Features::ALL);
            let text = case.to_json().to_string();
            assert_eq!(Case::from_json(&serde_json::from_str(&text).unwrap()), Ok(case), "{number}");
        }
    }
}
