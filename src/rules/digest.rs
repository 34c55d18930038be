//! Digests of rules: what a rule means, in one number. Comments, order, schedule and URLs do not enter.

use forgetd_connector::{Action, Predicate, Value, WhenNull};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{Policy, Rule};
use crate::evidence::canonical;

impl Rule {
    /// SHA-256 of the canonical JSON of the resolved rule, hex.
    pub fn digest(&self) -> String {
        let json = json!({
            "name": self.name,
            "database": self.database,
            "table": self.table.to_string(),
            "purpose": self.purpose.clone().unwrap_or_default(),
            "legal_basis": self.legal_basis.map_or(Json::String(String::new()), |basis| json!(basis)),
            "keep_for": self.keep_for.to_string(),
            "since": {
                "column": self.since.column,
                "zone": self.since.zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or(""),
                "as": self.since.form.map_or(Json::String(String::new()), |form| json!(form)),
            },
            "when_null": match &self.when_null {
                None => json!(""),
                Some(WhenNull::Keep) => json!("keep"),
                Some(WhenNull::Delete) => json!("delete"),
                Some(WhenNull::Use(column)) => json!({ "use": column }),
            },
            "where": predicate(&self.predicate),
            "action": match self.action { Action::Delete => "delete" },
            "mode": self.mode,
            "cap": self.cap.rows_per_run.map_or(String::new(), |rows| rows.to_string()),
            "guard": {
                "rows_max": self.guard.rows_max.map_or(String::new(), |rows| rows.to_string()),
                "share_max": self.guard.share_max.map_or(String::new(), |share| format!("{share:?}")),
                "cool_off": self.guard.cool_off.as_ref().map_or(String::new(), ToString::to_string),
            },
            "evidence": self.row_evidence,
        });
        sha256_hex(&json)
    }
}

impl Policy {
    /// SHA-256 of the canonical JSON of the rules' digests by name, hex.
    pub fn digest(&self) -> String {
        let rules: serde_json::Map<String, Json> =
            self.rules.iter().map(|rule| (rule.name.clone(), Json::String(rule.digest()))).collect();
        sha256_hex(&Json::Object(rules))
    }
}

/// Numbers become tagged text, so that no number's form matters.
fn predicate(predicate: &Predicate) -> Json {
    match predicate {
        Predicate::All(parts) => json!({ "all": parts.iter().map(self::predicate).collect::<Vec<_>>() }),
        Predicate::Equal { column, value } => json!({ "eq": [column, literal(value)] }),
        Predicate::In { column, values } => json!({ "in": [column, values.iter().map(literal).collect::<Vec<_>>()] }),
    }
}

fn literal(value: &Value) -> Json {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Real(_) => "real",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Typed { kind, .. } => kind,
    };
    json!([kind, value.canonical_text()])
}

fn sha256_hex(json: &Json) -> String {
    // Built from texts and small integers alone, so it is always canonical.
    let bytes = canonical::to_vec(json).unwrap_or_default();
    hex::encode(Sha256::digest(bytes))
}
