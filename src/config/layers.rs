//! Layers of settings: defaults, the main file, `conf.d`, the environment, flags; a later one replaces single settings
//! of an earlier one. Rules are not layered: they add up, and come from files only.
//!
//! The `config` crate merges names of leaves, never values: a leaf stands for a node, which keeps its place and type.

use std::collections::{BTreeMap, HashMap};

use config::{Environment, Source, Value, ValueKind};

use super::{
    limits,
    node::{Key, Kind, Node},
    place::{Place, Sources},
    problem::Problem,
};

/// Variables that begin so are settings.
pub(super) const ENV_PREFIX: &str = "FORGETD__";

/// What is layered; everything else in a file is not.
const LAYERED: &[&str] =
    &["version", "instance", "coordination", "databases", "evidence", "http", "approvals_required", "defaults"];

/// What changes the meaning of rules, or of the file itself, comes from files.
const FILES_ONLY: &[&str] = &["rules", "pseudonym_keys", "approvers", "approvals_required", "defaults", "version"];

/// Settings that are replaced as a whole: two layers must not be mixed inside one choice.
const WHOLE: &[&str] = &["coordination", "url", "control", "store", "signing_key", "schedule", "when_null"];

/// The key under which a mapping remembers its own place; no setting can be called so.
const SELF: &str = "";

/// The merged settings as one tree.
pub(super) fn merge(
    files: &[Node],
    env: &BTreeMap<String, String>,
    flags: &[(String, String)],
    sources: &mut Sources,
) -> (Node, Vec<Problem>) {
    let mut layers = Layers { leaves: vec![], problems: vec![] };
    let merged = layers.build(files, env, flags, sources);
    let root = Node { place: Place::default(), span: 0..0, kind: Kind::Map(vec![]) };
    let merged = match merged {
        Ok(value) => layers.node(&value).map_or(root, |(_, node)| node),
        // The crate's own words can hold values.
        Err(_) => {
            let fix = "look at the names of FORGETD__ variables and flags";
            layers.problems.push(Problem::new("configuration", "the layers cannot be merged", fix));
            root
        }
    };
    (merged, layers.problems)
}

struct Layers {
    leaves: Vec<(Key, Node)>,
    problems: Vec<Problem>,
}

/// One file's leaves.
#[derive(Clone, Debug)]
struct File(HashMap<String, Value>);

impl Source for File {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<HashMap<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

// === impl Layers ===

impl Layers {
    fn build(
        &mut self,
        files: &[Node],
        env: &BTreeMap<String, String>,
        flags: &[(String, String)],
        sources: &mut Sources,
    ) -> Result<Value, config::ConfigError> {
        let mut builder = config::Config::builder();
        for (name, value) in limits::DEFAULTS {
            builder = builder.set_default(name, self.untyped("default", name, value, sources))?;
        }
        for file in files {
            builder = builder.add_source(File(self.file(file)));
        }
        let variables = self.variables(env, sources);
        builder = builder.add_source(Environment::default().prefix("FORGETD").separator("__").source(Some(variables)));
        for (name, value) in flags {
            builder = builder.set_override(name, self.untyped("flag", name, value, sources))?;
        }
        builder.build()?.try_deserialize()
    }

    fn leaf(&mut self, key: Key, node: Node) -> Value {
        self.leaves.push((key, node));
        Value::new(None, ValueKind::String((self.leaves.len() - 1).to_string()))
    }

    fn untyped(&mut self, origin: &str, name: &str, text: &str, sources: &mut Sources) -> Value {
        let source = sources.add(format!("{origin} {name}"), "");
        let place = Place { source, line: 0, column: 0 };
        let key = Key { name: String::new(), place, span: 0..0 };
        self.leaf(key, Node { place, span: 0..0, kind: Kind::Untyped(text.into()) })
    }

    fn file(&mut self, root: &Node) -> HashMap<String, Value> {
        let Kind::Map(entries) = &root.kind else { return HashMap::new() };
        let layered = entries.iter().filter(|(key, _)| LAYERED.contains(&key.name.as_str()));
        layered.map(|(key, node)| (key.name.clone(), self.value(key, node))).collect()
    }

    fn value(&mut self, key: &Key, node: &Node) -> Value {
        match &node.kind {
            Kind::Map(entries) if !WHOLE.contains(&key.name.as_str()) => {
                let own = self.leaf(key.clone(), Node { kind: Kind::Null, ..node.clone() });
                let mut table: HashMap<String, Value> =
                    entries.iter().map(|(key, node)| (key.name.clone(), self.value(key, node))).collect();
                table.insert(SELF.into(), own);
                Value::new(None, ValueKind::Table(table))
            }
            _ => self.leaf(key.clone(), node.clone()),
        }
    }

    /// Our variables with leaves in place of their values.
    fn variables(&mut self, env: &BTreeMap<String, String>, sources: &mut Sources) -> HashMap<String, String> {
        let mut variables = HashMap::new();
        for (name, value) in env {
            let Some(path) = name.to_ascii_uppercase().strip_prefix(ENV_PREFIX).map(str::to_ascii_lowercase) else {
                continue;
            };
            let plain = path
                .split("__")
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            let section = path.split("__").next().unwrap_or_default();
            let place = || format!("env {name}");
            if !plain {
                let fix = "write FORGETD__SECTION__KEY with letters, digits and underscores";
                self.problems.push(Problem::new("env FORGETD__…", "a variable's name is no setting", fix));
            } else if FILES_ONLY.contains(&section) {
                let message = format!("`{section}` cannot be set by the environment");
                self.problems.push(Problem::new(place(), message, "write it in a file: rules come from files only"));
            } else if let ValueKind::String(leaf) = self.untyped("env", name, value, sources).kind {
                variables.insert(name.clone(), leaf);
            }
        }
        variables
    }

    /// The tree behind merged leaves.
    fn node(&self, value: &Value) -> Option<(Key, Node)> {
        match &value.kind {
            ValueKind::Table(table) => {
                let own = table.get(SELF).and_then(|own| self.node(own));
                // The merge keeps no order; places do.
                let mut entries: Vec<(Key, Node)> = table
                    .iter()
                    .filter(|(name, _)| name.as_str() != SELF)
                    .filter_map(|(name, value)| {
                        let (key, node) = self.node(value)?;
                        Some((Key { name: name.clone(), ..key }, node))
                    })
                    .collect();
                entries.sort_by(|(a, _), (b, _)| (a.place, &a.name).cmp(&(b.place, &b.name)));
                let first = entries.first().map(|(key, _)| key.place).unwrap_or_default();
                let (key, place, span) = match own {
                    Some((key, node)) => (key, node.place, node.span),
                    None => (Key { name: String::new(), place: first, span: 0..0 }, first, 0..0),
                };
                Some((key, Node { place, span, kind: Kind::Map(entries) }))
            }
            ValueKind::String(leaf) => self.leaves.get(leaf.parse::<usize>().ok()?).cloned(),
            _ => None,
        }
    }
}
