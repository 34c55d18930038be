//! The policy as the evidence log publishes it: everything an auditor needs, literals replaced.

use forgetd_connector::{Action, Predicate, Value, WhenNull};
use serde_json::{Map, Value as Json, json};

use super::{Policy, Rule};

impl Policy {
    /// The policy in YAML. A literal of `where` may name a person, so `digest` stands in its place: a keyed digest,
    /// equal for equal literals, that nobody without the key can test guesses against.
    pub fn published(&self, digest: &dyn Fn(&[u8]) -> String) -> String {
        let rules: Vec<Json> = self.rules.iter().map(|rule| published(rule, digest)).collect();
        let policy = json!({ "policy_digest": self.digest(), "rules": rules });
        serde_saphyr::to_string(&policy).unwrap_or_default()
    }
}

fn published(rule: &Rule, digest: &dyn Fn(&[u8]) -> String) -> Json {
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
    put("since", json!({ "column": rule.since.column, "zone": rule.zone().iana_name().unwrap_or("UTC") }));
    match &rule.when_null {
        Some(WhenNull::Keep) => put("when_null", json!("keep")),
        Some(WhenNull::Delete) => put("when_null", json!("delete")),
        Some(WhenNull::Use(column)) => put("when_null", json!({ "use": column })),
        None => {}
    }
    put("where", predicate(&rule.predicate, digest));
    put(
        "action",
        json!(match rule.action {
            Action::Delete => "delete",
        }),
    );
    put("mode", json!(rule.mode));
    put("evidence", json!({ "rows": rule.row_evidence }));
    Json::Object(out)
}

fn predicate(part: &Predicate, digest: &dyn Fn(&[u8]) -> String) -> Json {
    let literal = |value: &Value| json!(digest(value.canonical_text().as_bytes()));
    match part {
        Predicate::All(parts) => json!({ "all": parts.iter().map(|part| predicate(part, digest)).collect::<Vec<_>>() }),
        Predicate::Equal { column, value } => json!({ column.as_str(): literal(value) }),
        Predicate::In { column, values } => {
            json!({ column.as_str(): values.iter().map(literal).collect::<Vec<_>>() })
        }
    }
}
