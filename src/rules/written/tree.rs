//! Mappings that keep their order, to be written as YAML.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;

/// What stands behind a key of a policy; mappings keep their order. It is shown as one line of YAML.
#[derive(Clone, PartialEq)]
pub enum Written {
    /// One value: text, a number or a truth value.
    One(Json),
    /// A list.
    List(Vec<Written>),
    /// A mapping.
    Map(Vec<(String, Written)>),
}

// === impl Written ===

impl From<Json> for Written {
    fn from(value: Json) -> Self {
        Self::One(value)
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(Json::String(text)) => f.write_str(&scalar(text)),
            Self::One(value) => write!(f, "{value}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(name, value)| format!("{}: {value}", key(name))).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

impl fmt::Debug for Written {
    /// Its literals may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("written")
    }
}

/// Text without quotes where every reader of YAML takes it for text, else in quotes.
fn scalar(text: &str) -> String {
    const WORDS: &[&str] = &["yes", "no", "on", "off", "y", "n"];
    if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) { quoted(text) } else { key(text) }
}

/// A key: it is never taken for a truth value by its word alone.
fn key(text: &str) -> String {
    const WORDS: &[&str] = &["true", "false", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain { text.into() } else { quoted(text) }
}

/// In double quotes: as in JSON, and what YAML does not print is escaped too.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in Json::from(text).to_string().chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            quoted.push(c);
        }
    }
    quoted
}
