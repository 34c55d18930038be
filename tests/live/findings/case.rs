//! One file of `tests/cases/findings`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The order in which a finding's parts are written.
const PARTS: &[&str] = &["id", "severity", "place", "message", "fix"];

/// A database, a policy, and what is to be said about them. In every text `{database}`, `{control}`, `{role}` and
/// `{folder}` stand for names that differ from run to run; a setup that names `{role}` has the program connect as that role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    path: PathBuf,
    /// `postgres`, `sqlite`, `mariadb` or `mysql`.
    pub(super) engine: String,
    /// Statements of the owner of everything.
    #[serde(default)]
    pub(super) setup: String,
    /// Statements that put the server right again.
    #[serde(default)]
    pub(super) teardown: String,
    /// Another URL than the database's own, which is `{url}` in it.
    #[serde(default)]
    pub(super) url: String,
    /// Whether the program connects through a pooler.
    #[serde(default)]
    pub(super) pooled: bool,
    /// Laid over the plainest configuration.
    #[serde(default)]
    config: Value,
    /// The rules, without what every rule needs and no case is about.
    rules: Vec<Map<String, Value>>,
    /// Everything that is said, in this order.
    pub(super) findings: Vec<Value>,
}

/// Every case, by name.
pub(super) fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/findings");
    let mut paths: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}

/// Findings as the file's last part.
pub(super) fn expected(findings: &[Value]) -> String {
    if findings.is_empty() {
        return "findings: []\n".into();
    }
    let mut text = "findings:\n".to_owned();
    for finding in findings {
        for (n, part) in PARTS.iter().enumerate() {
            let value = finding[part].as_str().unwrap_or_default();
            let dash = if n == 0 { '-' } else { ' ' };
            match *part {
                "message" | "fix" => text += &format!("  {dash} {part}: |-\n        {value}\n"),
                // A bare brace begins a mapping.
                _ if value.starts_with('{') => text += &format!("  {dash} {part}: \"{value}\"\n"),
                _ => text += &format!("  {dash} {part}: {value}\n"),
            }
        }
    }
    text
}

// === impl Case ===

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, path, ..case }
    }

    /// The whole configuration; YAML reads JSON.
    pub(super) fn config(&self, url: &str) -> Value {
        let rules = self.rules.iter().enumerate().map(|(n, rule)| {
            let mut whole = json!({ "name": format!("r{n}"), "keep_for": "30d" });
            if !rule.contains_key("action") {
                overlay(&mut whole, &json!({ "action": "delete", "mode": "enforce" }));
            }
            overlay(&mut whole, &Value::Object(rule.clone()));
            whole
        });
        let mut config = json!({
            "version": 1,
            "instance": "findings",
            "databases": { "main": { "url": url, "home": true } },
            "evidence": { "origin": "example.com/forgetd/findings", "signing_key": { "file": "evidence.key" } },
            "rules": rules.collect::<Vec<_>>(),
        });
        overlay(&mut config, &self.config);
        config
    }

    /// What a case is, without its name.
    pub(super) fn content(&self) -> String {
        let Self { engine, setup, url, pooled, config, rules, .. } = self;
        format!("{engine} {setup} {url} {pooled} {config} {} {}", json!(rules), expected(&self.findings))
    }

    /// Writes what was said into the file.
    pub(super) fn update(&self, said: &[Value]) {
        let text = fs::read_to_string(&self.path).unwrap();
        let given = text.split("\nfindings:").next().unwrap();
        fs::write(&self.path, format!("{given}\n{}", expected(said))).unwrap();
    }
}

/// Lays `over` over `value`, mapping by mapping.
fn overlay(value: &mut Value, over: &Value) {
    match (value, over) {
        (_, Value::Null) => {}
        (Value::Object(value), Value::Object(over)) => {
            for (key, over) in over {
                overlay(value.entry(key.clone()).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}
