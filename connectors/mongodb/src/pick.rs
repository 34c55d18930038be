//! The next keys of a lane, in their order: page by page along the index of keys while much of what is looked at is due, else
//! from one sorted cursor over all that is.
//!
//! A cursor that sorts is worked out whole before its first key, and again after it was lost; a page looks at so many
//! documents and no more. Where few of them are due a page finds nothing, so the server is left to find them its own way.

use forgetd_connector::FaultClass;
use mongodb::bson::{Bson, Document, doc};

use crate::codec;
use crate::collection::Along;
use crate::error::Failure;
use crate::flavour;
use crate::query::all;
use crate::sealed::Ground;
use crate::walk::{self, Start};

/// The keys of a batch stand in one document, beside its receipt.
const KEY_BYTES_MAX: usize = 1_000_000;

/// A page looks at so many documents for each that a batch may have, within bounds.
const LOOKED_AT_PER_ROW: u32 = 4;
const LOOKED_AT: std::ops::RangeInclusive<u32> = 1_000..=10_000;

/// Pages end where fewer than one of so many documents was due.
const LOOKED_AT_PER_FOUND_MAX: u32 = 8;

/// An answer with keys of so many bytes may have been cut: a message has 16 MiB, and a key is far smaller.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A walk under way: a cursor of the server's, and the last key that was taken from it.
pub(crate) struct Walk {
    cursor: mongodb::Cursor<Document>,
    at: Option<Bson>,
    /// What the cursor goes through; absent: everything that is left.
    page: Option<Page>,
}

/// A part of the keys, of one type.
struct Page {
    start: Start,
    /// Its last key; absent: it has the last keys of their type.
    end: Option<Bson>,
    looked_at: u32,
    found: u32,
    /// Of the keys that were found.
    bytes: usize,
}

// === impl Walk ===

impl Walk {
    /// Whether it stands behind this key.
    pub(crate) fn stands_at(&self, from: Option<&Bson>) -> bool {
        self.at.as_ref() == from
    }

    fn took(&mut self, id: &Bson, bytes: usize) {
        self.at = Some(id.clone());
        if let Some(page) = &mut self.page {
            page.found += 1;
            page.bytes += bytes;
        }
    }
}

// === impl Ground ===

impl Ground {
    /// The next keys, and the walk behind them where there may be more.
    pub(crate) async fn take(
        &self,
        walk: Option<Walk>,
        from: Option<Bson>,
        rows_max: u32,
    ) -> Result<(Vec<Bson>, Option<Walk>), Failure> {
        let mut keys: Vec<Bson> = vec![];
        let (mut bytes, mut reopened) = (0, false);
        let mut open = match walk {
            Some(walk) if walk.stands_at(from.as_ref()) => walk,
            _ => self.begin(from.as_ref(), rows_max).await?,
        };
        while keys.len() < rows_max as usize && bytes < KEY_BYTES_MAX {
            match self.link().call("pick", &self.place, open.cursor.advance()).await {
                Ok(true) => {}
                Ok(false) => match self.following(open, rows_max).await? {
                    Some(next) => {
                        open = next;
                        continue;
                    }
                    None => return Ok((keys, None)),
                },
                // The server forgot the cursor: the walk goes on behind the last key.
                Err(failure) if failure.fault.class == FaultClass::Transient && !reopened => {
                    reopened = true;
                    open = self.begin(open.at.as_ref(), rows_max).await?;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            let found = open.cursor.deserialize_current();
            let found = found.map_err(|error| Failure::of(&error, "pick", &self.place))?;
            let id = found.get("_id").cloned().unwrap_or(Bson::Null);
            let size = codec::canonical(&id).len();
            bytes += size;
            open.took(&id, size);
            keys.push(id);
        }
        Ok((keys, Some(open)))
    }

    /// A walk behind a position, or from the first key.
    async fn begin(&self, after: Option<&Bson>, rows_max: u32) -> Result<Walk, Failure> {
        let pages = flavour::pages_by_hint(&self.shared.facts) && !self.scope.collated && self.scope.lookups.is_empty();
        let start = match after {
            _ if !pages => None,
            Some(after) => Start::behind(after),
            None => self.outermost(false).await?.as_ref().and_then(Start::at),
        };
        match start {
            Some(start) => self.page(after, start, rows_max).await,
            None => self.rest(after, after.map(walk::behind), rows_max).await,
        }
    }

    /// What comes behind a cursor that ended; nothing: the walk is over.
    async fn following(&self, walk: Walk, rows_max: u32) -> Result<Option<Walk>, Failure> {
        let Walk { at, page, .. } = walk;
        let Some(page) = page else { return Ok(None) };
        let at = at.as_ref();
        let next = match page.end {
            // There may be more than one answer holds.
            _ if page.bytes >= PAGE_BYTES_MAX || page.found >= page.looked_at => {
                let behind = at.map(|at| Start::Behind(at.clone()));
                self.page(at, behind.unwrap_or(page.start), rows_max).await?
            }
            Some(end) if page.found.saturating_mul(LOOKED_AT_PER_FOUND_MAX) >= page.looked_at => {
                self.page(at, Start::Behind(end), rows_max).await?
            }
            Some(end) => self.rest(at, Some(walk::behind(&end)), rows_max).await?,
            None => {
                let last = self.outermost(true).await?;
                if last.is_none_or(|last| walk::comparable(&last, page.start.key())) {
                    return Ok(None);
                }
                self.rest(at, Some(walk::of_later_types(page.start.key())), rows_max).await?
            }
        };
        Ok(Some(next))
    }

    /// The part of the keys from here on that a page may look at.
    async fn page(&self, at: Option<&Bson>, start: Start, rows_max: u32) -> Result<Walk, Failure> {
        let looked_at = rows_max.saturating_mul(LOOKED_AT_PER_ROW).clamp(*LOOKED_AT.start(), *LOOKED_AT.end());
        let end = self.key(start.range(None), Along { skip: looked_at - 1, ..Along::default() }).await?;
        let due = all(vec![start.range(end.as_ref()), self.scope.filter.clone()]);
        let along = Along { limit: looked_at, ..Along::default() };
        let cursor = self.link().keys("pick", &self.step.table.name, due, along).await?;
        let page = Page { start, end, looked_at, found: 0, bytes: 0 };
        Ok(Walk { cursor, at: at.cloned(), page: Some(page) })
    }

    /// Everything of a range, from one cursor.
    async fn rest(&self, at: Option<&Bson>, range: Option<Document>, rows_max: u32) -> Result<Walk, Failure> {
        let mut stages = self.scope.stages(range);
        stages.extend([doc! { "$sort": { "_id": 1 } }, doc! { "$project": { "_id": 1 } }]);
        let cursor = self.link().open("pick", &self.step.table.name, &self.scope, stages, rows_max).await?;
        Ok(Walk { cursor, at: at.cloned(), page: None })
    }

    /// One key of a range.
    async fn key(&self, range: Document, along: Along) -> Result<Option<Bson>, Failure> {
        let along = Along { limit: 1, ..along };
        let mut found = self.link().keys("pick", &self.step.table.name, range, along).await?;
        if !self.link().call("pick", &self.place, found.advance()).await? {
            return Ok(None);
        }
        let found = found.deserialize_current().map_err(|error| Failure::of(&error, "pick", &self.place))?;
        Ok(found.get("_id").cloned())
    }

    /// The first key of the collection, or the last.
    async fn outermost(&self, descending: bool) -> Result<Option<Bson>, Failure> {
        self.key(Document::new(), Along { descending, ..Along::default() }).await
    }
}
