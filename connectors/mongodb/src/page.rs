//! Pages of keys along `_id`: each looks at so many documents and no more, and comes in one answer. The next one can be read
//! while a batch of this one's is changed.

use std::sync::Arc;

use mongodb::bson::{Bson, RawDocument};
use tokio::task::JoinHandle;

use crate::collection::Along;
use crate::error::Failure;
use crate::query::all;
use crate::sealed::Ground;
use crate::walk::Start;

/// A page looks at so many documents for each that a batch may have, within bounds.
const LOOKED_AT_PER_ROW: u32 = 4;
const LOOKED_AT: std::ops::RangeInclusive<u32> = 1_000..=10_000;

/// Pages end where fewer than one of so many documents was due.
const LOOKED_AT_PER_FOUND_MAX: u32 = 8;

/// An answer with keys of so many bytes may have been cut: a message has 16 MiB, and a key is far smaller.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A part of the keys, of one type.
pub(crate) struct Page {
    start: Start,
    /// Its last key; absent: it has the last keys of their type.
    end: Option<Bson>,
    looked_at: u32,
    found: u32,
    /// Of the keys that were found.
    bytes: usize,
    /// The last of them.
    last: Option<Bson>,
    /// Those that were not taken yet.
    keys: std::vec::IntoIter<Bson>,
    ahead: Option<Ahead>,
}

/// What comes behind a page.
pub(crate) enum Behind {
    /// A page from here.
    Page(Start),
    /// Everything behind this key: hardly anything was due any more.
    Rest(Bson),
    /// Keys of the types behind this one's, if there are any.
    LaterTypes(Bson),
}

/// The page behind one, as it is read. It ends with whoever waits for it.
struct Ahead(JoinHandle<Result<Page, Failure>>);

// === impl Page ===

impl Page {
    /// Reads the part of the keys from here on that a page may look at.
    pub(crate) async fn read(ground: &Ground, start: Start, rows_max: u32) -> Result<Self, Failure> {
        let (link, table) = (ground.link(), &ground.step.table.name);
        let looked_at = rows_max.saturating_mul(LOOKED_AT_PER_ROW).clamp(*LOOKED_AT.start(), *LOOKED_AT.end());
        let last = Along { skip: looked_at - 1, ..Along::default() };
        let end = link.key("pick", table, start.range(None), last).await?;
        let due = all(vec![start.range(end.as_ref()), ground.scope.filter.clone()]);
        let mut cursor = link.keys("pick", table, due, Along { limit: looked_at, ..Along::default() }).await?;
        let (mut keys, mut bytes) = (vec![], 0);
        // One call for all of them: they came in one answer.
        let read = async {
            while cursor.advance().await? {
                bytes += cursor.current().as_bytes().len();
                keys.push(key_of(cursor.current())?);
            }
            Ok(())
        };
        link.call("pick", &ground.place, Box::pin(read)).await?;
        let (found, last) = (u32::try_from(keys.len()).unwrap_or(u32::MAX), keys.last().cloned());
        Ok(Self { start, end, looked_at, found, bytes, last, keys: keys.into_iter(), ahead: None })
    }

    /// The next key.
    pub(crate) fn take(&mut self) -> Option<Bson> {
        self.keys.next()
    }

    /// What comes behind it.
    pub(crate) fn behind(&self) -> Behind {
        match &self.end {
            // There may be more than one answer holds.
            _ if self.bytes >= PAGE_BYTES_MAX || self.found >= self.looked_at => {
                Behind::Page(self.last.clone().map_or_else(|| self.start.clone(), Start::Behind))
            }
            Some(end) if self.found.saturating_mul(LOOKED_AT_PER_FOUND_MAX) >= self.looked_at => {
                Behind::Page(Start::Behind(end.clone()))
            }
            Some(end) => Behind::Rest(end.clone()),
            None => Behind::LaterTypes(self.start.key().clone()),
        }
    }

    /// Begins to read the page behind it: one takes longer than a batch does.
    pub(crate) fn read_ahead(&mut self, ground: &Arc<Ground>, rows_max: u32) {
        if self.ahead.is_some() {
            return;
        }
        if let Behind::Page(start) = self.behind() {
            let ground = Arc::clone(ground);
            self.ahead = Some(Ahead(tokio::spawn(async move { Self::read(&ground, start, rows_max).await })));
        }
    }

    /// The page behind it as it was read ahead. What kept it from that, the next try meets.
    pub(crate) async fn ahead(self) -> Option<Self> {
        (&mut self.ahead?.0).await.ok()?.ok()
    }
}

/// The key of a document. Read where it lies: a map of each document takes as long as to find it.
pub(crate) fn key_of(document: &RawDocument) -> mongodb::error::Result<Bson> {
    Ok(document.get("_id")?.map(Bson::try_from).transpose()?.unwrap_or(Bson::Null))
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}
