//! The JSON Schema of a configuration file, generated from the structs that read it.

use super::raw::RawFile;

/// The schema, pretty-printed, with a newline at its end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn the_committed_schema_is_the_one_that_reads() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/forgetd.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, super::schema()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == super::schema(),
            "run `UPDATE=1 cargo test --lib config::schema` and look at the difference"
        );
    }
}
