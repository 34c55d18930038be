//! The JSON Schema of a configuration file, generated from the structs that read it.

use super::raw::RawFile;

/// The schema, pretty-printed, with a newline at its end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
