//! What sessions have to do with pseudonym keys: each key's first entry, and that a destroyed one does not come back.

use forgetd_connector::Fault;
use jiff::Timestamp;

use super::Session;
use super::key_log::{KeyLog, created_note, destroyed_note, name_note};
use crate::evidence::entry::{EntryBody, KeyCreated, NamedKey};
use crate::keys::{self, Held, KeyFile};
use crate::run::NO_LANE;

// === impl Session ===

impl Session<'_> {
    /// Bars every domain with a key that is there although the log says that it was destroyed: its file was put back from a
    /// backup or another replica. Writes nothing.
    pub(super) async fn bar_returned_keys(&self) -> Result<(), Fault> {
        for held in keys::look(&self.config.pseudonym_keys) {
            let (Ok(file), Some(key)) = (&held.file, named(&held)) else { continue };
            if matches!(file, KeyFile::Destroyed(_)) {
                continue;
            }
            if let Some(times) = self.noted(&destroyed_note(&key.fingerprint)).await? {
                self.bar_returned(&key, times.lines().last().unwrap_or_default());
            }
        }
        Ok(())
    }

    fn bar_returned(&self, key: &NamedKey, at: &str) {
        let NamedKey { id, domain, .. } = key;
        let why = format!(
            "key {id} was destroyed at {at} and a copy of it is back; run `forgetd keys destroy {id} --domain {domain}` again, or \
             put back what was left of it"
        );
        tracing::error!(domain, id, destroyed_at = at, "a destroyed key is back: its domain makes no tokens");
        self.pseudonyms.bar(domain, why);
    }

    /// Leaves one entry for each pseudonym key that the log does not know, and says which destroyed ones lack theirs.
    pub(super) async fn announce_keys(&self) -> Result<(), Fault> {
        let mut log = None;
        for held in keys::look(&self.config.pseudonym_keys) {
            let (Ok(file), Some(key)) = (&held.file, named(&held)) else {
                tracing::warn!(domain = held.entry.domain, id = held.entry.id, "a pseudonym key cannot be read");
                continue;
            };
            match file {
                KeyFile::Destroyed(left) => self.miss_destroyed(&key, left.at, &mut log).await?,
                _ => self.announce_created(&held, file, &key, &mut log).await?,
            }
            if self.noted(&name_note(&key)).await?.is_some_and(|first| first != key.fingerprint) {
                tracing::warn!(
                    domain = key.domain,
                    id = key.id,
                    fingerprint = key.fingerprint,
                    "the file holds another key than the one that had this name first: give a new key a name of its own"
                );
            }
        }
        Ok(())
    }

    /// Says of a destroyed key that the evidence does not say so, if so.
    async fn miss_destroyed(&self, key: &NamedKey, at: Timestamp, log: &mut Option<KeyLog>) -> Result<(), Fault> {
        let noted = self.noted(&destroyed_note(&key.fingerprint)).await?;
        if noted.is_some_and(|times| times.lines().any(|time| time == at.to_string())) {
            return Ok(());
        }
        let log = self.read_once(log).await?;
        // A crash may have come between the entry and its note.
        if log.is_destroyed(&key.fingerprint, at) {
            return self.note_destroyed(log, &key.fingerprint).await;
        }
        let said = if log.wrapped(&key.fingerprint).is_some() {
            "the key is destroyed, and the evidence does not say so yet: run `forgetd keys destroy` again"
        } else {
            "the file says that its key was destroyed; the evidence never knew it as a wrapped one and cannot say so"
        };
        tracing::warn!(domain = key.domain, id = key.id, "{said}");
        Ok(())
    }

    async fn announce_created(
        &self,
        held: &Held<'_>,
        file: &KeyFile,
        key: &NamedKey,
        log: &mut Option<KeyLog>,
    ) -> Result<(), Fault> {
        let path = created_note(key);
        if self.noted(&path).await?.is_some() {
            return Ok(());
        }
        // A crash may have come between an entry and its note, or the answer to the entry was lost.
        let log = self.read_once(log).await?;
        if let Some(at) = log.destroyed(&key.fingerprint).last() {
            self.note_destroyed(log, &key.fingerprint).await?;
            self.bar_returned(key, &at.to_string());
        }
        let known = log.is_created(key);
        if !known {
            let (kind, active_from) = (file.kind(), held.entry.active_from);
            let kek = file.kek().map(ToString::to_string);
            let body = KeyCreated { key: key.clone(), kind, kek, active_from };
            self.note(self.sites.home()?, NO_LANE, "", &EntryBody::KeyCreated(Box::new(body))).await?;
        }
        self.put_note(&name_note(key), log.first(key).unwrap_or(&key.fingerprint)).await?;
        self.put_note(&path, file.kind()).await
    }

    /// The log is read for the first key that needs it, and for all of them.
    async fn read_once<'a>(&self, log: &'a mut Option<KeyLog>) -> Result<&'a KeyLog, Fault> {
        let read = match log.take() {
            Some(read) => read,
            None => self.key_log().await?,
        };
        Ok(log.insert(read))
    }
}

/// The key of an entry of the configuration, as evidence names it; absent where its file cannot be read.
pub(super) fn named(held: &Held<'_>) -> Option<NamedKey> {
    Some(NamedKey {
        id: held.entry.id.clone(),
        domain: held.entry.domain.clone(),
        fingerprint: held.fingerprint()?.to_string(),
        epoch: held.epoch()?.to_string(),
    })
}
