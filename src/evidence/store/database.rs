//! The log inside the control tables: every step is one transaction there, so nothing is ever half done.

use async_trait::async_trait;
use forgetd_connector::{Append, Control, Head, HeadState, LeafKey, LeafRow, Published};

use super::{Files, Store};
use crate::evidence::EvidenceFault;

/// The log called `origin` in the control tables of `database`.
pub struct DatabaseStore<'a> {
    database: String,
    control: &'a dyn Control,
    origin: String,
}

// === impl DatabaseStore ===

impl<'a> DatabaseStore<'a> {
    /// Names the log; nothing is read yet.
    pub fn new(database: &str, control: &'a dyn Control, origin: &str) -> Self {
        Self { database: database.into(), control, origin: origin.into() }
    }
}

#[async_trait]
impl Files for DatabaseStore<'_> {
    fn place(&self) -> String {
        self.database.clone()
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault> {
        Ok(self.control.object(&self.origin, path).await?)
    }
}

#[async_trait]
impl Store for DatabaseStore<'_> {
    async fn head(&self) -> Result<Option<HeadState>, EvidenceFault> {
        Ok(self.control.head(&self.origin).await?)
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        self.control.publish(append, term).await
    }

    async fn settle(&self, _head: &Head) -> Result<(), EvidenceFault> {
        Ok(())
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), EvidenceFault> {
        Ok(self.control.put_object(&self.origin, path, bytes).await?)
    }

    async fn paths(&self) -> Result<Vec<String>, EvidenceFault> {
        Ok(self.control.paths(&self.origin).await?)
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, EvidenceFault> {
        Ok(self.control.leaves(keys).await?)
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, EvidenceFault> {
        Ok(self.control.newest_leaves().await?)
    }
}
