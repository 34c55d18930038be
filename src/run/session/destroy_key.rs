//! The destruction of a pseudonym key.
//!
//! A key is destroyed first and its entry made after: the evidence never claims what did not happen. A crash in between
//! leaves a tombstone without an entry; every later session says so, and destroying the key again makes up for it. A copy of
//! the file that comes back is destroyed like a key of its own, with an entry of its own.

use forgetd_connector::{Cause, Fault, FaultClass, fault_point};
use jiff::Timestamp;

use super::key_log::KeyLog;
use super::keys::named;
use super::{Refused, Session};
use crate::evidence::entry::{EntryBody, KeyDestroyed};
use crate::keys::{self, Entombed, Held, KeyFile};
use crate::run::{Approver, NO_LANE};
use crate::{clock, config};

/// What a person wants destroyed.
#[derive(Clone, Copy, Debug)]
pub struct KeyDestruction<'a> {
    /// The key.
    pub key: &'a config::PseudonymKey,
    /// Until when copies of its file may still be in backups.
    pub backups_until: Timestamp,
    /// Who, and why.
    pub by: Approver<'a>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct KeyDestroyedAt {
    /// When it was destroyed, now or earlier.
    pub at: Timestamp,
    /// Its entry.
    pub entry: KeyEntry,
}

/// Where the entry of a destroyed key is.
#[derive(Clone, Debug)]
pub enum KeyEntry {
    /// In the log, since this call.
    Now,
    /// In the log, since an earlier one.
    Before,
    /// In a receipt: the log could not be written.
    Later(Fault),
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
        let file = keys::disk::read(&what.key.file).map_err(KeyStopped::File)?;
        let log = self.key_log().await?;
        // What is plain is refused by the file itself.
        if !matches!(file, KeyFile::Plain(_)) {
            wrapped(&file, what.key, &log)?;
        }
        if !self.tenure.claim.alive() {
            return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "destroy key", &self.config.instance).into());
        }
        fault_point::before("key.destroy")?;
        let (path, now) = (what.key.file.clone(), clock::now());
        // A sick disk blocks for long: not on the thread that renews the lease.
        let entombed = tokio::task::spawn_blocking(move || keys::disk::entomb(&path, now)).await;
        let entombed = entombed
            .map_err(|_| Fault::new(FaultClass::Internal, "destroy key", &self.config.instance))?
            .map_err(KeyStopped::File)?;
        fault_point::after("key.destroy")?;
        let (left, kek) = match entombed {
            Entombed::Now { left, kek } => (left, Some(kek.to_string())),
            Entombed::Before(left) => (left, None),
        };
        let at = left.at;
        let file = KeyFile::Destroyed(left);
        // Asked again of what was found there: the file may have been exchanged meanwhile.
        let kek = kek.or(wrapped(&file, what.key, &log)?);
        let held = Held { entry: what.key, file: Ok(file) };
        let unnamed = || Fault::new(FaultClass::Internal, "name key", &self.config.instance);
        let key = named(&held).ok_or_else(unnamed)?;
        let print = key.fingerprint.clone();
        if log.is_destroyed(&print, at) {
            self.note_destroyed(&log, &print).await?;
            return Ok(KeyDestroyedAt { at, entry: KeyEntry::Before });
        }
        let body = KeyDestroyed {
            key,
            destroyed_at: at,
            wrapped: true,
            kek,
            backups_until: what.backups_until,
            reason: what.by.reason.into(),
            who: what.by.who.into(),
            authenticated: false,
        };
        self.note(self.sites.home()?, NO_LANE, "", &EntryBody::KeyDestroyed(Box::new(body))).await?;
        let entry = self.see_destroyed(&print, at).await.map_or_else(KeyEntry::Later, |()| KeyEntry::Now);
        Ok(KeyDestroyedAt { at, entry })
    }

    /// Brings the entry into the log, sees it there, and only then notes it.
    async fn see_destroyed(&self, fingerprint: &str, at: Timestamp) -> Result<(), Fault> {
        let log = self.key_log().await?;
        if !log.is_destroyed(fingerprint, at) {
            let fault = Fault::new(FaultClass::Blocked(Cause::Evidence), "evidence log", &self.config.instance);
            return Err(fault.with_detail("the entry is not in the log yet"));
        }
        self.note_destroyed(&log, fingerprint).await
    }
}

/// The KEK of a key that came into use wrapped, as the log says, which alone can be called destroyed.
fn wrapped(file: &KeyFile, entry: &config::PseudonymKey, log: &KeyLog) -> Result<Option<String>, KeyStopped> {
    let created = log.wrapped(file.fingerprint().as_str()).ok_or_else(|| {
        let message =
            "the evidence does not know the key as one that was always wrapped, so nobody can say that it is destroyed";
        let fix = "delete the file and its copies yourself; no evidence will claim it";
        KeyStopped::File(config::Problem::new(entry.file.display().to_string(), message, fix))
    })?;
    Ok(created.kek.clone())
}
