//! Values inside documents, as transforms take them and as they are written back: a value keeps its type.

use forgetd_connector::Value;
use mongodb::bson::{Bson, Document};
use serde_json::{Number, Value as Json};

use crate::codec;

/// One value that becomes another one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// Where, elements of arrays by their numbers.
    pub(crate) path: String,
    pub(crate) old: Bson,
    pub(crate) new: Bson,
}

/// Deeper values are written back as a whole.
const DEPTH_MAX: usize = 100;

/// The kind of a number that no integer of ours is.
const NUMBER: &str = "number";

/// A whole value as a transform takes it.
pub(crate) fn scalar(value: &Bson) -> Value {
    match value {
        Bson::Double(number) => Value::Typed { kind: NUMBER.into(), text: number.to_string() },
        Bson::Decimal128(number) => Value::Typed { kind: NUMBER.into(), text: number.to_string() },
        Bson::String(_) | Bson::Boolean(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Null => codec::value(value),
        // Says nothing about somebody by a text of its own.
        _ => Value::Bytes(vec![]),
    }
}

/// A value as JSON: what JSON has as it is, everything else as extended JSON.
pub(crate) fn json(value: &Bson) -> String {
    to_json(value, 0).to_string()
}

fn to_json(value: &Bson, depth: usize) -> Json {
    match value {
        Bson::Null => Json::Null,
        Bson::Boolean(value) => Json::Bool(*value),
        Bson::String(text) => Json::String(text.clone()),
        Bson::Int32(number) => Json::Number((*number).into()),
        Bson::Int64(number) => Json::Number((*number).into()),
        Bson::Double(number) if Number::from_f64(*number).is_some() => Number::from_f64(*number).into(),
        Bson::Array(elements) if depth < DEPTH_MAX => {
            Json::Array(elements.iter().map(|element| to_json(element, depth + 1)).collect())
        }
        Bson::Document(document) if depth < DEPTH_MAX => {
            Json::Object(document.iter().map(|(name, value)| (name.clone(), to_json(value, depth + 1))).collect())
        }
        other => serde_json::from_str(&codec::canonical(other)).unwrap_or(Json::Null),
    }
}

/// What lies at a field that is no array's, if it is not null.
pub(crate) fn at<'a>(document: &'a Document, names: &[String]) -> Option<&'a Bson> {
    let (last, above) = names.split_last()?;
    let mut inner = document;
    for name in above {
        inner = inner.get_document(name).ok()?;
    }
    inner.get(last).filter(|value| **value != Bson::Null)
}

/// The double behind which not every integer is one.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Whether a value is a number that becomes another one when it is counted up.
pub(crate) fn counts(value: &Bson) -> bool {
    match value {
        Bson::Int32(_) => true,
        Bson::Int64(number) => *number < i64::MAX,
        Bson::Double(number) => number.abs() < WHOLE_MAX,
        _ => false,
    }
}

/// Whether two values are equal to the server.
pub(crate) fn same(one: &Bson, other: &Bson) -> bool {
    one == other || codec::value(one) == codec::value(other)
}

/// The change of a whole value; absent: the new one cannot be written there.
pub(crate) fn replaced(name: &str, old: &Bson, new: &Value) -> Option<Change> {
    let new = match new {
        Value::Typed { kind, text } if kind == NUMBER => number(old, text)?,
        Value::Int(number) => integer(old, *number),
        Value::Text(text) => Bson::String(text.clone()),
        other => codec::bson(other)?,
    };
    Some(Change { path: name.into(), old: old.clone(), new })
}

/// The changes that make a value what a JSON text says; absent: it is none of such a value.
pub(crate) fn differences(name: &str, old: &Bson, new: &Value) -> Option<Vec<Change>> {
    let Value::Text(text) = new else { return None };
    let new: Json = serde_json::from_str(text).ok()?;
    let mut changes = vec![];
    differ(name, old, &new, 0, &mut changes)?;
    Some(changes)
}

fn differ(path: &str, old: &Bson, new: &Json, depth: usize, changes: &mut Vec<Change>) -> Option<()> {
    match (old, new) {
        (Bson::Array(elements), Json::Array(new)) if elements.len() == new.len() && depth < DEPTH_MAX => {
            for (n, (element, new)) in elements.iter().zip(new).enumerate() {
                differ(&format!("{path}.{n}"), element, new, depth + 1, changes)?;
            }
        }
        (Bson::Document(document), Json::Object(new)) if document.len() == new.len() && depth < DEPTH_MAX => {
            for (name, value) in document {
                let inner = new.get(name)?;
                // A name that no path can hold is on no way to a place that is written.
                if to_json(value, depth + 1) != *inner {
                    differ(&format!("{path}.{name}"), value, inner, depth + 1, changes)?;
                }
            }
        }
        (old, new) if to_json(old, depth) == *new => {}
        (old, new) => changes.push(Change { path: path.into(), old: old.clone(), new: from_json(old, new)? }),
    }
    Some(())
}

/// A new value of JSON in the type of the old one, where it has that.
fn from_json(old: &Bson, new: &Json) -> Option<Bson> {
    Some(match new {
        Json::Null => Bson::Null,
        Json::Bool(value) => Bson::Boolean(*value),
        Json::String(text) => Bson::String(text.clone()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => integer(old, number),
            None => Bson::Double(number.as_f64()?),
        },
        Json::Array(_) | Json::Object(_) => codec::from_canonical(&new.to_string())?,
    })
}

fn integer(old: &Bson, number: i64) -> Bson {
    match (old, i32::try_from(number)) {
        (Bson::Int32(_), Ok(number)) => Bson::Int32(number),
        #[allow(clippy::cast_precision_loss, reason = "of the type that was there")]
        (Bson::Double(_), _) => Bson::Double(number as f64),
        _ => Bson::Int64(number),
    }
}

fn number(old: &Bson, text: &str) -> Option<Bson> {
    match old {
        Bson::Decimal128(_) => text.parse().ok().map(Bson::Decimal128),
        _ => text.parse().ok().map(Bson::Double),
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Value;
    use mongodb::bson::{Bson, DateTime, doc};

    use super::{Change, differences, json, replaced};

    #[test]
    fn only_what_differs_is_written_and_keeps_its_type() {
        let old = Bson::Document(doc! {
            "items": [{ "email": "a@b", "n": 5_i32 }, { "email": "c@d" }], "at": DateTime::from_millis(0), "big": 7_i64,
            "near": 94.958_862_831_581_03,
        });
        let text = json(&old);
        assert_eq!(differences("p", &old, &Value::Text(text.clone())), Some(vec![]));
        let new = text.replace("c@d", "token").replace("\"n\":5", "\"n\":9").replace(":7", ":8");
        let changes = differences("p", &old, &Value::Text(new)).unwrap();
        let paths: Vec<(&str, &Bson)> = changes.iter().map(|change| (change.path.as_str(), &change.new)).collect();
        assert_eq!(
            paths,
            [
                ("p.items.0.n", &Bson::Int32(9)),
                ("p.items.1.email", &Bson::String("token".into())),
                ("p.big", &Bson::Int64(8)),
            ]
        );
        assert_eq!(differences("p", &old, &Value::Text("{".into())), None);
        assert_eq!(differences("p", &old, &Value::Text(r#"{"w":0,"x":1,"y":2,"z":3}"#.into())), None);
    }

    #[test]
    fn what_counts_versions_is_a_number_that_can_be_counted_up() {
        for (value, counts) in [
            (Bson::Int32(i32::MAX), true),
            (Bson::Int64(-1), true),
            (Bson::Int64(i64::MAX), false),
            (Bson::Double(3.0), true),
            (Bson::Double(1e16), false),
            (Bson::Double(f64::NAN), false),
            (Bson::String("3".into()), false),
            (Bson::DateTime(DateTime::from_millis(3)), false),
        ] {
            assert_eq!(super::counts(&value), counts, "{value}");
        }
    }

    #[test]
    fn a_whole_value_becomes_another_one() {
        let change = |old: Bson, new: Value| replaced("p", &old, &new).map(|Change { new, .. }| new);
        assert_eq!(change(Bson::Int32(1), Value::Int(2)), Some(Bson::Int32(2)));
        assert_eq!(change(Bson::Int32(1), Value::Int(1 << 40)), Some(Bson::Int64(1 << 40)));
        assert_eq!(change(Bson::Boolean(true), Value::Null), Some(Bson::Null));
        let typed = Value::Typed { kind: "number".into(), text: "4.5".into() };
        assert_eq!(change(Bson::Double(1.5), typed), Some(Bson::Double(4.5)));
    }
}
