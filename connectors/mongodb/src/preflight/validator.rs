//! Whether the collection's own validation takes what a transform writes.

use forgetd_connector::{Finding, Notice, Put, Step, Value};
use mongodb::bson::{Bson, Document};

use crate::codec::Fields as _;

pub(super) fn check(options: &Document, step: &Step, place: &str) -> Vec<Finding> {
    let (Some(rewrite), Ok(validator)) = (step.rewrite(), options.get_document("validator")) else { return vec![] };
    if options.says("validationAction", "warn") || options.says("validationLevel", "off") {
        return vec![];
    }
    let mut findings = vec![Finding::informs(
        Notice::ValidatorJudges,
        place,
        "the collection validates documents: an update of one that does not pass, even where it did not before, is refused and \
         its document is passed over",
        "look at the validator (`db.getCollectionInfos`); forgetd never bypasses it",
    )];
    let required = validator.get_document("$jsonSchema").ok();
    for written in &rewrite.places {
        let path = written.path.to_string();
        let Some(types) = required.and_then(|schema| types(schema, &path)) else { continue };
        let nulls = written.put == Put::Constant(Value::Null) && !types.iter().any(|name| name == "null");
        let text = written.put == Put::Computed && !types.iter().any(|name| name == "string");
        if nulls || text {
            let what = if nulls { "null" } else { "a text" };
            findings.push(Finding::warns(
                Notice::ValidatorJudges,
                format!("{place}.{path}"),
                format!("the validator takes no {what} at {path}, and that is what the transform writes there"),
                "choose another transform, or widen the validator",
            ));
        }
    }
    findings
}

/// The types that a schema allows at a path of plain names.
fn types(schema: &Document, path: &str) -> Option<Vec<String>> {
    let mut inner = schema;
    for name in path.split('.') {
        inner = inner.get_document("properties").ok()?.get_document(name).ok()?;
    }
    match inner.get("bsonType").or_else(|| inner.get("type"))? {
        Bson::String(name) => Some(vec![name.clone()]),
        Bson::Array(names) => Some(names.iter().filter_map(Bson::as_str).map(ToOwned::to_owned).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::types;

    #[test]
    fn types_of_a_schema_are_found_by_path() {
        let schema = doc! { "properties": { "p": { "properties": { "mail": { "bsonType": ["string", "null"] } } } } };
        assert_eq!(types(&schema, "p.mail").unwrap(), ["string", "null"]);
        assert_eq!(types(&schema, "p.other"), None);
    }
}
