//! Digests of rules: what a rule means, in one number. Comments, order, schedule and URLs do not enter.

use forgetd_connector::{Check, Comparison, Predicate, Since, SinceColumn, Value, WhenNull};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{Policy, Rule};
use crate::evidence::canonical;

impl Rule {
    /// SHA-256 of the canonical JSON of the resolved rule, hex.
    pub fn digest(&self) -> String {
        sha256_hex(&self.definition())
    }

    /// The resolved rule as canonical JSON: everything that its meaning depends on, literals included. Built from texts
    /// alone, so that no number's form matters.
    pub fn definition(&self) -> Json {
        let mut definition = self.common();
        if let (Some(transform), Some(object)) = (self.transform(), definition.as_object_mut()) {
            object.insert("transform".into(), transform.definition(&literal));
        }
        definition
    }

    /// What every rule's definition holds.
    fn common(&self) -> Json {
        json!({
            "name": self.name,
            "database": self.database,
            "table": self.table.written(),
            "purpose": self.purpose.clone().unwrap_or_default(),
            "legal_basis": self.legal_basis.map_or(Json::String(String::new()), |basis| json!(basis)),
            "keep_for": self.keep_for.to_string(),
            "since": since(&self.since),
            "when_null": match &self.when_null {
                None => json!(""),
                Some(WhenNull::Keep) => json!("keep"),
                Some(WhenNull::Delete) => json!("delete"),
                Some(WhenNull::Use(column)) => json!({ "use": column }),
            },
            "where": predicate(&self.predicate, &literal),
            "where_native": self.native.clone().unwrap_or_default(),
            "action": self.action.word(),
            "kept_by": self.kept_by,
            "mode": self.mode,
            "cap": self.cap.rows_per_run.map_or(String::new(), |rows| rows.to_string()),
            "guard": {
                "rows_max": self.guard.rows_max.map_or(String::new(), |rows| rows.to_string()),
                "share_max": self.guard.share_max.map_or(String::new(), |share| format!("{share:?}")),
                "times_usual": self.guard.times_usual.map_or(String::new(), |times| format!("{times:?}")),
                "cool_off": self.guard.cool_off.to_string(),
            },
            "evidence": self.row_evidence,
        })
    }
}

impl Policy {
    /// SHA-256 of the canonical JSON of the rules' digests by name, hex; with who may approve them, where somebody is named.
    pub fn digest(&self) -> String {
        let rules: serde_json::Map<String, Json> =
            self.rules.iter().map(|rule| (rule.name.clone(), Json::String(rule.digest()))).collect();
        if self.approvers.is_empty() {
            return sha256_hex(&Json::Object(rules));
        }
        let required = self.approvers.required.to_string();
        let approvers = json!({ "keys": self.approvers.fingerprints(), "required": required });
        sha256_hex(&json!({ "approvers": approvers, "rules": rules }))
    }
}

pub(super) fn since(since: &Since) -> Json {
    match since {
        Since::Column(column) => moment(column),
        Since::Greatest(columns) => json!({ "greatest": columns.iter().map(moment).collect::<Vec<_>>() }),
        Since::Latest(latest) => {
            let on: Vec<Json> = latest.on.iter().map(|joined| json!([joined.other, joined.own])).collect();
            let or = latest.or.as_ref().map_or(Json::String(String::new()), moment);
            json!({ "latest": { "table": latest.table.written(), "at": moment(&latest.at), "on": on }, "or": or })
        }
    }
}

fn moment(since: &SinceColumn) -> Json {
    json!({
        "column": since.column,
        "zone": since.zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or(""),
        "as": since.form.map_or(Json::String(String::new()), |form| json!(form)),
    })
}

/// A predicate as JSON, its literals as `literal` writes them.
pub(super) fn predicate(part: &Predicate, literal: &dyn Fn(&Value) -> Json) -> Json {
    let all = |parts: &[Predicate]| parts.iter().map(|part| predicate(part, literal)).collect::<Vec<_>>();
    match part {
        Predicate::All(parts) => json!({ "all": all(parts) }),
        Predicate::Any(parts) => json!({ "any": all(parts) }),
        Predicate::Not { part, or_null } => json!({ "not": predicate(part, literal), "or_null": or_null }),
        Predicate::Test(test) => {
            let many = |values: &[Value]| json!(values.iter().map(literal).collect::<Vec<_>>());
            let text = |text: &str| literal(&Value::Text(text.into()));
            let (word, against) = match &test.check {
                Check::Compare(comparison, value) => (word(*comparison), literal(value)),
                Check::In(values) => ("in", many(values)),
                Check::NotIn(values) => ("not_in", many(values)),
                Check::Like(pattern) => ("like", text(pattern)),
                Check::Prefix(prefix) => ("prefix", text(prefix)),
                Check::Null(yes) => ("is_null", json!(yes)),
                Check::Exists(yes) => ("exists", json!(yes)),
            };
            json!({ "path": test.path.to_string(), word: against, "or_null": test.or_null })
        }
    }
}

const fn word(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "eq",
        Comparison::NotEqual => "ne",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "le",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "ge",
    }
}

/// Tagged with its type: 1 is not '1'.
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
