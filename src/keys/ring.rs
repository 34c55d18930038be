//! From the entries of `pseudonym_keys:` to keys in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::file::{FileError, Fingerprint, KeyFile, KeyPair};
use super::{DomainKeys, Epoch, Kek, Keyring, PseudonymKey, disk, readers};
use crate::config::{self, Problem, Secret};

/// One entry and what its file holds.
#[derive(Debug)]
pub struct Held<'a> {
    /// The entry.
    pub entry: &'a config::PseudonymKey,
    /// Its file, or why it cannot be read.
    pub file: Result<KeyFile, Problem>,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// New tokens are made with it.
    Active,
    /// Its tokens are recognised; a later key makes new ones.
    Old,
    /// It becomes active later.
    Future,
    /// Its tokens are recognised, and none can be made.
    Destroyed,
    /// Its file gives no key.
    Unreadable,
}

/// Reads the file of every entry; no key is unwrapped.
pub fn look(entries: &[config::PseudonymKey]) -> Vec<Held<'_>> {
    entries.iter().map(|entry| Held { entry, file: disk::read(&entry.file) }).collect()
}

/// The keys of all entries, unwrapped, and the one of each domain that is active at `now`: the one with the latest
/// `active_from` that is not in the future. Fails with everything that is wrong: files that cannot be read or unwrapped, one
/// key under two names, two keys of a domain whose tokens could not be told apart.
pub fn ring(entries: &[config::PseudonymKey], now: Timestamp) -> Result<Keyring, Vec<Problem>> {
    let held = look(entries);
    let mut problems = apart(&held);
    let mut domains: BTreeMap<&str, (Vec<PseudonymKey>, Option<usize>)> = BTreeMap::new();
    for file in held.iter().flat_map(Held::open_to_others).collect::<BTreeSet<_>>() {
        tracing::warn!(file = %file.display(), "the key file can be read by others than its owner");
    }
    for held in &held {
        match held.key() {
            Ok(key) => {
                let (keys, active) = domains.entry(&held.entry.domain).or_default();
                // Entries are in the order in which they become active.
                if held.has_begun(now) {
                    *active = Some(keys.len());
                }
                keys.push(key);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Keyring::new(domains.into_iter().map(|(name, (keys, active))| (name.to_owned(), DomainKeys::new(keys, active)))))
}

/// How the key `of` stands at `now`; `held` are all of them.
pub fn state(held: &[Held<'_>], of: &Held<'_>, now: Timestamp) -> KeyState {
    let newest = newest(held, &of.entry.domain, now);
    match of.key() {
        Err(_) => KeyState::Unreadable,
        Ok(key) if !key.makes_tokens() => KeyState::Destroyed,
        Ok(_) if !of.has_begun(now) => KeyState::Future,
        Ok(_) if newest.is_some_and(|newest| newest.entry.id == of.entry.id) => KeyState::Active,
        Ok(_) => KeyState::Old,
    }
}

/// The key of a domain that is active at `now`, destroyed or not: the one that began last.
pub fn newest<'a>(held: &'a [Held<'a>], domain: &str, now: Timestamp) -> Option<&'a Held<'a>> {
    // Entries are in the order in which they become active.
    held.iter().rev().find(|held| held.entry.domain == domain && held.has_begun(now))
}

/// One key under two names, and keys of one domain whose tokens carry the same epoch.
fn apart(held: &[Held<'_>]) -> Vec<Problem> {
    let (mut prints, mut epochs) = (BTreeMap::new(), BTreeMap::new());
    let mut problems = vec![];
    for held in held {
        let (Some(print), Some(epoch)) = (held.fingerprint(), held.epoch()) else { continue };
        let entry = held.entry;
        let place = format!("pseudonym_keys: {} {}", entry.domain, entry.id);
        let fix = "make one of them anew with `forgetd keys new pseudonym`, unless tokens were made with both";
        if let Some(other) = prints.insert(print, entry) {
            let message = format!("{} {} is the same key", other.domain, other.id);
            problems.push(Problem::new(place, message, "give each entry a key of its own"));
        } else if let Some(other) = epochs.insert((&entry.domain, epoch), entry) {
            let message = format!("its tokens could not be told from those of {}", other.id);
            problems.push(Problem::new(place, message, fix));
        }
    }
    problems
}

// === impl Held ===

impl Held<'_> {
    /// Whether it is not active only later.
    fn has_begun(&self, now: Timestamp) -> bool {
        self.entry.active_from.is_none_or(|from| from <= now)
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.file.as_ref().ok().map(KeyFile::fingerprint)
    }

    /// The files that give the key away and that others than their owner may read: its KEK, and the key itself unless it is
    /// wrapped or gone.
    pub fn open_to_others(&self) -> Vec<&Path> {
        let kek = match &self.entry.kek {
            Some(Secret::File(path)) => Some(path.as_path()),
            _ => None,
        };
        let harmless = matches!(self.file, Ok(KeyFile::Wrapped(_) | KeyFile::Destroyed(_)));
        let key = (!harmless).then_some(self.entry.file.as_path());
        kek.into_iter().chain(key).filter(|path| readers::is_open_to_others(path)).collect()
    }

    /// What its tokens carry.
    pub fn epoch(&self) -> Option<Epoch> {
        Some(self.file.as_ref().ok()?.epoch(&self.entry.id))
    }

    /// The key, unwrapped.
    pub fn key(&self) -> Result<PseudonymKey, Problem> {
        let file = self.file.as_ref().map_err(Clone::clone)?;
        let pair = match file {
            KeyFile::Plain(pair) => Some(pair.clone()),
            KeyFile::Wrapped(wrapped) => Some(self.unwrapped(wrapped)?),
            KeyFile::Destroyed(_) => None,
        };
        let token = pair.as_ref().map(|pair| &*pair.token);
        Ok(PseudonymKey::new(&self.entry.id, &self.entry.domain, token, file.check()))
    }

    fn unwrapped(&self, wrapped: &super::WrappedKey) -> Result<KeyPair, Problem> {
        let refused = |error: &FileError| disk::refused(&self.entry.file, &error.to_string());
        let Some(kek) = &self.entry.kek else { return Err(refused(&FileError::KekMissing(wrapped.kek().clone()))) };
        let text = kek.read()?;
        let kek = Kek::from_text(text.expose_secret()).map_err(|error| {
            let (message, fix) = (error.to_string(), format!("{kek:?}"));
            let (message, what) = message.split_once("; ").unwrap_or((&message, ""));
            Problem::new(fix, message, what)
        })?;
        wrapped.unwrap(&kek).map_err(|error| refused(&error))
    }
}

// === impl KeyState ===

impl KeyState {
    /// In one word, as JSON and texts name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Old => "old",
            Self::Future => "future",
            Self::Destroyed => "destroyed",
            Self::Unreadable => "unreadable",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    fn entry(folder: &Path, id: &str, domain: &str, from: Option<&str>) -> config::PseudonymKey {
        let active_from = from.map(|from| config::moment(from).unwrap());
        config::PseudonymKey { id: id.into(), domain: domain.into(), file: folder.join(id), kek: None, active_from }
    }

    fn plain(entry: &config::PseudonymKey) {
        disk::create(&entry.file, &KeyFile::Plain(KeyPair::generate().unwrap()).to_text()).unwrap();
    }

    /// Wrapped by a new key beside it.
    fn wrapped(entry: &mut config::PseudonymKey) {
        let kek = Kek::generate().unwrap();
        let path = entry.file.with_extension("kek");
        disk::create(&path, &kek.to_text()).unwrap();
        let key = KeyPair::generate().unwrap().wrap(&kek).unwrap();
        disk::create(&entry.file, &KeyFile::Wrapped(key).to_text()).unwrap();
        entry.kek = Some(Secret::File(path));
    }

    fn now() -> Timestamp {
        "2026-11-25T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_latest_key_that_has_begun_makes_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let mut entries = vec![
            entry(folder.path(), "k1", "a", None),
            entry(folder.path(), "k2", "a", Some("2026-01-01")),
            entry(folder.path(), "k3", "a", Some("2027-01-01")),
            entry(folder.path(), "k4", "b", Some("2027-01-01")),
        ];
        plain(&entries[0]);
        wrapped(&mut entries[1]);
        plain(&entries[2]);
        plain(&entries[3]);
        let ring = ring(&entries, now()).unwrap();
        let active = |domain: &str| ring.domain(domain).unwrap().active().map(|key| key.id().to_owned());
        assert_eq!((active("a").as_deref(), active("b")), (Some("k2"), None));
        assert_eq!(ring.domain("a").unwrap().keys().len(), 3);
        let held = look(&entries);
        let states: Vec<&str> = held.iter().map(|one| state(&held, one, now()).word()).collect();
        assert_eq!(states, ["old", "active", "future", "future"]);
        for held in &held {
            let key = held.key().unwrap();
            assert_eq!(Some(key.epoch()), held.epoch());
        }

        disk::entomb(&entries[1].file, now()).unwrap();
        let ring = super::ring(&entries, now()).unwrap();
        // An older key does not come back.
        assert!(ring.domain("a").unwrap().active().is_none());
        let held = look(&entries);
        assert_eq!(state(&held, &held[1], now()), KeyState::Destroyed);
        assert_eq!(state(&held, &held[0], now()), KeyState::Old);
    }

    #[test]
    fn what_others_may_read_matters_where_it_gives_the_key_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mut entries =
            vec![entry(folder.path(), "k1", "a", None), entry(folder.path(), "k2", "a", Some("2026-01-01"))];
        plain(&entries[0]);
        wrapped(&mut entries[1]);
        let open = || -> Vec<String> {
            let held = look(&entries);
            let names = held.iter().flat_map(Held::open_to_others);
            names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert!(open().is_empty());
        let others = |name: &str| {
            let path = folder.path().join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        };
        others("k2");
        assert!(open().is_empty(), "a wrapped key gives nothing away");
        others("k1");
        others("k2.kek");
        assert_eq!(open(), ["k1", "k2.kek"]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut entries: Vec<_> = ["k1", "k2", "k3", "k4", "k5", "k6"]
            .iter()
            .map(|id| entry(folder.path(), id, "a", Some(&format!("2026-01-0{}", &id[1..]))))
            .collect();
        plain(&entries[0]);
        // The same key again.
        std::fs::copy(&entries[0].file, &entries[1].file).unwrap();
        // None at all; without its KEK; with another; with something else as its KEK.
        entries[3..].iter_mut().for_each(wrapped);
        entries[3].kek = None;
        entries[4].kek = entries[5].kek.clone();
        entries[5].kek = Some(Secret::File(entries[0].file.clone()));
        let problems = ring(&entries, now()).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "pseudonym_keys: a k2: a k1 is the same key; give each entry a key of its own",
            "k3: the key cannot be read: entity not found; check that the file exists",
            "k4: the key is wrapped by the KEK ",
            "k5: the key is wrapped by the KEK ",
            "k1: this is no key that wraps others: ",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}\n{expected}");
        }
        assert!(said[3].contains("and the one given is"), "{}", said[3]);
    }
}
