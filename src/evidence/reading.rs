//! What can be asked of a configured log without acting: its files, a verification, an export. Writes to no database.

use std::path::Path;

use super::assess::{self, anchor};
use super::log::{checkpoint, tile};
use super::memory::{self, Databases};
use super::store::{Files, Folder};
use super::verify::{Knowledge, Verification, verify};
use super::{EvidenceFault, Relay};

/// Shows every entry of a log up to its checkpoint to `visit`, until it has seen enough. Nothing is verified.
pub async fn each(files: &dyn Files, visit: &mut (dyn FnMut(u64, &[u8]) -> bool + Send)) -> Result<(), EvidenceFault> {
    let missing = |what: &str| EvidenceFault::evidence(files.place(), format!("{what} is missing or damaged"));
    let Some(bytes) = files.read("checkpoint").await? else { return Ok(()) };
    let (checkpoint, _) = checkpoint::parse(&bytes).map_err(|_| missing("checkpoint"))?;
    for path in tile::paths(checkpoint.size).filter(|path| path.kind == tile::Kind::Entries) {
        let bytes = match files.read(&path.to_string()).await? {
            Some(bytes) => bytes,
            None => files.read(&path.full().to_string()).await?.ok_or_else(|| missing(&path.to_string()))?,
        };
        let entries = tile::parse_bundle(&bytes).map_err(|_| missing(&path.to_string()))?;
        for (entry, index) in entries.into_iter().take(path.width.into()).zip(path.index * tile::WIDTH..) {
            if !visit(index, entry) {
                return Ok(());
            }
        }
    }
    Ok(())
}

// === impl Relay ===

impl Relay {
    /// The files of the log that is in force.
    pub async fn files<'a>(&self, databases: &Databases<'a>) -> Result<Box<dyn Files + 'a>, EvidenceFault> {
        let site = assess::current(&self.config, &self.key, databases).await?;
        Ok(assess::store(&self.config, &site, databases)?)
    }

    /// Verifies the log with our own key and against every copy of its head that can be seen.
    pub async fn verify(
        &self,
        databases: &Databases<'_>,
        since: Option<Vec<u8>>,
    ) -> Result<Verification, EvidenceFault> {
        let site = assess::current(&self.config, &self.key, databases).await?;
        let store = assess::store(&self.config, &site, databases)?;
        let remember = self.config.remember.as_ref().map(Folder::new);
        let (memories, _) =
            memory::recall(&site.origin, anchor(&self.config), databases, remember.as_ref(), &site.key).await?;
        let remembered = memories.into_iter().map(|memory| (memory.place, memory.head)).collect();
        verify(&*store, &Knowledge { key: Some(site.key), since, remembered }).await
    }

    /// Writes the log of the newest checkpoint to a folder: the static layout that any web server serves, and nothing
    /// that an older checkpoint needed. Files that are there are replaced; the checkpoint comes last, so that a reader
    /// never sees one whose tiles are missing. Returns how many files it wrote.
    pub async fn export(&self, databases: &Databases<'_>, to: &Path) -> Result<u64, EvidenceFault> {
        let site = assess::current(&self.config, &self.key, databases).await?;
        let store = assess::store(&self.config, &site, databases)?;
        let Some((checkpoint, signed)) = assess::stored_checkpoint(&*store, &site.key).await? else {
            return Err(EvidenceFault::evidence(store.place(), "there is no checkpoint to export"));
        };
        let mut wanted: Vec<String> = store.paths().await?;
        wanted.retain(|path| path == "log.vkey" || path.starts_with("policy/"));
        let mut written = 1;
        let to = Folder::new(to);
        for path in tile::paths(checkpoint.size) {
            // A partial tile may have become superfluous meanwhile; the full one begins with it.
            let full = path.full().to_string();
            match store.read(&path.to_string()).await? {
                Some(bytes) => to.replace(&path.to_string(), bytes).await?,
                None => wanted.push(full),
            }
            written += 1;
        }
        for path in wanted {
            let missing = || EvidenceFault::evidence(store.place(), format!("{path} is missing"));
            to.replace(&path, store.read(&path).await?.ok_or_else(missing)?).await?;
            written += 1;
        }
        to.replace("checkpoint", signed.into_bytes()).await?;
        Ok(written)
    }
}
