//! Receipts: written once, acknowledged once, and never chosen by a mark.

use async_trait::async_trait;
use forgetd_connector::{
    Commit, Cursor, CursorMove, Deadline, Fault, Generation, Key, OpenSeal, Pending, Receipt, ReceiptKey, Receipts,
    SealEnd, Settled, Stamp,
};
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::{FindOptions, ReadConcern};

use super::{MongoControl, Refusal, settle};
use crate::codec::{Fields as _, binary, signed};
use crate::error::Failure;
use crate::facts;
use crate::flavour;

/// Receipts removed by one statement, and the statements of one call: what is left goes with the next.
const PRUNED_AT_ONCE: usize = 500;
const PRUNES_MAX: usize = 100;

/// Statements of one command.
const ACKED_AT_ONCE: usize = 500;

/// The order of receipts.
pub(super) fn by_key() -> Document {
    doc! { "generation": 1, "rule": 1, "lane": 1, "sequence": 1 }
}

#[async_trait]
impl Receipts for MongoControl {
    async fn append(&self, receipt: &Receipt) -> Commit {
        const OPERATION: &str = "append receipt";
        let document = self.receipt(receipt, "done");
        let done = self.insert_fenced(OPERATION, receipt, document).await;
        done.map_or_else(Refusal::commit, |()| Commit::Committed)
    }

    async fn append_late(&self, receipt: &Receipt) -> Commit {
        let document = self.receipt(receipt, "done");
        let done = self.insert_receipt("append late receipt", document).await;
        done.map_or_else(Refusal::commit, |()| Commit::Committed)
    }

    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        const OPERATION: &str = "next sequence";
        let generation = self.generation(OPERATION).await?;
        let filter = doc! { "instance": self.instance(), "generation": generation.0, "rule": rule, "lane": lane };
        let highest = FindOptions::builder().sort(doc! { "sequence": -1 }).limit(1).build();
        let found = self.several(OPERATION, "receipt", filter, highest).await?;
        match found.first() {
            None => Ok(1),
            Some(receipt) => receipt.number("sequence").map(|sequence| sequence + 1).ok_or_else(|| self.odd(OPERATION)),
        }
    }

    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault> {
        const OPERATION: &str = "read cursor";
        let generation = self.generation(OPERATION).await?;
        let found = self.one(OPERATION, "cursor", doc! { "_id": self.lane_id(rule, lane) }).await?;
        let ours = found.filter(|cursor| cursor.says("generation", &generation.0));
        Ok(ours.and_then(|cursor| cursor.text("position")).map(Cursor::from_text))
    }

    async fn settle(&self, key: &ReceiptKey) -> Settled {
        // A receipt is one document, so there is no transaction to be waited for. One that was sent and still comes meets
        // whatever stands at its sequence by then, or stands there itself.
        settle::settled(|| self.looked_up(key)).await
    }

    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        const OPERATION: &str = "read receipt";
        let found = self.one(OPERATION, "receipt", doc! { "_id": self.receipt_id(key) }).await?;
        found.map(|receipt| stamp(&receipt).ok_or_else(|| self.odd(OPERATION))).transpose()
    }

    async fn seal(&self, receipt: &Receipt, keys: &[Key], deadline: &dyn Deadline) -> Commit {
        self.insert_sealed(receipt, keys, deadline).await
    }

    async fn unseal(&self, receipt: &Receipt) -> SealEnd {
        self.finish_sealed(receipt).await
    }

    async fn adopt(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        self.adopt_seals(term).await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault> {
        const OPERATION: &str = "read pending receipts";
        let filter = doc! { "instance": self.instance(), "state": "done" };
        let options = FindOptions::builder().sort(by_key()).limit(i64::from(limit)).build();
        let found = self.several(OPERATION, "receipt", filter, options).await?;
        found.iter().map(|receipt| pending(receipt).ok_or_else(|| self.odd(OPERATION))).collect()
    }

    async fn pending_count(&self) -> Result<u64, Fault> {
        let collection = self.own("receipt");
        let filter = doc! { "instance": self.instance(), "state": "done" };
        Ok(self.call("count pending receipts", collection.count_documents(filter)).await?)
    }

    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        const OPERATION: &str = "acknowledge receipts";
        for acks in acks.chunks(ACKED_AT_ONCE) {
            let statements = series(acks).map(|acks| self.ack(acks)).collect();
            let (link, place) = (&self.shared.link, self.place());
            let written = link.update(OPERATION, &place, &self.own("receipt"), statements).await;
            if let Some(failure) = Failure::of_written(&written.map_err(Failure::of_control)?, OPERATION, &place) {
                return Err(failure.of_control().fault);
            }
        }
        Ok(())
    }

    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        self.newest_in("read newest receipts", "receipt").await
    }

    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        const OPERATION: &str = "read receipts";
        let mut filter = doc! { "instance": self.instance(), "state": { "$in": ["done", "acked"] } };
        if let Some(key) = after {
            filter.insert("$or", behind(key));
        }
        let options = FindOptions::builder().sort(by_key()).limit(i64::from(limit)).build();
        let found = self.several(OPERATION, "receipt", filter, options).await?;
        found.iter().map(|receipt| pending(receipt).ok_or_else(|| self.odd(OPERATION))).collect()
    }

    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        let found = self.one("read row commitments", "receipt", doc! { "_id": self.receipt_id(key) }).await?;
        Ok(found.and_then(|receipt| receipt.bytes("rows")))
    }

    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault> {
        const OPERATION: &str = "prune receipts";
        let now = facts::now(&self.shared.link).await?.as_millisecond();
        let until = DateTime::from_millis(now.saturating_sub(signed(keep_secs.saturating_mul(1_000))));
        let newest = self.newest().await?;
        let collection = self.own("receipt");
        let mut gone = 0;
        for newest in newest {
            // The lane's newest stays.
            let ReceiptKey { generation, rule, lane, sequence } = newest;
            let old = doc! {
                "instance": self.instance(), "state": "acked", "generation": generation.0, "rule": rule, "lane": lane,
                "sequence": { "$lt": signed(sequence) }, "leaf": { "$lt": signed(covered) }, "acked_at": { "$lte": until },
                // A debt that stands is still to be paid.
                "debtor": { "$exists": false },
            };
            for _ in 0..PRUNES_MAX {
                let few = FindOptions::builder().projection(doc! { "_id": 1 }).limit(PRUNED_AT_ONCE as i64).build();
                let found = self.several(OPERATION, "receipt", old.clone(), few).await?;
                let ids: Vec<Bson> = found.into_iter().filter_map(|mut receipt| receipt.remove("_id")).collect();
                let found = ids.len();
                let done = self.call(OPERATION, collection.delete_many(doc! { "_id": { "$in": ids } })).await?;
                gone += done.deleted_count;
                if found < PRUNED_AT_ONCE {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

// === impl MongoControl ===

impl MongoControl {
    /// The `_id` of a receipt, and of its leaf: what makes a second one impossible.
    pub(super) fn receipt_id(&self, key: &ReceiptKey) -> Document {
        let ReceiptKey { generation, rule, lane, sequence } = key;
        doc! { "i": self.instance(), "g": &generation.0, "r": rule, "l": lane, "s": signed(*sequence) }
    }

    /// The statement that acknowledges receipts of one series.
    fn ack(&self, acks: &[(ReceiptKey, u64)]) -> Document {
        let ids: Vec<Document> = acks.iter().map(|(key, _)| self.receipt_id(key)).collect();
        let ahead = acks.first().map_or(0, |(key, leaf)| signed(*leaf) - signed(key.sequence));
        let leaf = doc! { "$add": ["$sequence", ahead] };
        let acked = doc! { "state": "acked", "leaf": leaf, "acked_at": "$$NOW" };
        doc! { "q": { "_id": { "$in": ids }, "state": "done" }, "u": [{ "$set": acked }], "multi": true }
    }

    pub(super) fn lane_id(&self, rule: &str, lane: &str) -> Document {
        doc! { "i": self.instance(), "r": rule, "l": lane }
    }

    /// A document that is found by a receipt's key.
    pub(super) fn keyed(&self, key: &ReceiptKey) -> Document {
        let ReceiptKey { generation, rule, lane, sequence } = key;
        doc! {
            "_id": self.receipt_id(key), "instance": self.instance(), "generation": &generation.0, "rule": rule,
            "lane": lane, "sequence": signed(*sequence),
        }
    }

    pub(super) fn receipt(&self, receipt: &Receipt, state: &str) -> Document {
        let mut document = self.keyed(&receipt.key);
        document.extend(doc! {
            "run": &receipt.run, "term": signed(receipt.term), "state": state, "body": binary(&receipt.body),
            "mac": binary(&receipt.mac),
        });
        if let Some(rows) = &receipt.rows {
            document.insert("rows", binary(rows));
        }
        document
    }

    /// What stands at a receipt's place, as one look tells.
    async fn looked_up(&self, key: &ReceiptKey) -> Settled {
        const OPERATION: &str = "settle";
        let (collection, filter) = (self.own("receipt"), doc! { "_id": self.receipt_id(key) });
        let mut find = collection.find_one(filter.clone());
        if flavour::replicates(&self.shared.facts) {
            find = find.read_concern(ReadConcern::majority());
        }
        match self.call(OPERATION, find).await {
            Ok(Some(_)) => Settled::Present,
            Ok(None) => match self.one(OPERATION, "receipt", filter).await {
                Ok(None) => Settled::Absent,
                // A majority may have it soon, or never.
                Ok(Some(_)) | Err(_) => Settled::Unsettled,
            },
            Err(_) => Settled::Unsettled,
        }
    }

    /// Inserts a receipt. A taken sequence is another holder's.
    pub(super) async fn insert_receipt(&self, operation: &'static str, document: Document) -> Result<(), Refusal> {
        if self.insert(operation, "receipt", document).await? { Ok(()) } else { Err(Refusal::Fenced) }
    }

    /// The same under the receipt's term and generation.
    pub(super) async fn insert_fenced(
        &self,
        operation: &'static str,
        receipt: &Receipt,
        document: Document,
    ) -> Result<(), Refusal> {
        self.check_receipt(operation, receipt).await?;
        self.insert_receipt(operation, document).await
    }

    /// Whether the fence lets this receipt be written.
    pub(super) async fn check_receipt(&self, operation: &'static str, receipt: &Receipt) -> Result<(), Refusal> {
        self.check_fence(operation, receipt.term, Some(&receipt.key.generation)).await.map_err(unwritten)
    }

    /// Moves the lane's cursor as the receipt says, never back. One that is not moved lags, which is safe.
    pub(super) async fn move_cursor(&self, receipt: &Receipt) -> Result<(), Failure> {
        const OPERATION: &str = "move cursor";
        let key = &receipt.key;
        let id = self.lane_id(&key.rule, &key.lane);
        let before = doc! { "$or": [
            { "generation": { "$ne": &key.generation.0 } },
            { "sequence": { "$lt": signed(key.sequence) } },
        ] };
        let mut earlier = doc! { "_id": id.clone() };
        earlier.extend(before);
        let collection = self.own("cursor");
        let position = match &receipt.cursor {
            CursorMove::Keep => return Ok(()),
            CursorMove::Gone => {
                self.call(OPERATION, collection.delete_one(earlier)).await?;
                return Ok(());
            }
            CursorMove::To(cursor) => cursor.as_text(),
        };
        let moved = doc! {
            "instance": self.instance(), "rule": &key.rule, "generation": &key.generation.0,
            "sequence": signed(key.sequence), "position": position,
        };
        let done = self.call(OPERATION, collection.update_one(earlier, doc! { "$set": moved.clone() })).await?;
        if done.matched_count == 0 {
            let mut new = doc! { "_id": id };
            new.extend(moved);
            self.insert(OPERATION, "cursor", new).await?;
        }
        Ok(())
    }

    /// The highest sequence of every lane in a collection with receipt keys.
    pub(super) async fn newest_in(&self, operation: &'static str, name: &str) -> Result<Vec<ReceiptKey>, Fault> {
        let pipeline = vec![
            doc! { "$match": { "instance": self.instance() } },
            doc! { "$group": {
                "_id": { "generation": "$generation", "rule": "$rule", "lane": "$lane" },
                "sequence": { "$max": "$sequence" },
            } },
        ];
        let found = self.summed(operation, name, pipeline).await?;
        let read = |group: &Document| {
            let mut lane = group.get_document("_id").ok()?.clone();
            lane.insert("sequence", group.get("sequence")?.clone());
            receipt_key(&lane)
        };
        let keys: Option<Vec<ReceiptKey>> = found.iter().map(read).collect();
        let mut keys = keys.ok_or_else(|| self.odd(operation))?;
        keys.sort();
        Ok(keys)
    }
}

/// Receipts of one lane that follow each other in the log as in the lane: their leaves are as far from their sequences, so one
/// statement says them all.
fn series(acks: &[(ReceiptKey, u64)]) -> impl Iterator<Item = &[(ReceiptKey, u64)]> {
    acks.chunk_by(|(one, leaf), (other, behind)| {
        (&one.generation, &one.rule, &one.lane) == (&other.generation, &other.rule, &other.lane)
            && leaf.checked_add(other.sequence) == behind.checked_add(one.sequence)
    })
}

/// A look that was refused or failed left nothing.
fn unwritten(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Fenced => Refusal::Fenced,
        Refusal::Failure(failure) => Refusal::from(failure.fault),
    }
}

fn stamp(receipt: &Document) -> Option<Stamp> {
    Some(Stamp { term: receipt.number("term")?, mac: receipt.bytes32("mac")? })
}

/// What is true of every receipt behind this key.
fn behind(key: &ReceiptKey) -> Vec<Document> {
    let ReceiptKey { generation: Generation(generation), rule, lane, sequence } = key;
    vec![
        doc! { "generation": { "$gt": generation } },
        doc! { "generation": generation, "rule": { "$gt": rule } },
        doc! { "generation": generation, "rule": rule, "lane": { "$gt": lane } },
        doc! { "generation": generation, "rule": rule, "lane": lane, "sequence": { "$gt": signed(*sequence) } },
    ]
}

/// The key in a document's fields.
pub(super) fn receipt_key(document: &Document) -> Option<ReceiptKey> {
    Some(ReceiptKey {
        generation: Generation(document.text("generation")?),
        rule: document.text("rule")?,
        lane: document.text("lane")?,
        sequence: document.number("sequence")?,
    })
}

pub(super) fn pending(document: &Document) -> Option<Pending> {
    Some(Pending { key: receipt_key(document)?, body: document.bytes("body")?, mac: document.bytes32("mac")? })
}
