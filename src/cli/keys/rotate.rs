//! `keys rotate`: a domain's next key. The policy is the operator's to change: only its file is made.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::written;
use crate::cli::{USAGE, complain, load, print, say};
use crate::clock;
use crate::config::{PseudonymKey, Secret};
use crate::keys::{self, Epoch, KeyFile};

/// How often a key is made anew whose tokens could not be told from an older one's; once is hardly ever needed.
const TRIES_MAX: u32 = 8;

/// Options of `keys rotate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The domain.
    #[arg(value_name = "DOMAIN", value_parser = written::name)]
    domain: String,

    /// The file to make, readable by its owner only. One that exists is never written over.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The new key's name; without it the one after the newest key's.
    #[arg(long, value_name = "ID", value_parser = written::name)]
    id: Option<String>,

    /// From when new tokens are made with it; without it from tomorrow, so that every replica has it in time.
    #[arg(long, value_name = "DATE", value_parser = written::moment)]
    active_from: Option<(Timestamp, String)>,

    /// The file of the key to wrap it with; without it the one that the newest key is wrapped with.
    #[arg(long, value_name = "FILE")]
    kek: Option<PathBuf>,
}

/// Makes the key. The exit code is the command's.
pub(super) fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let domain = args.domain.as_str();
    let keys: Vec<&PseudonymKey> = config.pseudonym_keys.iter().filter(|key| key.domain == domain).collect();
    // In the order in which they become active.
    let Some(newest) = keys.last() else {
        say(format_args!(
            "the policy has no key of domain {domain}; make its first with `forgetd keys new pseudonym --domain {domain}`"
        ));
        return USAGE;
    };
    let id = args.id.clone().unwrap_or_else(|| next(&newest.id, &keys));
    if keys.iter().any(|key| key.id == id) {
        say(format_args!("domain {domain} has a key {id} already; give the new one another --id"));
        return USAGE;
    }
    let (from, from_text) = args.active_from.clone().unwrap_or_else(tomorrow);
    if newest.active_from.is_some_and(|newest| from <= newest) {
        let when = newest.active_from.map(|from| from.to_string()).unwrap_or_default();
        say(format_args!("key {} is active from {when}; give an --active-from after it", newest.id));
        return USAGE;
    }
    let given = args.kek.as_ref().map(|path| Secret::File(written::absolute(path)));
    let kek = given.as_ref().or(newest.kek.as_ref());
    let file = match fresh(&id, &config.pseudonym_keys, domain, kek) {
        Ok(file) => file,
        Err(problem) => return complain(&problem.into()),
    };
    if let Err(problem) = written::keep(&args.out, &file) {
        say(problem);
        return 1;
    }
    let entry = written::Entry { id: &id, domain, kek, active_from: Some(&from_text) };
    print(entry.text(&written::absolute(&args.out)));
    print(format_args!(
        "tokens of older keys stay as they are and are recognised as long as their entries stay; from {from_text} on the \
         same value becomes another token"
    ));
    0
}

/// A key whose tokens can be told from those of every other key of the domain.
fn fresh(
    id: &str,
    entries: &[PseudonymKey],
    domain: &str,
    kek: Option<&Secret>,
) -> Result<KeyFile, crate::config::Problem> {
    let held = keys::look(entries);
    let taken: Vec<Epoch> =
        held.iter().filter(|held| held.entry.domain == domain).filter_map(keys::Held::epoch).collect();
    let mut file = written::generate(kek)?;
    for _ in 1..TRIES_MAX {
        if !taken.contains(&file.epoch(id)) {
            break;
        }
        file = written::generate(kek)?;
    }
    Ok(file)
}

/// The name after this one that no key has: its number and one more.
fn next(newest: &str, keys: &[&PseudonymKey]) -> String {
    let stem = newest.trim_end_matches(|c: char| c.is_ascii_digit());
    let first = newest[stem.len()..].parse::<u32>().map_or(2, |number| number.saturating_add(1));
    let dash = if stem.len() == newest.len() { "-" } else { "" };
    let names = (first..).take(keys.len() + 1).map(|number| format!("{stem}{dash}{number}"));
    names.into_iter().find(|name| keys.iter().all(|key| key.id != *name)).unwrap_or_else(|| format!("{newest}-next"))
}

fn tomorrow() -> (Timestamp, String) {
    let now = clock::now();
    let date = now.to_zoned(TimeZone::UTC).date().saturating_add(1.day());
    let from = date.to_zoned(TimeZone::UTC).map_or(now, |zoned| zoned.timestamp());
    (from, date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_name_is_free() {
        let key = |id: &str| PseudonymKey {
            id: id.into(),
            domain: "a".into(),
            file: "f".into(),
            kek: None,
            active_from: None,
        };
        let keys = [key("k1"), key("k2"), key("2026"), key("first")];
        let keys: Vec<&PseudonymKey> = keys.iter().collect();
        for (newest, expected) in [("k1", "k3"), ("k2", "k3"), ("2026", "2027"), ("first", "first-2"), ("k9", "k10")] {
            assert_eq!(next(newest, &keys), expected);
        }
    }
}
