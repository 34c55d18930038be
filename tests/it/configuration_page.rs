//! `docs/configuration.md`, the reference of every key, is written from the schema that the program prints.

use std::fmt::Write as _;
use std::path::Path;

use forgetd::config::schema;
use serde_json::Value;

const HEAD: &str = "# Every key of the configuration

Written from [schema/forgetd.schema.json](../schema/forgetd.schema.json); what rules mean is in [policy.md](policy.md). An unknown key is an error, with its place and what was probably meant.
";

/// A description in one line of a table.
fn said(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

/// What can stand there.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]).replace('"', "");
    }
    for word in ["enum", "oneOf", "anyOf"] {
        if let Some(choices) = schema[word].as_array() {
            let choices = choices.iter().map(|one| if word == "enum" { format!("`{one}`") } else { kind(one) });
            return choices.collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(types) = schema["type"].as_array() {
        return types.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => match schema["properties"].as_object() {
            Some(keys) => {
                let keys = keys.iter().map(|(key, value)| format!("`{key}:` {}", kind(value)));
                format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
            }
            None => format!("names, each with {}", kind(&schema["additionalProperties"])),
        },
        Some(name) => word(name).to_owned(),
        None => "any value".into(),
    }
}

fn word(name: &str) -> &str {
    match name {
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "whole number",
        other => other,
    }
}

/// One heading with its keys, or with what can stand there.
fn section(page: &mut String, title: &str, schema: &Value) {
    write!(page, "\n## {title}\n\n").unwrap();
    if let Some(text) = schema["description"].as_str() {
        write!(page, "{}\n\n", text.replace('\n', " ")).unwrap();
    }
    let Some(keys) = schema["properties"].as_object() else {
        let choices = ["oneOf", "anyOf"].iter().find_map(|word| schema[word].as_array());
        match choices {
            Some(choices) => choices.iter().for_each(|one| {
                writeln!(page, "- {}: {}", kind(one), said(one)).unwrap();
            }),
            None => {
                writeln!(page, "{}", kind(schema)).unwrap();
            }
        }
        return;
    };
    page.push_str("| key | value | |\n|---|---|---|\n");
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, value) in keys {
        let must = if required.contains(&key.as_str()) { " (required)" } else { "" };
        writeln!(page, "| `{key}`{must} | {} | {} |", kind(value), said(value)).unwrap();
    }
}

#[test]
fn every_key_is_on_the_page() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut page = HEAD.to_owned();
    section(&mut page, "The file", &schema);
    for (name, part) in schema["$defs"].as_object().unwrap() {
        section(&mut page, name, part);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "run `UPDATE=1 cargo test --test it configuration_page` and look at the difference");
}
