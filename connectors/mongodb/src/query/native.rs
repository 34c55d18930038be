//! `where_native`: a filter of MongoDB's own, in relaxed extended JSON.

use forgetd_connector::Cause;
use mongodb::bson::{Bson, Document};

use super::Refused;

/// What runs a program on the server, says something else each time, or asks more than the document.
const REFUSED: &[&str] =
    &["$where", "$function", "$accumulator", "$rand", "$sampleRate", "$text", "$near", "$nearSphere", "$jsonSchema"];

/// Deeper filters are not read.
const DEPTH_MAX: usize = 64;

/// The filter that the text says.
pub(super) fn parsed(text: &str) -> Result<Document, Refused> {
    check(text).map_err(|what| Refused { cause: Cause::Native, what })
}

/// The filter, or what is wrong with it, without any of it but names of operators.
pub(crate) fn check(text: &str) -> Result<Document, String> {
    let not_json = || "it is no JSON object; write a filter in extended JSON, names in double quotes".to_owned();
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| not_json())?;
    if !json.is_object() {
        return Err(not_json());
    }
    let filter: Document =
        serde_json::from_value(json).map_err(|_| "it is no extended JSON that MongoDB knows".to_owned())?;
    allowed(&filter, 0)?;
    Ok(filter)
}

fn allowed(document: &Document, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("it is too deep".into());
    }
    for (name, value) in document {
        if let Some(name) = REFUSED.iter().find(|refused| name == *refused) {
            return Err(format!("it uses {name}, whose answer is not the document's own"));
        }
        for value in values(value) {
            allowed(value, depth + 1)?;
        }
    }
    Ok(())
}

/// The documents right inside a value.
fn values(value: &Bson) -> Vec<&Document> {
    match value {
        Bson::Document(document) => vec![document],
        Bson::Array(values) => values.iter().flat_map(values_of).collect(),
        _ => vec![],
    }
}

fn values_of(value: &Bson) -> Vec<&Document> {
    match value {
        Bson::Document(document) => vec![document],
        // Arrays in arrays hold no operators.
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn filters_are_read_and_programs_refused() {
        for (text, refused) in [
            (r#"{"status": {"$in": ["a"]}, "at": {"$lt": {"$date": "2024-01-01T00:00:00Z"}}}"#, None),
            (r#"{"$expr": {"$gt": ["$a", "$b"]}}"#, None),
            (r#"{"$where": "marker"}"#, Some("$where")),
            (r#"{"$and": [{"a": 1}, {"$expr": {"$function": {"body": "marker"}}}]}"#, Some("$function")),
            (r#"["marker"]"#, Some("JSON object")),
            ("marker", Some("JSON object")),
            (r#"{"a": {"$oid": "marker"}}"#, Some("extended JSON")),
        ] {
            let said = check(text).err();
            assert_eq!(said.is_some(), refused.is_some(), "{text}");
            if let (Some(said), Some(word)) = (said, refused) {
                assert!(said.contains(word) && !said.contains("marker"), "{said}");
            }
        }
    }
}
