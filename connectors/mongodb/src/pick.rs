//! The keys of a lane, in their order: page by page along the index of keys where much of what is there is due, else
//! from one sorted cursor over all that is.
//!
//! A cursor that sorts is worked out whole before its first key, and again after it was lost; a page looks at so many
//! documents and no more. Where few of them are due a page finds nothing, so the server is left to find them its own way.

use std::sync::Arc;

use forgetd_connector::FaultClass;
use mongodb::bson::{Bson, Document, doc};

use crate::codec;
use crate::collection::Along;
use crate::error::Failure;
use crate::page::{Behind, Page, key_of};
use crate::sealed::Ground;
use crate::walk::{self, Start};

/// The keys of a batch stand in one document, beside its receipt.
const KEY_BYTES_MAX: usize = 1_000_000;

/// A walk under way: where its keys come from, and the last one that was taken.
pub(crate) struct Walk {
    keys: Keys,
    at: Option<Bson>,
}

enum Keys {
    /// One page of them.
    Page(Box<Page>),
    /// Everything that is left, from one cursor of the server's.
    Rest(Box<mongodb::Cursor<Document>>),
}

// === impl Walk ===

impl Walk {
    /// Whether it stands behind this key.
    pub(crate) fn stands_at(&self, from: Option<&Bson>) -> bool {
        self.at.as_ref() == from
    }

    async fn next(&mut self, ground: &Ground) -> Result<Option<Bson>, Failure> {
        let id = match &mut self.keys {
            Keys::Page(page) => page.take(),
            Keys::Rest(cursor) => {
                if ground.link().call("pick", &ground.place, cursor.advance()).await? {
                    Some(key_of(cursor.current()).map_err(|error| ground.failed(&error))?)
                } else {
                    None
                }
            }
        };
        if id.is_some() {
            self.at.clone_from(&id);
        }
        Ok(id)
    }
}

// === impl Ground ===

impl Ground {
    /// The next keys, and the walk behind them where there may be more.
    pub(crate) async fn take(
        self: &Arc<Self>,
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
            match open.next(self).await {
                Ok(Some(id)) => {
                    bytes += codec::length(&id);
                    keys.push(id);
                }
                Ok(None) => match self.following(open, rows_max).await? {
                    Some(next) => open = next,
                    None => return Ok((keys, None)),
                },
                // The server forgot the cursor: the walk goes on behind the last key.
                Err(failure) if failure.fault.class == FaultClass::Transient && !reopened => {
                    reopened = true;
                    open = self.begin(open.at.as_ref(), rows_max).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        if let Keys::Page(page) = &mut open.keys {
            page.read_ahead(self, rows_max);
        }
        Ok((keys, Some(open)))
    }

    /// A walk behind a position, or from the first key.
    async fn begin(&self, after: Option<&Bson>, rows_max: u32) -> Result<Walk, Failure> {
        let start = match after {
            _ if !self.shared.reads_along(&self.scope) => None,
            Some(after) => Start::behind(after),
            None => self.outermost(false).await?.as_ref().and_then(Start::at),
        };
        match start {
            Some(start) => {
                let page = Page::read(self, start, rows_max).await?;
                Ok(Walk { keys: Keys::Page(Box::new(page)), at: after.cloned() })
            }
            None => self.rest(after.cloned(), after.map(walk::behind), rows_max).await,
        }
    }

    /// What comes behind a page or a cursor that ended; nothing: the walk is over.
    async fn following(&self, walk: Walk, rows_max: u32) -> Result<Option<Walk>, Failure> {
        let Walk { keys: Keys::Page(page), at } = walk else { return Ok(None) };
        let next = match page.behind() {
            Behind::Page(start) => {
                let page = match page.ahead().await {
                    Some(page) => page,
                    None => Page::read(self, start, rows_max).await?,
                };
                Walk { keys: Keys::Page(Box::new(page)), at }
            }
            Behind::Rest(end) => self.rest(at, Some(walk::behind(&end)), rows_max).await?,
            Behind::LaterTypes(key) => {
                let last = self.outermost(true).await?;
                if last.is_none_or(|last| walk::comparable(&last, &key)) {
                    return Ok(None);
                }
                self.rest(at, Some(walk::of_later_types(&key)), rows_max).await?
            }
        };
        Ok(Some(next))
    }

    /// Everything of a range, from one cursor.
    async fn rest(&self, at: Option<Bson>, range: Option<Document>, rows_max: u32) -> Result<Walk, Failure> {
        let mut stages = self.scope.stages(range);
        stages.extend([doc! { "$sort": { "_id": 1 } }, doc! { "$project": { "_id": 1 } }]);
        let cursor = self.link().open("pick", &self.step.table.name, &self.scope, stages, rows_max).await?;
        Ok(Walk { keys: Keys::Rest(Box::new(cursor)), at })
    }

    /// The first key of the collection, or the last.
    async fn outermost(&self, descending: bool) -> Result<Option<Bson>, Failure> {
        let along = Along { descending, ..Along::default() };
        self.link().key("pick", &self.step.table.name, Document::new(), along).await
    }
}
