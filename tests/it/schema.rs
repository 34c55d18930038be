//! The JSON Schema against what the reader takes: editors must not complain of a good policy, and should of a bad one.
//!
//! The validator knows the words that our schema uses and no others.

use std::path::Path;

use forgetd::config::{LoadOptions, load, schema};
use serde_json::{Map, Value, json};

/// Words that say nothing about what is valid.
const SILENT: &[&str] =
    &["$schema", "$defs", "title", "description", "examples", "default", "format", "additionalProperties"];

/// Why a value is not valid, with the place in it.
fn check(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let words = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err(format!("{place}: nothing can stand here")),
        schema => schema.as_object().expect("a schema is an object"),
    };
    for (word, against) in words {
        let valid = match word.as_str() {
            "$ref" => {
                let name = against.as_str().and_then(|name| name.strip_prefix('#')).expect("a reference to ourselves");
                check(root, root.pointer(name).expect("the reference leads somewhere"), value, place)?;
                true
            }
            "type" => match against {
                Value::Array(names) => names.iter().any(|name| is_a(name, value)),
                name => is_a(name, value),
            },
            "anyOf" => valid_ones(root, against, value) > 0,
            "oneOf" => valid_ones(root, against, value) == 1,
            "not" => check(root, against, value, place).is_err(),
            "enum" => against.as_array().is_some_and(|values| values.contains(value)),
            "const" => against == value,
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size(against)),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= size(against)),
            "minProperties" => value.as_object().is_none_or(|entries| entries.len() >= size(against)),
            "minimum" => value.as_f64().is_none_or(|number| number >= against.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= against.as_f64().expect("a number")),
            "required" => value.as_object().is_none_or(|entries| {
                against.as_array().into_iter().flatten().all(|key| entries.contains_key(key.as_str().expect("a key")))
            }),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, against, item, &format!("{place}[{n}]"))?;
                }
                true
            }
            "properties" => {
                check_properties(root, words, value, place)?;
                true
            }
            silent => {
                assert!(SILENT.contains(&silent), "the validator does not know {silent}");
                // Where there are no properties, every key is another one.
                if silent == "additionalProperties" && !words.contains_key("properties") {
                    check_properties(root, words, value, place)?;
                }
                true
            }
        };
        if !valid {
            return Err(format!("{place}: {word} {against}"));
        }
    }
    Ok(())
}

fn check_properties(root: &Value, words: &Map<String, Value>, value: &Value, place: &str) -> Result<(), String> {
    for (key, value) in value.as_object().into_iter().flatten() {
        let known = words.get("properties").and_then(|properties| properties.get(key));
        if let Some(schema) = known.or_else(|| words.get("additionalProperties")) {
            check(root, schema, value, &format!("{place}.{key}"))?;
        }
    }
    Ok(())
}

fn valid_ones(root: &Value, schemas: &Value, value: &Value) -> usize {
    schemas.as_array().into_iter().flatten().filter(|schema| check(root, schema, value, "").is_ok()).count()
}

fn size(against: &Value) -> usize {
    against.as_u64().and_then(|size| size.try_into().ok()).expect("a size")
}

fn is_a(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a name of a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

fn root() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

/// Whether the schema allows a policy; if not, where and why.
pub(crate) fn valid(policy: &Value) -> Result<(), String> {
    let root = root();
    check(&root, &root, policy, "")
}

/// The keys and words that a type of the schema knows.
pub(crate) fn words(name: &str) -> Vec<String> {
    let schema = &root()["$defs"][name];
    let mut words: Vec<String> =
        schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        words.extend(choice["const"].as_str().map(String::from));
        words.extend(choice["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
    }
    assert!(!words.is_empty(), "{name}");
    words
}

/// Every folder with a policy below `folder`.
fn policies(folder: &str) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let mut files: Vec<_> = folders.map(|entry| entry.unwrap().path().join("forgetd.yaml")).collect();
    files.retain(|file| file.exists());
    files.sort();
    files
}

#[test]
fn every_policy_that_loads_is_valid() {
    let mut good = 0;
    for file in policies("tests/cases/config").into_iter().chain(policies("examples")) {
        if load(&LoadOptions { file: Some(file.clone()), ..LoadOptions::default() }).is_err() {
            continue;
        }
        good += 1;
        let text = std::fs::read_to_string(&file).unwrap();
        let policy: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(valid(&policy), Ok(()), "{}", file.display());
    }
    assert!(good >= 15, "{good}");
}

/// A policy with one rule that holds `key: part` beside what it must.
fn with(key: &str, part: &str) -> Value {
    let part: Value = serde_saphyr::from_str(part).unwrap();
    let mut rule = json!({ "name": "r", "table": "t", "keep_for": "30d", "since": "at", "action": "delete" });
    rule[key] = part;
    json!({ "version": 1, "rules": [rule] })
}

#[test]
fn what_is_refused_is_mostly_not_valid() {
    assert_eq!(valid(&with("where", "{ a: 1 }")), Ok(()));
    for (key, part) in [
        ("since", "{}"),
        ("since", "{ column: a, greatest: [a, b] }"),
        ("since", "{ greatest: [a] }"),
        ("since", "{ greatest: [a, { zone: UTC }] }"),
        ("since", "{ latest: { table: o, column: c } }"),
        ("since", "{ latest: { table: o, column: c, on: {} } }"),
        ("since", "{ latest: { table: o, column: c, on: { a: b }, or: d } }"),
        ("since", "{ column: a, as: unix }"),
        ("since", "[a, b]"),
        ("when_null", "use"),
        ("when_null", "{ use: 5 }"),
        ("where", "{}"),
        ("where", "[a]"),
        ("where", "{ a: null }"),
        ("where", "{ a: [] }"),
        ("where", "{ a: [[1]] }"),
        ("where", "{ a: {} }"),
        ("where", "{ a: { equals: 1 } }"),
        ("where", "{ a: { lt: true } }"),
        ("where", "{ a: { in: 1 } }"),
        ("where", "{ a: { like: 5 } }"),
        ("where", "{ a: { prefix: '' } }"),
        ("where", "{ a: { is_null: 1 } }"),
        ("where", "{ a: { b: { c: 1 } } }"),
        ("where", "{ any: [] }"),
        ("where", "{ any: { a: 1 } }"),
        ("where", "{ all: [1] }"),
        ("where", "{ any: [{ a: { foo: 1 } }] }"),
        ("where", "{ not: [{ a: 1 }] }"),
        ("where", "{ not: { a: { foo: 1 } } }"),
        ("where", "{ not: { a: 1, or_null: 1 } }"),
        ("where", "{ a: 1, or_null: true }"),
        ("where_native", "[a]"),
        ("action", "remove"),
        ("keep", "true"),
    ] {
        let policy = with(key, part);
        assert!(valid(&policy).is_err(), "{key}: {part}");
        // Editors know no more than the reader does.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forgetd.yaml");
        std::fs::write(&file, policy.to_string()).unwrap();
        assert!(load(&LoadOptions { file: Some(file), ..LoadOptions::default() }).is_err(), "{key}: {part}");
    }
}

#[test]
fn everything_in_the_schema_is_described() {
    let root = root();
    let mut silent = vec![];
    describe(&root, "", &mut silent);
    for (name, schema) in root["$defs"].as_object().unwrap() {
        describe(schema, name, &mut silent);
        if schema["description"].as_str().is_none_or(str::is_empty) {
            silent.push(name.clone());
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}

/// What has no description: properties, and choices that are words or mappings. A mapping that is a choice speaks for
/// its one key.
fn describe(schema: &Value, place: &str, silent: &mut Vec<String>) {
    let described = |schema: &Value| schema["description"].as_str().is_some_and(|text| !text.is_empty());
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        if !described(property) {
            silent.push(place.clone());
        }
        describe(property, &place, silent);
    }
    for word in ["oneOf", "anyOf"] {
        for (n, choice) in schema[word].as_array().into_iter().flatten().enumerate() {
            let names = choice.get("const").is_some() || choice.get("properties").is_some();
            if names && !described(choice) {
                silent.push(format!("{place}.{word}[{n}]"));
            }
        }
    }
}
