//! A policy as people write it: rendered, and read back by the real reader.

use forgetd::config::{self, LoadOptions};
use forgetd::rules::{Action, Policy, Rule, normal, written};
use forgetd_connector::{Predicate, WhenNull};

/// What stands around the rules.
const AROUND: &str = "version: 1
instance: shop
databases: { crm: { url: { file: crm.url } } }
evidence: { origin: example.org/forgetd/shop, signing_key: { file: evidence.key } }
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
        Action::Transform(_) => return None,
    });
    Some(format!("  {}\n", lines.join("\n    ")))
}
