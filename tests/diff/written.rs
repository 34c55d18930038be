//! A policy as people write it: rendered, and read back by the real reader.

use forgetd::config::{self, LoadOptions};
use forgetd::rules::Transform;
use forgetd::rules::{Action, Policy, Rule, normal, written};
use forgetd::transform::{TokenKind, Treatment};
use forgetd_connector::{Grain, Predicate, Value, WhenNull};
use serde_json::{Value as Json, json};

/// What stands around the rules.
const AROUND: &str = "version: 1
instance: shop
databases: { crm: { url: { file: crm.url } } }
evidence: { origin: example.org/forgetd/shop, signing_key: { file: evidence.key } }
pseudonym_keys: [{ id: k1, domain: people, file: k1.key }]
rules:
";

/// The policy that is read from the file in which these rules are written, or what came back as something else.
pub(crate) fn read_back(rules: Vec<Rule>) -> Result<Policy, String> {
    let mut text = AROUND.to_owned();
    for rule in &rules {
        text.push_str(&yaml(rule).ok_or_else(|| format!("{} has no words in a policy", rule.name))?);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forgetd.yaml");
    std::fs::write(&file, &text).unwrap();
    let options = LoadOptions { file: Some(file), ..LoadOptions::default() };
    let loaded = config::load(&options).map_err(|problems| format!("the policy is refused: {problems}\n{text}"))?;
    let rules = rules.into_iter().map(|rule| Rule { predicate: normal(rule.predicate), ..rule }).collect();
    let meant = Policy::new(rules);
    match loaded.policy.rules.iter().zip(&meant.rules).find(|(read, meant)| read != meant) {
        Some((read, meant)) => Err(format!("a rule reads back as {read:?}, not {meant:?}\n{text}")),
        None => Ok(loaded.policy),
    }
}

fn yaml(rule: &Rule) -> Option<String> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut lines = vec![
        format!("- name: {}", rule.name),
        format!("table: {}", text(&rule.table.name.replace('\\', r"\\").replace('.', r"\."))),
        format!("keep_for: {}", rule.keep_for),
        format!("since: {}", written::since(&rule.since)?),
    ];
    match &rule.when_null {
        None => {}
        Some(WhenNull::Keep) => lines.push("when_null: keep".into()),
        Some(WhenNull::Delete) => lines.push("when_null: delete".into()),
        Some(WhenNull::Use(column)) => lines.push(format!("when_null: {{ use: {} }}", text(column))),
    }
    if normal(rule.predicate.clone()) != Predicate::always() {
        lines.push(format!("where: {}", written::condition(&rule.predicate)?));
    }
    if let Some(native) = &rule.native {
        lines.push(format!("where_native: {}", text(native)));
    }
    lines.push(match &rule.action {
        Action::Delete => "action: delete\n    mode: enforce".into(),
        Action::Keep => "action: keep".into(),
        Action::Transform(transform) => format!("action: {}\n    mode: enforce", action(transform)?),
    });
    Some(format!("  {}\n", lines.join("\n    ")))
}

/// On one line, as JSON is YAML too.
fn action(transform: &Transform) -> Option<Json> {
    let mut columns = serde_json::Map::new();
    for (path, treatment) in &transform.places {
        columns.insert(path.to_string(), self::treatment(treatment)?);
    }
    let mut says = json!({ "columns": columns, "sweep": transform.sweep.to_string() });
    if let Some(marker) = &transform.marker {
        says["marker"] = json!(marker);
    }
    Some(json!({ "transform": says }))
}

fn treatment(treatment: &Treatment) -> Option<Json> {
    Some(match treatment {
        Treatment::Pseudonymize { kind, domain } => {
            let mut says = json!({ "pseudonymize": kind.word(), "domain": domain });
            match kind {
                TokenKind::Digits { check: Some(_) } => says["check_digit"] = json!("luhn"),
                TokenKind::Integer { max: Some(max) } => says["max"] = json!(max),
                _ => {}
            }
            says
        }
        Treatment::Redact(Value::Null) => json!({ "redact": null }),
        Treatment::Redact(Value::Bool(value)) => json!({ "redact": value }),
        Treatment::Redact(Value::Int(value)) => json!({ "redact": value }),
        Treatment::Redact(Value::Text(text)) => json!({ "redact": text }),
        Treatment::Redact(_) => return None,
        Treatment::Generalize(Grain::Step(step)) => {
            json!({ "generalize": { "step": serde_json::from_str::<Json>(step).ok()? } })
        }
        Treatment::Generalize(Grain::Prefix(chars)) => json!({ "generalize": { "prefix": chars } }),
        Treatment::Generalize(Grain::Network { v4, v6 }) => json!({ "generalize": { "v4": v4, "v6": v6 } }),
        Treatment::Generalize(part) => json!({ "generalize": part.word() }),
    })
}
