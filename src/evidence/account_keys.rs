//! Keeps account of what a log says about pseudonym keys: none is called destroyed that was plain, and no run makes tokens
//! with one that was destroyed before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

/// The account of one log's keys, by fingerprint.
#[derive(Debug, Default)]
pub(super) struct KeyAccount {
    plain: BTreeSet<String>,
    destroyed: BTreeMap<String, Timestamp>,
}

/// The parts of an entry that say something about keys.
#[derive(Debug, Deserialize)]
struct View<'a> {
    at: Option<Timestamp>,
    #[serde(default)]
    fingerprint: &'a str,
    #[serde(default)]
    kind: &'a str,
    destroyed_at: Option<Timestamp>,
    /// By domain: id and fingerprint of the key that makes tokens.
    #[serde(default, borrow)]
    pseudonym_keys: BTreeMap<&'a str, &'a str>,
}

// === impl KeyAccount ===

impl KeyAccount {
    /// Takes an entry of this type. Returns what contradicts the entries before it.
    pub(super) fn enter(&mut self, kind: &str, entry: &[u8]) -> Option<String> {
        if !matches!(kind, "key.created" | "key.destroyed" | "run.started") {
            return None;
        }
        let view: View<'_> = serde_json::from_slice(entry).ok()?;
        let print = view.fingerprint;
        match kind {
            "key.created" if view.kind == "plain" => {
                self.plain.insert(print.into());
                self.destroyed.contains_key(print).then(|| format!("key {print} is plain, and was called destroyed"))
            }
            "key.destroyed" => {
                // The first time counts: every later one is that of a copy.
                self.destroyed.entry(print.into()).or_insert(view.destroyed_at?);
                self.plain.contains(print).then(|| format!("key {print} is called destroyed, and was plain"))
            }
            "run.started" => {
                let prints = view.pseudonym_keys.values().filter_map(|named| named.rsplit_once(' '));
                let mut destroyed = prints.filter_map(|(_, print)| Some((print, self.destroyed.get(print)?)));
                // A run of a database that was away may have begun before, and its receipt come after.
                let (print, at) = destroyed.find(|(_, at)| view.at.is_none_or(|began| began > **at))?;
                Some(format!("its run makes tokens with key {print}, which was destroyed at {at}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeyAccount;

    #[test]
    fn what_cannot_be_true_of_a_key_is_named() {
        let created = |kind| ("key.created", format!(r#"{{"fingerprint":"ab","kind":"{kind}"}}"#));
        let destroyed =
            || ("key.destroyed", r#"{"destroyed_at":"2026-11-25T10:00:00Z","fingerprint":"ab"}"#.to_owned());
        let run = |at, print| {
            let keys = format!(r#"{{"other":"k9 ff","people":"k1 {print}"}}"#);
            ("run.started", format!(r#"{{"at":"2026-11-{at}T00:00:00Z","pseudonym_keys":{keys}}}"#))
        };
        for (entries, expected) in [
            (vec![created("wrapped"), run("24", "ab"), destroyed(), run("26", "cd"), destroyed()], None),
            (vec![created("plain"), run("26", "ab")], None),
            (vec![created("wrapped"), destroyed(), run("24", "ab")], None),
            (vec![created("plain"), destroyed()], Some("key ab is called destroyed, and was plain")),
            (vec![destroyed(), created("plain")], Some("key ab is plain, and was called destroyed")),
            (
                vec![created("wrapped"), destroyed(), run("26", "ab")],
                Some("its run makes tokens with key ab, which was destroyed at 2026-11-25T10:00:00Z"),
            ),
        ] {
            let mut account = KeyAccount::default();
            let found: Vec<String> =
                entries.iter().filter_map(|(kind, entry)| account.enter(kind, entry.as_bytes())).collect();
            assert_eq!(found.first().map(String::as_str), expected, "{entries:?}");
        }
    }
}
