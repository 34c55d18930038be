//! Receipts that are sealed first and done later. The seal carries its holder's term, so who adopts it takes it away.

use forgetd_connector::{
    Cause, Commit, Cursor, Deadline, Fault, FaultClass, Key, OpenSeal, Pending, Receipt, SealEnd, fault_point, in_time,
};
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use super::receipts::{by_key, pending};
use super::{MongoControl, Refusal};
use crate::codec::{self, Fields as _, binary, signed};

// === impl MongoControl ===

impl MongoControl {
    /// Step 2: the receipt in state sealed, with its private key list and the position that counts once it is done.
    pub(super) async fn insert_sealed(&self, receipt: &Receipt, keys: &[Key], deadline: &dyn Deadline) -> Commit {
        const OPERATION: &str = "seal receipt";
        let Some(keys) = codec::keys_to_bson(keys) else { return Commit::RolledBack(self.odd(OPERATION)) };
        let mut document = self.receipt(receipt, "sealed");
        document.insert("keys", keys);
        if let Some(position) = receipt.cursor.position() {
            document.insert("position", position.as_text());
        }
        if let Err(fault) = fault_point::before("seal") {
            return Commit::Unknown(fault);
        }
        let done = self.announce(OPERATION, receipt, document, deadline).await;
        match fault_point::after("seal") {
            Ok(()) => done.map_or_else(Refusal::commit, |()| Commit::Committed),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    /// The look at the fence may have taken until the lease is over.
    async fn announce(
        &self,
        operation: &'static str,
        receipt: &Receipt,
        document: Document,
        deadline: &dyn Deadline,
    ) -> Result<(), Refusal> {
        self.check_receipt(operation, receipt).await?;
        in_time(deadline, operation, &self.place())?;
        self.insert_receipt(operation, document).await
    }

    /// Step 5: the outcome replaces what was sealed, unless somebody adopted it. Repeating it is answered with done.
    pub(super) async fn finish_sealed(&self, receipt: &Receipt) -> SealEnd {
        if let Err(fault) = fault_point::before("unseal") {
            return SealEnd::Failed(fault);
        }
        let end = self.end_seal(receipt).await;
        if let Err(fault) = fault_point::after("unseal") {
            return SealEnd::Failed(fault);
        }
        end.unwrap_or_else(SealEnd::Failed)
    }

    async fn end_seal(&self, receipt: &Receipt) -> Result<SealEnd, Fault> {
        const OPERATION: &str = "unseal receipt";
        let id = self.receipt_id(&receipt.key);
        let ours = doc! { "_id": id.clone(), "state": "sealed", "term": signed(receipt.term) };
        let mut done = doc! { "state": "done", "body": binary(&receipt.body), "mac": binary(&receipt.mac) };
        if let Some(rows) = &receipt.rows {
            done.insert("rows", binary(rows));
        }
        let change = doc! { "$set": done, "$unset": { "keys": "", "position": "" } };
        let collection = self.own("receipt");
        let ended = self.call(OPERATION, collection.update_one(ours, change)).await?;
        if ended.matched_count == 1 {
            self.cursor_follows(receipt).await;
            return Ok(SealEnd::Done);
        }
        match self.one(OPERATION, "receipt", doc! { "_id": id }).await? {
            // The answer to the first time was lost.
            Some(found)
                if found.number("term") == Some(receipt.term)
                    && !found.says("state", "sealed")
                    && found.bytes("body").as_ref() == Some(&receipt.body) =>
            {
                self.cursor_follows(receipt).await;
                Ok(SealEnd::Done)
            }
            Some(_) => Ok(SealEnd::Adopted),
            None => {
                let fault = Fault::new(FaultClass::Blocked(Cause::Restored), OPERATION, self.place());
                Err(fault.with_detail("the sealed receipt is gone"))
            }
        }
    }

    /// The receipt is done, whatever becomes of the cursor.
    async fn cursor_follows(&self, receipt: &Receipt) {
        if let Err(failure) = self.move_cursor(receipt).await {
            tracing::warn!(fault = %failure.fault, "a cursor lags: what lies between is walked again");
        }
    }

    /// Takes every open seal into `term`, and pays what receipts still owe.
    pub(super) async fn adopt_seals(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        const OPERATION: &str = "adopt seals";
        // Whoever adopts may not have raised the fence here yet; only a later holder is in the way.
        let standing = self.one(OPERATION, "fence", doc! { "_id": self.instance() }).await?;
        if standing.and_then(|fence| fence.number("term")).is_some_and(|standing| standing > term) {
            return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), OPERATION, self.place()));
        }
        self.pay_debts(OPERATION).await?;
        let earlier = doc! { "instance": self.instance(), "state": "sealed", "term": { "$lt": signed(term) } };
        let (collection, change) = (self.own("receipt"), doc! { "$set": { "term": signed(term) } });
        self.call(OPERATION, collection.update_many(earlier, change)).await?;
        let ours = doc! { "instance": self.instance(), "state": "sealed", "term": signed(term) };
        let options = FindOptions::builder().sort(by_key()).build();
        let found = self.several(OPERATION, "receipt", ours, options).await?;
        found.iter().map(|seal| open_seal(seal, term).ok_or_else(|| self.odd(OPERATION))).collect()
    }
}

fn open_seal(document: &Document, term: u64) -> Option<OpenSeal> {
    let Pending { key, body, mac } = pending(document)?;
    let receipt = Receipt {
        key,
        run: document.text("run")?,
        term,
        body,
        mac,
        rows: document.bytes("rows"),
        cursor: document.text("position").map(Cursor::from_text).into(),
    };
    Some(OpenSeal { receipt, keys: codec::keys_from_bson(document.get("keys")?)? })
}
