//! What people ask of the holder: one document each. Only its answer carries a term.

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Commit, Fault, FaultClass, REQUESTS_MAX, RequestRow, RequestState, Requests, fault_point,
};
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::FindOptions;

use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, signed};
use crate::facts;

#[async_trait]
impl Requests for MongoControl {
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault> {
        const OPERATION: &str = "post request";
        if self.request(id).await?.is_some() {
            return Ok(());
        }
        let few = FindOptions::builder().projection(doc! { "_id": 1 }).limit(i64::from(REQUESTS_MAX)).build();
        let waiting = self.several(OPERATION, "request", self.not_done(), few).await?;
        if waiting.len() >= REQUESTS_MAX as usize {
            let fault = Fault::new(FaultClass::Blocked(Cause::Requests), OPERATION, self.place());
            return Err(fault.with_detail(format!("{REQUESTS_MAX} requests wait")));
        }
        let now = facts::now(&self.shared.link).await?.as_millisecond();
        let document = doc! {
            "_id": self.request_id(id), "instance": self.instance(), "id": id, "term": 0_i64, "body": body,
            "state": RequestState::Open.id(), "answer": "", "posted_at": DateTime::from_millis(now),
        };
        // Where it is there by now, somebody posted it in between.
        self.insert(OPERATION, "request", document).await?;
        Ok(())
    }

    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        const OPERATION: &str = "read requests";
        let oldest = FindOptions::builder().sort(doc! { "posted_at": 1, "id": 1 }).limit(i64::from(REQUESTS_MAX));
        let found = self.several(OPERATION, "request", self.not_done(), oldest.build()).await?;
        found.iter().map(|found| read(found).ok_or_else(|| self.odd(OPERATION))).collect()
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault> {
        const OPERATION: &str = "read request";
        let found = self.one(OPERATION, "request", doc! { "_id": self.request_id(id) }).await?;
        found.map(|found| read(&found).ok_or_else(|| self.odd(OPERATION))).transpose()
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit {
        if let Err(fault) = fault_point::before("request.answer") {
            return Commit::Unknown(fault);
        }
        let told = self.tell(id, state, answer, term).await;
        match fault_point::after("request.answer") {
            Ok(()) => told.map_or_else(Refusal::commit, |()| Commit::Committed),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault> {
        let now = facts::now(&self.shared.link).await?.as_millisecond();
        let until = DateTime::from_millis(now.saturating_sub(signed(older_than_secs.saturating_mul(1_000))));
        let old = doc! {
            "instance": self.instance(), "state": { "$in": [RequestState::Open.id(), RequestState::Done.id()] },
            "posted_at": { "$lte": until },
        };
        let collection = self.own("request");
        Ok(self.call("forget requests", collection.delete_many(old)).await?.deleted_count)
    }
}

// === impl MongoControl ===

impl MongoControl {
    fn request_id(&self, id: &str) -> Document {
        doc! { "i": self.instance(), "q": id }
    }

    fn not_done(&self) -> Document {
        doc! {
            "instance": self.instance(), "state": { "$in": [RequestState::Open.id(), RequestState::Taken.id()] },
        }
    }

    async fn tell(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Result<(), Refusal> {
        const OPERATION: &str = "answer request";
        self.check_fence(OPERATION, term, None).await?;
        let mut ours = self.not_done();
        ours.extend(doc! { "_id": self.request_id(id), "term": { "$lte": signed(term) } });
        let change = doc! { "$set": { "state": state.id(), "answer": answer, "term": signed(term) } };
        let collection = self.own("request");
        if self.call(OPERATION, collection.update_one(ours, change)).await?.matched_count == 1 {
            return Ok(());
        }
        self.met_nothing(OPERATION, "request", self.request_id(id), term).await
    }
}

fn read(document: &Document) -> Option<RequestRow> {
    Some(RequestRow {
        id: document.text("id")?,
        body: document.text("body")?,
        state: RequestState::from_id(&document.text("state")?)?,
        answer: document.text("answer")?,
    })
}
