//! Indexes by which the server deletes documents itself.

use forgetd_connector::{Finding, Notice, Step};
use mongodb::bson::{Bson, Document};

pub(super) fn check(indexes: &[Document], step: &Step, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    for index in indexes {
        let Some(seconds) = index.get("expireAfterSeconds").and_then(seconds) else { continue };
        let field = index.get_document("key").ok().and_then(|key| key.keys().next().cloned()).unwrap_or_default();
        let name = index.get_str("name").unwrap_or_default();
        let own = step.selection.terms.since.columns().iter().any(|since| since.column == field);
        let what = if own { "the very field the rule counts from" } else { "a field of its own" };
        findings.push(Finding::warns(
            Notice::OtherRetention,
            format!("{place}.{field}"),
            format!(
                "the index {name} lets the server delete documents {seconds} seconds after {field}, {what}: once a minute, \
                 without a receipt, by the earliest date of an array, and whatever other rules keep"
            ),
            "drop the TTL index and let the rule do it, or take the collection out of the policy",
        ));
    }
    findings
}

fn seconds(value: &Bson) -> Option<String> {
    match value {
        Bson::Int32(seconds) => Some(seconds.to_string()),
        Bson::Int64(seconds) => Some(seconds.to_string()),
        Bson::Double(seconds) => Some(seconds.to_string()),
        _ => None,
    }
}
