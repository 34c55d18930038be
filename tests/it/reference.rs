//! Every example of the reference is a policy that loads and that the schema allows.

use std::fs;
use std::path::Path;

use forgetd::config::{LoadOptions, load};

use crate::schema;

const HEAD: &str = "version: 1
instance: shop-eu
databases: { crm: { url: { env: CRM_URL } } }
evidence: { origin: example.com/forgetd/shop-eu, signing_key: { file: evidence.key } }
pseudonym_keys: [{ id: k1, domain: shop-people, file: k1.key }]
";

/// The text of each block of YAML, without its fences.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}\n")).collect()
}

/// A whole policy around what a block shows: rules, what stands beside them, or keys of one rule.
fn policy(block: &str) -> String {
    let rule = |keys: &str| {
        let mut rule = String::from("rules:\n  - name: r\n    table: t\n    keep_for: 1y\n    action: delete\n");
        if !keys.contains("since:") {
            rule += "    since: at\n";
        }
        rule + &indented(keys, "    ")
    };
    match block.split(':').next().unwrap() {
        "version" => block.into(),
        "defaults" | "approvers" => format!("{HEAD}{block}{}", rule("")),
        key @ ("pseudonym_keys" | "databases") => {
            let head: Vec<&str> = HEAD.lines().filter(|line| !line.starts_with(key)).collect();
            format!("{}\n{block}{}", head.join("\n"), rule(""))
        }
        "- name" => format!("{HEAD}rules:\n{}", indented(block, "  ")),
        _ => format!("{HEAD}{}", rule(block)),
    }
}

#[test]
fn every_example_loads_and_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (reference, readme) = ("docs/policy.md", "README.md");
    for (file, least) in [(reference, 12), (readme, 1)] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let blocks = blocks(&text);
        assert!(blocks.len() >= least, "{file}: {}", blocks.len());
        for block in blocks {
            let policy = policy(block);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("forgetd.yaml");
            fs::write(&path, &policy).unwrap();
            let loaded = load(&LoadOptions { file: Some(path), ..LoadOptions::default() });
            assert!(loaded.is_ok(), "{file}:\n{policy}\n{}", loaded.err().unwrap());
            let tree = serde_saphyr::from_str(&policy).unwrap();
            assert_eq!(schema::valid(&tree), Ok(()), "{file}:\n{policy}");
        }
    }
}

#[test]
fn every_word_of_the_grammar_is_in_the_reference() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md")).unwrap();
    for name in [
        "Since",
        "Latest",
        "Moment",
        "SinceForm",
        "WhenNull",
        "Where",
        "Not",
        "Operators",
        "Transform",
        "Treatment",
        "Grain",
        "TokenKind",
        "CheckDigit",
        "References",
        "Defaults",
        "Schedule",
        "Url",
        "Quiet",
    ] {
        for word in schema::words(name) {
            let known = text.contains(&format!("`{word}`")) || text.contains(&format!("{word}: "));
            assert!(known, "docs/policy.md does not know `{word}` of {name}");
        }
    }
}
