//! What the log must say afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ground::Ground;
use crate::harness::Program;

/// Compares the log with the rows that are gone, and with who took which term.
pub(super) fn judge(ground: &dyn Ground, program: &Program, gone: u64, logs: &[String]) -> String {
    let entries = program.evidence();
    let batches: Vec<Value> = entries.iter().filter(|entry| entry["type"] == "batch").cloned().collect();
    let (least, most) = ground.told(&batches);
    assert!(least <= gone && gone <= most, "{}: {gone} rows are gone, {least} to {most} told", ground.engine());
    let batches_in_order = in_order(&batches);
    let holders = holders(logs);
    let mut policies: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for entry in &entries {
        let term = entry["term"].as_u64().expect("a term");
        assert!(holders.contains_key(&term), "nobody took term {term}: {entry}");
        if entry["type"] == "run.started" {
            policies.entry(term).or_default().insert(entry["policy_digest"].to_string());
        }
    }
    assert!(holders.values().all(|takers| *takers == 1), "a term has one holder: {holders:?}");
    assert!(policies.values().all(|policies| policies.len() == 1), "a term has one policy: {policies:?}");
    let all: BTreeSet<&String> = policies.values().flatten().collect();
    for log in logs {
        assert!(!log.contains("panicked"), "{log}");
    }
    format!(
        "gone={gone} in_evidence={least}..{most} batches={batches_in_order} terms={} terms_with_runs={} policies={}",
        holders.len(),
        policies.len(),
        all.len()
    )
}

/// A lane's batches are of terms that never go back: no older holder wrote behind a newer one. How many they are.
fn in_order(batches: &[Value]) -> usize {
    let mut lanes: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for batch in batches {
        let number = |key: &str| batch[key].as_u64().expect("a number");
        let lane = format!("{} {}", batch["rule"], batch["lane"]);
        lanes.entry(lane).or_default().push((number("sequence"), number("term")));
    }
    for batches in lanes.values_mut() {
        batches.sort_unstable();
        assert!(batches.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{batches:?}");
    }
    batches.len()
}

/// How many processes took each term, by what they logged.
fn holders(logs: &[String]) -> BTreeMap<u64, u32> {
    let mut holders = BTreeMap::new();
    for line in logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains("lease taken")) {
        let term = line.split("term=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        *holders.entry(term.expect("a term")).or_default() += 1;
    }
    holders
}
