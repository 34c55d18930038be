//! What a rule that transforms does to its rows.

use std::collections::BTreeMap;

use forgetd_connector::{Path, Value};
use serde_json::{Value as Json, json};

use super::Period;
use crate::transform::{CheckDigit, TokenKind, Treatment};

/// What a rule writes into its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// What happens to which place.
    pub places: BTreeMap<Path, Treatment>,
    /// The column that says that a row is done.
    pub marker: Option<String>,
    /// Of a collection, the field that counts the versions of a document.
    pub version: Option<Path>,
    /// How often rows older than the last clean cutoff are looked at again.
    pub sweep: Period,
    /// Whether columns of other tables that reference a transformed one may change with it.
    pub references_follow: bool,
}

// === impl Transform ===

impl Transform {
    /// The domains whose keys it needs, each once.
    pub fn domains(&self) -> Vec<&str> {
        let mut domains: Vec<&str> = self.places.values().filter_map(Treatment::domain).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// What happens where, in words that repeat no constant.
    pub fn words(&self) -> BTreeMap<String, String> {
        self.places.iter().map(|(path, treatment)| (path.to_string(), words(treatment))).collect()
    }

    /// The same with everything that decides what a token is.
    pub fn details(&self) -> BTreeMap<String, String> {
        let detailed = |(path, treatment): (&Path, &Treatment)| match treatment {
            Treatment::Pseudonymize { kind, .. } => {
                (path.to_string(), format!("{} {}", words(treatment), detail(kind)))
            }
            _ => (path.to_string(), words(treatment)),
        };
        self.places.iter().map(detailed).collect()
    }

    /// As canonical JSON: everything that its meaning depends on, constants as `literal` writes them. How often it sweeps is no part
    /// of it: that changes nothing in a row that is done.
    pub(super) fn definition(&self, literal: &dyn Fn(&Value) -> Json) -> Json {
        let places: serde_json::Map<String, Json> =
            self.places.iter().map(|(path, treatment)| (path.to_string(), treated(treatment, literal))).collect();
        let mut definition = json!({
            "transform": places,
            "marker": self.marker.clone().unwrap_or_default(),
            "references": if self.references_follow { "follow" } else { "refuse" },
        });
        if let (Some(version), Some(parts)) = (&self.version, definition.as_object_mut()) {
            parts.insert("version".into(), json!(version.to_string()));
        }
        definition
    }
}

fn words(treatment: &Treatment) -> String {
    match treatment {
        Treatment::Pseudonymize { kind, domain } => format!("pseudonymize {} {domain}", kind.word()),
        Treatment::Redact(Value::Null) => "redact null".into(),
        Treatment::Redact(_) => "redact".into(),
        Treatment::Generalize(grain) => format!("generalize {}", grain.word()),
    }
}

fn treated(treatment: &Treatment, literal: &dyn Fn(&Value) -> Json) -> Json {
    match treatment {
        Treatment::Pseudonymize { kind, domain } => {
            json!({ "pseudonymize": kind.word(), "domain": domain, "as": detail(kind) })
        }
        Treatment::Redact(value) => json!({ "redact": literal(value) }),
        Treatment::Generalize(grain) => json!({ "generalize": grain.word() }),
    }
}

fn detail(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Digits { check: Some(CheckDigit::Luhn) } => "luhn".into(),
        TokenKind::Integer { max: Some(max) } => format!("max {max}"),
        _ => String::new(),
    }
}
