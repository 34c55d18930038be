//! The policy as the evidence log publishes it: everything an auditor needs, literals replaced.

use forgetd_connector::{Value, WhenNull};
use serde_json::{Map, Value as Json, json};

use super::{Policy, Rule, digest};

impl Policy {
    /// The policy in YAML. A literal of `where` may name a person, so `digest` stands in its place: a keyed digest,
    /// equal for equal literals, that nobody without the key can test guesses against.
    pub fn published(&self, digest: &dyn Fn(&[u8]) -> String) -> String {
        let rules: Vec<Json> = self.rules.iter().map(|rule| published(rule, digest)).collect();
        let mut policy = json!({ "policy_digest": self.digest(), "rules": rules });
        if let (false, Some(policy)) = (self.approvers.is_empty(), policy.as_object_mut()) {
            policy.insert("approvers".into(), json!(self.approvers.fingerprints()));
            policy.insert("approvals_required".into(), json!(self.approvers.required));
        }
        serde_saphyr::to_string(&policy).unwrap_or_default()
    }
}

fn published(rule: &Rule, hidden: &dyn Fn(&[u8]) -> String) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| drop(out.insert(name.into(), value));
    put("name", json!(rule.name));
    put("digest", json!(rule.digest()));
    put("database", json!(rule.database));
    put("table", json!(rule.table.to_string()));
    if let Some(purpose) = &rule.purpose {
        put("purpose", json!(purpose));
    }
    if let Some(basis) = rule.legal_basis {
        put("legal_basis", json!(basis));
    }
    put("keep_for", json!(rule.keep_for.to_string()));
    put("since", digest::since(&rule.since));
    match &rule.when_null {
        Some(WhenNull::Keep) => put("when_null", json!("keep")),
        Some(WhenNull::Delete) => put("when_null", json!("delete")),
        Some(WhenNull::Use(column)) => put("when_null", json!({ "use": column })),
        None => {}
    }
    let literal = |value: &Value| json!(hidden(value.canonical_text().as_bytes()));
    put("where", digest::predicate(&rule.predicate, &literal));
    if let Some(native) = &rule.native {
        // It can hold a literal anywhere.
        put("where_native", json!(hidden(native.as_bytes())));
    }
    put("action", json!(rule.action.word()));
    if let Some(transform) = rule.transform() {
        put("transform", transform.definition(&literal));
    }
    if !rule.kept_by.is_empty() {
        put("kept_by", json!(rule.kept_by.keys().collect::<Vec<_>>()));
    }
    put("mode", json!(rule.mode));
    put("evidence", json!({ "rows": rule.row_evidence }));
    Json::Object(out)
}
