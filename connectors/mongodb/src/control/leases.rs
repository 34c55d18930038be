//! The lease, on the server's clock.

use async_trait::async_trait;
use forgetd_connector::{Acquired, Fault, FenceRaise, Lease, LeaseClaim, Leases, fault_point};
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;

use super::MongoControl;
use crate::codec::{Fields as _, signed};

/// The moment at which a lease of this length ends that begins now.
fn until(duration_ms: u64) -> Document {
    doc! { "$add": ["$$NOW", signed(duration_ms)] }
}

#[async_trait]
impl Leases for MongoControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        const OPERATION: &str = "read lease";
        let pipeline = vec![
            doc! { "$match": { "_id": self.instance(), "term": { "$gt": 0_i64 } } },
            doc! { "$project": { "holder": 1, "term": 1, "left": { "$subtract": ["$until", "$$NOW"] } } },
        ];
        let found = self.summed(OPERATION, "lease", pipeline).await?;
        let Some(lease) = found.first() else { return Ok(None) };
        let left = match lease.get("left") {
            Some(Bson::Int64(left)) => *left,
            Some(Bson::Int32(left)) => i64::from(*left),
            _ => return Err(self.odd(OPERATION)),
        };
        let (Some(holder), Some(term)) = (lease.text("holder"), lease.number("term")) else {
            return Err(self.odd(OPERATION));
        };
        Ok(Some(Lease { holder, term, alive: left > 0, left_ms: u64::try_from(left).unwrap_or_default() }))
    }

    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        fault_point::before("lease.acquire")?;
        let acquired = self.take(claim, force).await?;
        fault_point::after("lease.acquire")?;
        Ok(acquired)
    }

    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault> {
        let ours = doc! { "_id": self.instance(), "holder": &claim.holder, "term": signed(term) };
        let (collection, change) = (self.own("lease"), vec![doc! { "$set": { "until": until(claim.duration_ms) } }]);
        let done = self.call("renew lease", collection.update_one(ours, change)).await?;
        Ok(done.matched_count == 1)
    }

    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault> {
        let ours = doc! { "_id": self.instance(), "holder": holder, "term": signed(term) };
        // The document stays: its term never falls.
        let (collection, change) = (self.own("lease"), doc! { "$set": { "until": DateTime::from_millis(0) } });
        self.call("release lease", collection.update_one(ours, change)).await?;
        Ok(())
    }

    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault> {
        fault_point::before("fence.raise")?;
        let raised = self.raise(term).await?;
        fault_point::after("fence.raise")?;
        Ok(raised)
    }
}

// === impl MongoControl ===

impl MongoControl {
    async fn take(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        const OPERATION: &str = "acquire lease";
        let mut free = doc! { "_id": self.instance() };
        if !force {
            // Our own, from a call whose answer was lost: once more under a new term.
            free.insert(
                "$or",
                vec![doc! { "holder": &claim.holder }, doc! { "$expr": { "$lte": ["$until", "$$NOW"] } }],
            );
        }
        let change = doc! {
            "holder": { "$literal": &claim.holder },
            "term": { "$add": ["$term", 1_i64] },
            "until": until(claim.duration_ms),
        };
        let collection = self.own("lease");
        // A second time where the document had to be made: an upsert that loses the race is an error of its own kind here.
        for _ in 0..2 {
            let taking = collection.find_one_and_update(free.clone(), vec![doc! { "$set": change.clone() }]);
            let taken = self.call(OPERATION, taking.return_document(ReturnDocument::After)).await?;
            if let Some(lease) = taken {
                return lease.number("term").map(|term| Acquired::Held { term }).ok_or_else(|| self.odd(OPERATION));
            }
            if let Some(lease) = self.lease().await? {
                return Ok(Acquired::Taken(lease));
            }
            let nobody =
                doc! { "_id": self.instance(), "holder": "", "term": 0_i64, "until": DateTime::from_millis(0) };
            self.insert(OPERATION, "lease", nobody).await?;
        }
        Err(self.odd(OPERATION))
    }
}
