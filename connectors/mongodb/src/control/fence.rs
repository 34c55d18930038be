//! The fence: a document to be read, and a term in every document that a holder writes again.

use forgetd_connector::{Cause, Fault, FaultClass, FenceRaise, Generation};
use mongodb::bson::{Document, doc};

use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, signed};

/// How often a raise is tried that somebody else's raise overtakes.
const RAISES_MAX: usize = 8;

/// The collections whose documents are written again and carry their writer's term.
const WRITTEN_AGAIN: &[&str] = &["rulebook", "standing", "request", "log_head"];

// === impl MongoControl ===

impl MongoControl {
    /// Checks that the fence holds `term` and, where it is given, this generation. Who was frozen behind this look is met by
    /// what it writes: see the module above.
    pub(super) async fn check_fence(
        &self,
        operation: &'static str,
        term: u64,
        generation: Option<&Generation>,
    ) -> Result<(), Refusal> {
        let blocked = |cause, detail: &str| {
            Err(Fault::new(FaultClass::Blocked(cause), operation, self.place()).with_detail(detail).into())
        };
        let fence = self.one(operation, "fence", doc! { "_id": self.instance() }).await?;
        let Some(standing) = fence.as_ref().and_then(|fence| fence.number("term")) else {
            return blocked(Cause::ControlTables, "the collections were emptied, or the fence was never raised here");
        };
        let current = fence.and_then(|fence| fence.text("generation")).map(Generation);
        match standing {
            standing if standing > term => Err(Refusal::Fenced),
            standing if standing < term => blocked(Cause::Restored, "the fence holds an earlier term than ours"),
            _ if generation.is_some() && generation != current.as_ref() => {
                blocked(Cause::Restored, "the control collections are of another generation")
            }
            _ => Ok(()),
        }
    }

    /// What it means that a write under `term` met no document to change: that one of a later term stands, or that there is
    /// nothing to be done.
    pub(super) async fn met_nothing(
        &self,
        operation: &'static str,
        name: &str,
        id: Document,
        term: u64,
    ) -> Result<(), Refusal> {
        let later = doc! { "_id": id, "term": { "$gt": signed(term) } };
        match self.one(operation, name, later).await? {
            Some(_) => Err(Refusal::Fenced),
            None => self.check_fence(operation, term, None).await,
        }
    }

    /// Raises it, and then tells every document that is written again.
    pub(super) async fn raise(&self, term: u64) -> Result<FenceRaise, Fault> {
        const OPERATION: &str = "raise fence";
        let generation = self.generation(OPERATION).await?;
        let fence = self.own("fence");
        for _ in 0..RAISES_MAX {
            let below = doc! { "_id": self.instance(), "term": { "$lt": signed(term) } };
            let change = doc! { "$set": { "term": signed(term), "generation": &generation.0 } };
            let raised = self.call(OPERATION, fence.update_one(below, change)).await?.matched_count == 1;
            let new = doc! { "_id": self.instance(), "term": signed(term), "generation": &generation.0 };
            if raised || self.insert(OPERATION, "fence", new).await? {
                self.tell_term(OPERATION, term).await?;
                return Ok(FenceRaise::Raised);
            }
            let standing = self.one(OPERATION, "fence", doc! { "_id": self.instance() }).await?;
            match standing.and_then(|fence| fence.number("term")) {
                Some(standing) if standing > term => return Ok(FenceRaise::Later(standing)),
                Some(standing) if standing == term => {
                    // Whoever raised it may have come no further.
                    self.tell_term(OPERATION, term).await?;
                    return Ok(FenceRaise::Raised);
                }
                _ => {}
            }
        }
        Err(self.odd(OPERATION))
    }

    async fn tell_term(&self, operation: &'static str, term: u64) -> Result<(), Fault> {
        for name in WRITTEN_AGAIN {
            let below = doc! { "instance": self.instance(), "term": { "$lt": signed(term) } };
            let (collection, change) = (self.own(name), doc! { "$set": { "term": signed(term) } });
            self.call(operation, collection.update_many(below, change)).await?;
        }
        Ok(())
    }
}
