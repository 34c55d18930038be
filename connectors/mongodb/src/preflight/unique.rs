//! Constants in fields that must be unique: the second document would be refused.

use forgetd_connector::{Cause, Finding, Put, Step, Value};
use mongodb::bson::Document;

use crate::codec::Fields as _;

pub(super) fn check(indexes: &[Document], step: &Step, place: &str) -> Vec<Finding> {
    let Some(rewrite) = step.rewrite() else { return vec![] };
    let mut findings = vec![];
    for written in &rewrite.places {
        let constant = match &written.put {
            Put::Constant(value) => Some(value.clone()),
            _ => shape_of(step, written),
        };
        let Some(constant) = constant else { continue };
        let field = written.path.to_string().replace("[]", "");
        let unique = indexes.iter().filter(|index| index.is_true("unique"));
        let mut alone = unique
            .filter(|index| index.get_document("key").is_ok_and(|key| key.len() == 1 && key.contains_key(&field)));
        // An index that leaves documents out may leave out those that hold the constant; a null is not left out by `sparse`.
        let Some(index) = alone.find(|index| !index.contains_key("partialFilterExpression")) else { continue };
        let name = index.get_str("name").unwrap_or_default();
        let what = if constant == Value::Null { "null" } else { "the constant" };
        let message = format!("{field} is unique ({name}), and {what} is the same in every document");
        findings.push(Finding::blocks(Cause::NotUnique, format!("{place}.{field}"), message));
    }
    findings
}

/// A constant that is written inside a document is told by how it looks.
fn shape_of(step: &Step, written: &forgetd_connector::Place) -> Option<Value> {
    use forgetd_connector::{Shape, Undone};
    step.selection.undone.iter().find_map(|sign| match sign {
        Undone::Other { path, shape: Shape::Constant(value) } if *path == written.path => Some(value.clone()),
        Undone::Other { path, shape: Shape::Nothing } if *path == written.path => Some(Value::Null),
        _ => None,
    })
}
