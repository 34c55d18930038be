//! What sessions have to do with pseudonym keys: each key's first entry, and the destruction of one.
//!
//! A key is destroyed first and its entry made after: the evidence never claims what did not happen. A crash in between
//! leaves a tombstone without an entry; every later session says so, and destroying the key again makes up for it.

use forgetd_connector::{Cause, Fault, FaultClass, fault_point};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Refused, Session, evidence_fault};
use crate::config;
use crate::evidence::each;
use crate::evidence::entry::{EntryBody, KeyCreated, KeyDestroyed, NamedKey};
use crate::keys::{self, Entombed, Held, KeyFile};
use crate::run::{Approver, NO_LANE};

/// What a person wants destroyed.
#[derive(Clone, Copy, Debug)]
pub struct KeyDestruction<'a> {
    /// The key.
    pub key: &'a config::PseudonymKey,
    /// Until when copies of its file may still be in backups.
    pub backups_until: Timestamp,
    /// Who, and why.
    pub by: Approver<'a>,
    /// When.
    pub now: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDestroyedAt {
    /// When it was destroyed, now or earlier.
    pub at: Timestamp,
    /// Whether it was this call that made its entry.
    pub entered: bool,
}

/// Why a key was not destroyed, or has no entry yet.
#[derive(Debug)]
pub enum KeyStopped {
    /// Its file.
    File(config::Problem),
    /// A database or the evidence.
    Fault(Fault),
}

impl From<Fault> for KeyStopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What an entry about a key begins with.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    domain: &'a str,
    fingerprint: &'a str,
}

// === impl Session ===

impl Session<'_> {
    /// Destroys a wrapped key and makes its entry; one that is destroyed already only gets the entry, if it has none.
    pub async fn destroy_key(
        self,
        destruction: KeyDestruction<'_>,
    ) -> Result<Result<KeyDestroyedAt, KeyStopped>, Refused> {
        let done = self.kept(Box::pin(self.destroy(destruction))).await;
        self.release().await;
        done
    }

    async fn destroy(&self, what: KeyDestruction<'_>) -> Result<Result<KeyDestroyedAt, KeyStopped>, Refused> {
        self.prepare().await?;
        if let Some(sick) = self.sick() {
            let fault = Fault::new(FaultClass::Blocked(sick.cause), "evidence log", &sick.place);
            return Ok(Err(fault.with_detail(&sick.found).into()));
        }
        let done = self.destroy_and_enter(what).await;
        self.finish(&mut []).await;
        Ok(done)
    }

    async fn destroy_and_enter(&self, what: KeyDestruction<'_>) -> Result<KeyDestroyedAt, KeyStopped> {
        if !self.claim.alive() {
            return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "destroy key", &self.config.instance).into());
        }
        fault_point::before("key.destroy")?;
        let (path, now) = (what.key.file.clone(), what.now);
        // A sick disk blocks for long: not on the thread that renews the lease.
        let entombed = tokio::task::spawn_blocking(move || keys::disk::entomb(&path, now)).await;
        let entombed = entombed
            .map_err(|_| Fault::new(FaultClass::Internal, "destroy key", &self.config.instance))?
            .map_err(KeyStopped::File)?;
        fault_point::after("key.destroy")?;
        let (Entombed::Now { left: tombstone, .. } | Entombed::Before(tombstone)) = entombed;
        let at = tombstone.at;
        let held = Held { entry: what.key, file: Ok(KeyFile::Destroyed(tombstone)) };
        let Some(key) = named(&held) else { return Ok(KeyDestroyedAt { at, entered: false }) };
        let body = KeyDestroyed {
            key: key.clone(),
            destroyed_at: at,
            wrapped: true,
            backups_until: what.backups_until,
            reason: what.by.reason.into(),
            who: what.by.who.into(),
            authenticated: false,
        };
        let entered = self.once("key.destroyed", &key, &EntryBody::KeyDestroyed(Box::new(body))).await?;
        Ok(KeyDestroyedAt { at, entered })
    }

    /// Leaves one entry for each pseudonym key that the log does not know, and says which destroyed ones lack theirs.
    pub(super) async fn announce_keys(&self) -> Result<(), Fault> {
        for held in keys::look(&self.config.pseudonym_keys) {
            let (Ok(file), Some(key)) = (&held.file, named(&held)) else {
                tracing::warn!(domain = held.entry.domain, id = held.entry.id, "a pseudonym key cannot be read");
                continue;
            };
            if let KeyFile::Destroyed(_) = file {
                let path = noted("key.destroyed", &key);
                if !self.relay.is_announced(&self.sites.controls(), &path).await.map_err(evidence_fault)? {
                    tracing::warn!(
                        domain = key.domain,
                        id = key.id,
                        "the key is destroyed, and the evidence does not say so yet: run `forgetd keys destroy` again"
                    );
                }
                continue;
            }
            let body = KeyCreated { key: key.clone(), kind: file.kind(), active_from: held.entry.active_from };
            self.once("key.created", &key, &EntryBody::KeyCreated(Box::new(body))).await?;
        }
        Ok(())
    }

    /// Makes an entry about a key unless the log has one of the kind. Returns whether it did.
    async fn once(&self, kind: &str, key: &NamedKey, body: &EntryBody) -> Result<bool, Fault> {
        let controls = self.sites.controls();
        let path = noted(kind, key);
        if self.relay.is_announced(&controls, &path).await.map_err(evidence_fault)? {
            return Ok(false);
        }
        // A crash may have come between an entry and its note, or the answer to the entry was lost.
        self.relay.relay(self.claim.term(), &controls).await.map_err(evidence_fault)?;
        let files = self.relay.files(&controls).await.map_err(evidence_fault)?;
        let mut known = false;
        each(&*files, &mut |_, entry| {
            known = says(entry, kind, key);
            !known
        })
        .await
        .map_err(evidence_fault)?;
        if !known {
            self.note(self.sites.home()?, NO_LANE, "", body).await?;
        }
        self.relay.put_announced(&controls, &path).await.map_err(evidence_fault)?;
        Ok(!known)
    }
}

/// The key of an entry of the configuration, as evidence names it; absent where its file cannot be read.
fn named(held: &Held<'_>) -> Option<NamedKey> {
    Some(NamedKey {
        id: held.entry.id.clone(),
        domain: held.entry.domain.clone(),
        fingerprint: held.fingerprint()?.to_string(),
        epoch: held.epoch()?.to_string(),
    })
}

/// Where it is noted that the log has this entry.
fn noted(kind: &str, key: &NamedKey) -> String {
    format!("keys/{}/{}/{}/{kind}", key.domain, key.id, key.fingerprint)
}

fn says(entry: &[u8], kind: &str, key: &NamedKey) -> bool {
    serde_json::from_slice::<Said<'_>>(entry).is_ok_and(|said| {
        (said.kind, said.id, said.domain, said.fingerprint) == (kind, &*key.id, &*key.domain, &*key.fingerprint)
    })
}
