//! How each rule stands: one document each, written whole, under the term that stands in it.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, StandingRow, Standings, fault_point};
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, signed};

#[async_trait]
impl Standings for MongoControl {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        const OPERATION: &str = "read standings";
        let by_rule = FindOptions::builder().sort(doc! { "rule": 1 }).build();
        let found = self.several(OPERATION, "standing", doc! { "instance": self.instance() }, by_rule).await?;
        let read = |found: &Document| Some(StandingRow { rule: found.text("rule")?, body: found.text("body")? });
        found.iter().map(|found| read(found).ok_or_else(|| self.odd(OPERATION))).collect()
    }

    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit {
        if let Err(fault) = fault_point::before("standing.keep") {
            return Commit::Unknown(fault);
        }
        let kept = self.keep_under(row, term).await;
        match fault_point::after("standing.keep") {
            Ok(()) => kept.map_or_else(Refusal::commit, |()| Commit::Committed),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn drop_standing(&self, rule: &str, term: u64) -> Commit {
        self.drop_under(rule, term).await.map_or_else(Refusal::commit, |()| Commit::Committed)
    }
}

// === impl MongoControl ===

impl MongoControl {
    fn standing_id(&self, rule: &str) -> Document {
        doc! { "i": self.instance(), "r": rule }
    }

    async fn keep_under(&self, row: &StandingRow, term: u64) -> Result<(), Refusal> {
        const OPERATION: &str = "keep standing";
        self.check_fence(OPERATION, term, None).await?;
        let StandingRow { rule, body } = row;
        let document = doc! {
            "_id": self.standing_id(rule), "instance": self.instance(), "rule": rule, "term": signed(term), "body": body,
        };
        let ours = doc! { "_id": self.standing_id(rule), "term": { "$lte": signed(term) } };
        let collection = self.own("standing");
        let done = self.call(OPERATION, collection.replace_one(ours, document.clone())).await?;
        if done.matched_count == 1 || self.insert(OPERATION, "standing", document).await? {
            return Ok(());
        }
        // It is there and was not met: its term is a later one.
        Err(Refusal::Fenced)
    }

    async fn drop_under(&self, rule: &str, term: u64) -> Result<(), Refusal> {
        const OPERATION: &str = "drop standing";
        self.check_fence(OPERATION, term, None).await?;
        let ours = doc! { "_id": self.standing_id(rule), "term": { "$lte": signed(term) } };
        let collection = self.own("standing");
        let done = self.call(OPERATION, collection.delete_one(ours)).await?;
        if done.deleted_count == 1 {
            return Ok(());
        }
        self.met_nothing(OPERATION, "standing", self.standing_id(rule), term).await
    }
}
