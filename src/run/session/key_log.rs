//! What the log says about pseudonym keys, and the notes beside it that spare reading all of it.

use forgetd_connector::Fault;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Session, evidence_fault};
use crate::evidence::each;
use crate::evidence::entry::NamedKey;

/// Every entry about keys.
#[derive(Debug, Default)]
pub(super) struct KeyLog {
    created: Vec<Created>,
    /// Fingerprint and time.
    destroyed: Vec<(String, Timestamp)>,
}

/// What `key.created` says.
#[derive(Debug)]
pub(super) struct Created {
    id: String,
    domain: String,
    fingerprint: String,
    kind: String,
    /// The KEK that it was wrapped by.
    pub(super) kek: Option<String>,
}

/// The parts of an entry that say something about a key.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    entry: &'a str,
    id: &'a str,
    domain: &'a str,
    fingerprint: &'a str,
    #[serde(default)]
    kind: &'a str,
    kek: Option<&'a str>,
    destroyed_at: Option<Timestamp>,
}

// === impl KeyLog ===

impl KeyLog {
    fn enter(&mut self, entry: &[u8]) {
        let Ok(said) = serde_json::from_slice::<Said<'_>>(entry) else { return };
        match (said.entry, said.destroyed_at) {
            ("key.created", _) => self.created.push(Created {
                id: said.id.into(),
                domain: said.domain.into(),
                fingerprint: said.fingerprint.into(),
                kind: said.kind.into(),
                kek: said.kek.map(Into::into),
            }),
            ("key.destroyed", Some(at)) => self.destroyed.push((said.fingerprint.into(), at)),
            _ => {}
        }
    }

    /// Whether this key of this name came into use.
    pub(super) fn is_created(&self, key: &NamedKey) -> bool {
        self.created
            .iter()
            .any(|one| (&one.id, &one.domain, &one.fingerprint) == (&key.id, &key.domain, &key.fingerprint))
    }

    /// The fingerprint under which a name was first seen.
    pub(super) fn first(&self, key: &NamedKey) -> Option<&str> {
        let first = self.created.iter().find(|one| (&one.id, &one.domain) == (&key.id, &key.domain));
        first.map(|one| &*one.fingerprint)
    }

    /// The entry of the key that was wrapped when it came into use, under every name that it has.
    pub(super) fn wrapped(&self, fingerprint: &str) -> Option<&Created> {
        let mut found = self.created.iter().filter(|one| one.fingerprint == fingerprint);
        let first = found.next()?;
        (first.kind == "wrapped" && found.all(|one| one.kind == "wrapped")).then_some(first)
    }

    /// Whether the key was destroyed at this time.
    pub(super) fn is_destroyed(&self, fingerprint: &str, at: Timestamp) -> bool {
        self.destroyed.iter().any(|(print, then)| print == fingerprint && *then == at)
    }

    /// When the key was destroyed, a time for each copy of it.
    pub(super) fn destroyed(&self, fingerprint: &str) -> impl Iterator<Item = Timestamp> {
        self.destroyed.iter().filter(move |(print, _)| print == fingerprint).map(|(_, at)| *at)
    }
}

// === impl Session ===

impl Session<'_> {
    /// Reads what the log says about keys, with everything that waits to be written into it.
    pub(super) async fn key_log(&self) -> Result<KeyLog, Fault> {
        let controls = self.sites.controls();
        self.tenure.relay.relay(self.tenure.claim.term(), &controls).await.map_err(evidence_fault)?;
        let files = self.tenure.relay.files(&controls).await.map_err(evidence_fault)?;
        let mut log = KeyLog::default();
        each(&*files, &mut |_, entry| {
            log.enter(entry);
            true
        })
        .await
        .map_err(evidence_fault)?;
        Ok(log)
    }

    /// What was noted beside the log.
    pub(super) async fn noted(&self, path: &str) -> Result<Option<String>, Fault> {
        self.tenure.relay.announced(&self.sites.controls(), path).await.map_err(evidence_fault)
    }

    /// Notes beside the log what it says.
    pub(super) async fn put_note(&self, path: &str, said: &str) -> Result<(), Fault> {
        self.tenure.relay.put_announced(&self.sites.controls(), path, said).await.map_err(evidence_fault)
    }

    /// Notes every time at which the log says that the key was destroyed.
    pub(super) async fn note_destroyed(&self, log: &KeyLog, fingerprint: &str) -> Result<(), Fault> {
        let times: Vec<String> = log.destroyed(fingerprint).map(|at| at.to_string()).collect();
        self.put_note(&destroyed_note(fingerprint), &times.join("\n")).await
    }
}

/// Where it is noted that the log has the `key.created` of this key; the note names its kind.
pub(super) fn created_note(key: &NamedKey) -> String {
    format!("keys/{}/{}/{}/key.created", key.domain, key.id, key.fingerprint)
}

/// Where the fingerprint is noted under which a name was first seen.
pub(super) fn name_note(key: &NamedKey) -> String {
    format!("key-names/{}/{}", key.domain, key.id)
}

/// Where the times are noted at which the log says that a key was destroyed, whatever it is called.
pub(super) fn destroyed_note(fingerprint: &str) -> String {
    format!("destroyed-keys/{fingerprint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(id: &str, print: &str, kind: &str) -> Vec<u8> {
        format!(
            r#"{{"domain":"d","fingerprint":"{print}","id":"{id}","kek":"k","kind":"{kind}","type":"key.created","v":1}}"#
        )
        .into()
    }

    #[test]
    fn a_key_that_was_ever_plain_is_not_wrapped() {
        let mut log = KeyLog::default();
        for (id, print, kind) in [("k1", "a", "wrapped"), ("k2", "b", "plain"), ("k3", "b", "wrapped")] {
            log.enter(&created(id, print, kind));
        }
        log.enter(&created("k4", "c", "wrapped"));
        log.enter(&created("k5", "c", "plain"));
        let wrapped = ["a", "b", "c", "d"].map(|print| log.wrapped(print).is_some());
        assert_eq!(wrapped, [true, false, false, false]);
        assert_eq!(log.wrapped("a").and_then(|one| one.kek.as_deref()), Some("k"));
    }
}
