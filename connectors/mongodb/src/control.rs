//! forgetd's own collections in a database beside the application's. Each write is one document, for nothing else is whole
//! here.
//!
//! - A document that a holder may write again carries the term it was written under, and is written only while that is not
//!   a later one's; a takeover writes its term into all of them. So a stale holder's write meets nothing.
//! - A receipt is written once. Its key is its `_id`, so a stale holder's receipt loses to whoever took its sequence.
//! - What belongs together with a receipt stands in it as a debt, and is paid from there as often as it takes.

mod ddl;
mod fence;
mod leases;
mod log;
mod receipts;
mod requests;
mod rulebook;
mod runs;
mod seals;
mod settle;
mod standings;

use std::sync::Arc;

use forgetd_connector::{Commit, Fault};
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use crate::connector::Shared;
use crate::error::{Failure, Fate, odd};
use crate::probe::Probed;

/// The control collections of one database.
pub(crate) struct MongoControl {
    pub(crate) shared: Arc<Shared>,
}

/// Why a write under the fence was not done.
enum Refusal {
    /// A later term stands.
    Fenced,
    Failure(Failure),
}

/// The one document that says what the collections are.
const CONTROL_ID: &str = "control";

// === impl Refusal ===

impl Refusal {
    fn commit(self) -> Commit {
        match self {
            Self::Fenced => Commit::Fenced,
            Self::Failure(failure) => failure.commit(),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Failure(Failure { fault, fate: Fate::Nothing })
    }
}

// === impl MongoControl ===

impl MongoControl {
    fn place(&self) -> String {
        self.shared.link.control_place()
    }

    fn instance(&self) -> &str {
        &self.shared.link.context.instance
    }

    fn own(&self, name: &str) -> Collection<Document> {
        self.shared.link.own(name)
    }

    fn odd(&self, operation: &'static str) -> Fault {
        odd(operation, &self.place())
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        work: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, Failure> {
        self.shared.link.call(operation, &self.place(), work).await.map_err(Failure::of_control)
    }

    /// One document.
    async fn one(&self, operation: &'static str, name: &str, filter: Document) -> Result<Option<Document>, Failure> {
        let collection = self.own(name);
        self.call(operation, collection.find_one(filter)).await
    }

    /// Several, in an order.
    async fn several(
        &self,
        operation: &'static str,
        name: &str,
        filter: Document,
        options: FindOptions,
    ) -> Result<Vec<Document>, Failure> {
        let collection = self.own(name);
        let read = async { collection.find(filter).with_options(options).await?.try_collect().await };
        self.call(operation, Box::pin(read)).await
    }

    /// What a pipeline makes of a collection.
    async fn summed(
        &self,
        operation: &'static str,
        name: &str,
        pipeline: Vec<Document>,
    ) -> Result<Vec<Document>, Failure> {
        let collection = self.own(name);
        let read = async { collection.aggregate(pipeline).await?.try_collect().await };
        self.call(operation, Box::pin(read)).await
    }

    /// What was probed of this very server.
    pub(crate) async fn probed(&self) -> Result<Option<Probed>, Fault> {
        let control = self.one("read probe", "control", doc! { "_id": CONTROL_ID }).await?;
        let stored = control.as_ref().and_then(|control| control.get_document("probe").ok());
        Ok(stored.and_then(|stored| Probed::from_document(stored, &self.shared.facts.identity)))
    }
}
