//! An exported evidence folder, read without any code of forgetd.

use std::path::Path;

use serde_json::Value;

/// The entries of an exported log, in order.
#[derive(Debug)]
pub(crate) struct Exported {
    /// One JSON object each.
    pub(crate) entries: Vec<Value>,
}

// === impl Exported ===

impl Exported {
    /// Reads every entry bundle below `folder`: entries of two bytes of length and that many bytes of JSON, 256 to a
    /// bundle, the last bundle partial.
    pub(crate) fn read(folder: &Path) -> Self {
        let root = folder.join("tile/entries");
        let mut bundles = vec![];
        collect(&root, &root, &mut bundles);
        // A partial bundle of a later size holds those of earlier sizes; where the full one exists, it holds them all.
        bundles.sort();
        let mut entries: Vec<Value> = vec![];
        for (number, _, bytes) in bundles {
            entries.truncate(usize::try_from(number * 256).unwrap());
            assert_eq!(entries.len() as u64, number * 256, "a bundle is missing before {number}");
            entries.extend(split(&bytes).iter().map(|entry| serde_json::from_slice::<Value>(entry).unwrap()));
        }
        Self { entries }
    }
}

/// Rows that the batches among these entries say are gone: what the change reported, and on the sealed lane what was
/// announced and no longer matched.
pub(crate) fn batches_of(entries: &[Value]) -> u64 {
    let batches = entries.iter().filter(|entry| entry["type"] == "batch");
    batches
        .map(|entry| match &entry["sealed"] {
            Value::Null => entry["changed"].as_u64().expect("a batch counts its rows"),
            sealed => sealed["gone"].as_u64().expect("a sealed batch counts its rows"),
        })
        .sum()
}

/// Bundles below a folder as (number, entries in it, bytes); `x001/234` is bundle 1234, `.p/W` a partial one.
fn collect(root: &Path, folder: &Path, bundles: &mut Vec<(u64, u64, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, bundles);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let (number, width) = match name.split_once(".p/") {
            Some((number, width)) => (number, width.parse().unwrap()),
            None => (name.as_str(), 256),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        bundles.push((digits.parse().unwrap(), width, std::fs::read(&path).unwrap()));
    }
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut entries = vec![];
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a bundle ends inside a length");
    entries
}
