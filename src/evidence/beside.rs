//! What is stored beside the log and is no part of it: the policies, and what its entries were said to be about.

use forgetd_connector::Cause;

use super::memory::Databases;
use super::store::Store;
use super::{EvidenceFault, Relay, assess};

// === impl Relay ===

impl Relay {
    /// Whether the policy of this digest is stored beside the log.
    pub async fn has_policy(&self, databases: &Databases<'_>, digest: &str) -> Result<bool, EvidenceFault> {
        self.with_store(databases, async |store| Ok(store.read(&policy_path(digest)).await?.is_some())).await
    }

    /// Stores the policy in force beside the log, as `policy/<digest>.yaml`. The caller has replaced every literal.
    pub async fn put_policy(&self, databases: &Databases<'_>, digest: &str, text: &str) -> Result<(), EvidenceFault> {
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(EvidenceFault::new(Cause::Internal, "policy", "its digest is not a SHA-256 in hex"));
        }
        self.with_store(databases, async |store| store.put(&policy_path(digest), text.as_bytes()).await).await
    }

    /// What [`Relay::put_announced`] said under this path.
    pub async fn announced(&self, databases: &Databases<'_>, path: &str) -> Result<Option<String>, EvidenceFault> {
        let said = self.with_store(databases, async |store| store.read(path).await).await?;
        Ok(said.map(|said| String::from_utf8_lossy(&said).trim_end().to_owned()))
    }

    /// Notes beside the log what its entries say, so that they need not be read for it; in place of what was noted there.
    pub async fn put_announced(&self, databases: &Databases<'_>, path: &str, said: &str) -> Result<(), EvidenceFault> {
        self.with_store(databases, async |store| store.put(path, format!("{said}\n").as_bytes()).await).await
    }

    /// Does something with the store of the open log. An error leaves the log closed.
    async fn with_store<T>(
        &self,
        databases: &Databases<'_>,
        work: impl AsyncFnOnce(&dyn Store) -> Result<T, EvidenceFault>,
    ) -> Result<T, EvidenceFault> {
        let mut open = self.open.lock().await;
        let log = match open.take() {
            Some(log) => log,
            None => self.begin(databases).await?.0,
        };
        let done = work(&*assess::store(&self.config, &log.site, databases)?).await?;
        *open = Some(log);
        Ok(done)
    }
}

/// Where the policy of a digest is stored.
fn policy_path(digest: &str) -> String {
    format!("policy/{digest}.yaml")
}
