//! Where a log lies: inside a database's control tables, or in a folder whose head row lies there.

mod database;
mod durable;
mod folder;
mod staging;

use async_trait::async_trait;
use forgetd_connector::{Append, Head, HeadState, LeafKey, LeafRow, Published};

pub use database::DatabaseStore;
pub use folder::{Folder, FolderStore};

use super::EvidenceFault;

/// The files of one log by their C2SP paths, for reading.
#[async_trait]
pub trait Files: Send + Sync {
    /// Where they are, in words for a person.
    fn place(&self) -> String;

    /// One file, if it is there.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault>;
}

/// One log that can grow. One writer at a time: the fence, and for a folder its lock, see to it.
#[async_trait]
pub trait Store: Files {
    /// The committed head and whether its row is where it was written.
    async fn head(&self) -> Result<Option<HeadState>, EvidenceFault>;

    /// Makes `append.next` the head, or leaves everything as it was. After `Done` or `Unknown` the files may still
    /// have to be brought into place by [`Store::settle`].
    async fn publish(&self, append: &Append, term: u64) -> Published;

    /// Brings the files of a committed head into place. Growing and recovering from a crash both end with it; doing it
    /// again changes nothing.
    async fn settle(&self, head: &Head) -> Result<(), EvidenceFault>;

    /// Stores or replaces a file that is no tile.
    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), EvidenceFault>;

    /// All paths of the log.
    async fn paths(&self) -> Result<Vec<String>, EvidenceFault>;

    /// Which of these receipts have a leaf.
    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, EvidenceFault>;

    /// The newest leaf of every lane.
    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, EvidenceFault>;
}
