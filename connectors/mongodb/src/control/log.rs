//! The evidence log: a head that is swapped, and carries what it was swapped with.
//!
//! A step is one write: the head moves by compare-and-swap and takes the step's tiles and leaves into its own document. From
//! there they are spread into their collections, as often as it takes, and the head moves no further before they are. Who
//! reads in between looks into the head as well.

use async_trait::async_trait;
use forgetd_connector::{Append, Fault, FaultClass, Head, HeadPlace, HeadState, LeafKey, LeafRow, LogStore, Published};
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use super::receipts::receipt_key;
use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, binary, signed};
use crate::error::{Failure, Fate};

/// Documents named in one statement.
const NAMED_AT_ONCE: usize = 500;

/// Why a step was not taken.
enum Stop {
    Published(Published),
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Published> for Stop {
    fn from(published: Published) -> Self {
        Self::Published(published)
    }
}

#[async_trait]
impl LogStore for MongoControl {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        let found = self.one("read log head", "log_head", doc! { "_id": origin }).await?;
        let head = found.map(|found| read_head(origin, &found).ok_or_else(|| self.odd("read log head"))).transpose()?;
        Ok(head.map(|head| HeadState { head, place: HeadPlace::Same }))
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        match self.step(append, term).await {
            Ok(()) => Published::Done,
            Err(Stop::Published(published)) => published,
            Err(Stop::Failure(failure)) if failure.fate == Fate::Unknown => Published::Unknown(failure.fault),
            Err(Stop::Failure(failure)) => Published::Failed(failure.fault),
        }
    }

    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        const OPERATION: &str = "read log object";
        // Before the object: what is spread in between is then found in either.
        let head = self.unspread(OPERATION, doc! { "_id": origin }).await?;
        if let Some(object) = self.one(OPERATION, "log_object", doc! { "_id": object_id(origin, path) }).await? {
            return object.bytes("bytes").map(Some).ok_or_else(|| self.odd(OPERATION));
        }
        let carried = head.iter().flat_map(|head| documents(head, "objects"));
        Ok(carried.filter(|object| object.says("path", path)).find_map(|object| object.bytes("bytes")))
    }

    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let collection = self.own("log_object");
        let (only, object) = (doc! { "_id": object_id(origin, path) }, object(origin, path, bytes));
        self.call("store log object", collection.replace_one(only, object).upsert(true)).await?;
        Ok(())
    }

    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        const OPERATION: &str = "list log objects";
        let head = self.unspread(OPERATION, doc! { "_id": origin }).await?;
        let options = FindOptions::builder().projection(doc! { "path": 1 }).build();
        let found = self.several(OPERATION, "log_object", doc! { "origin": origin }, options).await?;
        let carried = head.iter().flat_map(|head| documents(head, "objects"));
        let mut paths: Vec<String> = found.iter().chain(carried).filter_map(|object| object.text("path")).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        const OPERATION: &str = "look leaves up";
        let heads = self.unspread(OPERATION, doc! { "instance": self.instance() }).await?;
        let mut rows = self.stored_leaves(OPERATION, keys).await?;
        let carried = heads.iter().flat_map(|head| documents(head, "leaves")).filter_map(read_leaf);
        for leaf in carried.filter(|leaf| keys.contains(&leaf.key)) {
            if !rows.iter().any(|row| row.key == leaf.key) {
                rows.push(leaf);
            }
        }
        Ok(rows)
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        const OPERATION: &str = "read newest leaves";
        let heads = self.unspread(OPERATION, doc! { "instance": self.instance() }).await?;
        let mut newest = self.newest_in(OPERATION, "log_leaf").await?;
        newest.extend(heads.iter().flat_map(|head| documents(head, "leaves")).filter_map(receipt_key));
        newest.sort();
        // The last of each lane.
        newest.reverse();
        newest.dedup_by(|a, b| (&a.generation, &a.rule, &a.lane) == (&b.generation, &b.rule, &b.lane));
        newest.reverse();
        Ok(newest)
    }

    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        const OPERATION: &str = "remember head";
        let collection = self.own("head_copy");
        let earlier = doc! { "_id": &head.origin, "size": { "$lt": signed(head.size) } };
        let copy = doc! { "size": signed(head.size), "root": binary(&head.root) };
        let moved = self.call(OPERATION, collection.update_one(earlier, doc! { "$set": copy.clone() })).await?;
        if moved.matched_count == 0 {
            let mut new = doc! { "_id": &head.origin };
            new.extend(copy);
            // One that is there is as far, or further.
            self.insert(OPERATION, "head_copy", new).await?;
        }
        Ok(())
    }

    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        const OPERATION: &str = "read remembered head";
        let found = self.one(OPERATION, "head_copy", doc! { "_id": origin }).await?;
        found.map(|found| read_head(origin, &found).ok_or_else(|| self.odd(OPERATION))).transpose()
    }
}

// === impl MongoControl ===

impl MongoControl {
    async fn step(&self, append: &Append, term: u64) -> Result<(), Stop> {
        const OPERATION: &str = "publish";
        self.check_fence(OPERATION, term, None).await.map_err(|refusal| match refusal {
            Refusal::Fenced => Stop::Published(Published::Fenced),
            Refusal::Failure(failure) => Stop::Published(Published::Failed(failure.fault)),
        })?;
        let origin = append.next.origin.as_str();
        let standing = self.one(OPERATION, "log_head", doc! { "_id": origin }).await.map_err(untouched)?;
        let head = standing
            .as_ref()
            .map(|found| read_head(origin, found).ok_or_else(|| Failure::odd(OPERATION, &self.place())));
        let head = head.transpose()?;
        if head != append.expected {
            return Err(Published::Moved(head).into());
        }
        if let Some(standing) = &standing {
            self.spread(OPERATION, origin, standing).await.map_err(untouched)?;
        }
        // Nobody writes these but with the head, so they stand until it is swapped.
        if self.meets_others(OPERATION, append).await.map_err(untouched)? {
            return Err(Published::Conflict.into());
        }
        let document = self.swap(OPERATION, append, term).await?;
        // The step is taken. What fails from here on is made up for by whoever comes next.
        if let Err(failure) = self.spread(OPERATION, origin, &document).await {
            tracing::warn!(fault = %failure.fault, "a step of the log stands in its head only: the next one mends it");
        }
        Ok(())
    }

    /// Swaps the head and returns its document.
    async fn swap(&self, operation: &'static str, append: &Append, term: u64) -> Result<Document, Stop> {
        let origin = append.next.origin.as_str();
        let leaves: Vec<Document> = append.leaves.iter().map(|row| self.leaf(row)).collect();
        let objects = append.objects.iter().map(|(path, bytes)| object(origin, path, bytes));
        let next = doc! {
            "instance": self.instance(), "size": signed(append.next.size), "root": binary(&append.next.root),
            "term": signed(term), "carries": {
                "objects": objects.collect::<Vec<_>>(), "leaves": leaves, "superseded": append.superseded.clone(),
            },
        };
        let mut document = doc! { "_id": origin };
        document.extend(next);
        let swapped = match &append.expected {
            None => self.insert(operation, "log_head", document.clone()).await?,
            Some(expected) => {
                let ours = doc! {
                    "_id": origin, "size": signed(expected.size), "root": binary(&expected.root),
                    "term": { "$lte": signed(term) }, "carries": { "$exists": false },
                };
                let collection = self.own("log_head");
                self.call(operation, collection.replace_one(ours, document.clone())).await?.matched_count == 1
            }
        };
        if swapped {
            return Ok(document);
        }
        let standing = self.one(operation, "log_head", doc! { "_id": origin }).await.map_err(untouched)?;
        if standing.as_ref().and_then(|head| head.number("term")).is_some_and(|standing| standing > term) {
            return Err(Published::Fenced.into());
        }
        let head = standing.as_ref().and_then(|found| read_head(origin, found));
        if head == append.expected {
            let fault = Fault::new(FaultClass::Transient, operation, self.place());
            return Err(Published::Failed(fault).into());
        }
        Err(Published::Moved(head).into())
    }

    /// Puts what a head carries where it belongs, and takes it out of the head. Doing it again changes nothing.
    async fn spread(&self, operation: &'static str, origin: &str, head: &Document) -> Result<(), Failure> {
        let Ok(carried) = head.get_document("carries") else { return Ok(()) };
        self.create_all(operation, "log_object", documents(head, "objects").cloned().collect()).await?;
        self.create_all(operation, "log_leaf", documents(head, "leaves").cloned().collect()).await?;
        let superseded = carried.get_array("superseded").into_iter().flatten();
        let superseded: Vec<Document> = superseded.filter_map(|path| Some(object_id(origin, path.as_str()?))).collect();
        for ids in superseded.chunks(NAMED_AT_ONCE) {
            let collection = self.own("log_object");
            self.call(operation, collection.delete_many(doc! { "_id": { "$in": ids } })).await?;
        }
        let (collection, size) = (self.own("log_head"), head.get("size").cloned());
        let spread = doc! { "_id": origin, "size": size, "carries": { "$exists": true } };
        self.call(operation, collection.update_one(spread, doc! { "$unset": { "carries": "" } })).await?;
        Ok(())
    }

    /// Inserts those that are not there yet.
    async fn create_all(&self, operation: &'static str, name: &str, all: Vec<Document>) -> Result<(), Failure> {
        if all.is_empty() {
            return Ok(());
        }
        let collection = self.own(name);
        match self.call(operation, collection.insert_many(all).ordered(false)).await {
            Err(failure) if failure.fate != Fate::Duplicate => Err(failure),
            _ => Ok(()),
        }
    }

    /// Whether a leaf of the step is in the log already, or an object with other bytes.
    async fn meets_others(&self, operation: &'static str, append: &Append) -> Result<bool, Failure> {
        let keys: Vec<LeafKey> = append.leaves.iter().map(|leaf| leaf.key.clone()).collect();
        if !self.stored_leaves(operation, &keys).await?.is_empty() {
            return Ok(true);
        }
        let origin = append.next.origin.as_str();
        for objects in append.objects.chunks(NAMED_AT_ONCE) {
            let ids: Vec<Document> = objects.iter().map(|(path, _)| object_id(origin, path)).collect();
            let ids = doc! { "_id": { "$in": ids } };
            for found in self.several(operation, "log_object", ids, FindOptions::default()).await? {
                let (path, bytes) = (found.text("path"), found.bytes("bytes"));
                let same = |(ours, new): &(String, Vec<u8>)| Some(ours) == path.as_ref() && Some(new) == bytes.as_ref();
                if !objects.iter().any(same) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn stored_leaves(&self, operation: &'static str, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Failure> {
        let mut rows = vec![];
        for keys in keys.chunks(NAMED_AT_ONCE) {
            let ids: Vec<Document> = keys.iter().map(|key| self.receipt_id(key)).collect();
            let ids = doc! { "_id": { "$in": ids } };
            for found in self.several(operation, "log_leaf", ids, FindOptions::default()).await? {
                rows.push(read_leaf(&found).ok_or_else(|| Failure::odd(operation, &self.place()))?);
            }
        }
        Ok(rows)
    }

    /// Heads that still carry their step.
    async fn unspread(&self, operation: &'static str, mut filter: Document) -> Result<Vec<Document>, Failure> {
        filter.insert("carries", doc! { "$exists": true });
        self.several(operation, "log_head", filter, FindOptions::default()).await
    }

    fn leaf(&self, row: &LeafRow) -> Document {
        let mut leaf = self.keyed(&row.key);
        leaf.extend(doc! { "index": signed(row.index), "hash": binary(&row.hash) });
        leaf
    }
}

/// Before the head is swapped nothing of the step is there.
fn untouched(failure: Failure) -> Stop {
    Stop::Published(Published::Failed(failure.fault))
}

/// The documents in one list that a head carries.
fn documents<'a>(head: &'a Document, list: &str) -> impl Iterator<Item = &'a Document> {
    let list = head.get_document("carries").and_then(|carried| carried.get_array(list));
    list.into_iter().flatten().filter_map(mongodb::bson::Bson::as_document)
}

fn object_id(origin: &str, path: &str) -> Document {
    doc! { "o": origin, "p": path }
}

fn object(origin: &str, path: &str, bytes: &[u8]) -> Document {
    doc! { "_id": object_id(origin, path), "origin": origin, "path": path, "bytes": binary(bytes) }
}

fn read_head(origin: &str, document: &Document) -> Option<Head> {
    Some(Head { origin: origin.into(), size: document.number("size")?, root: document.bytes32("root")? })
}

fn read_leaf(document: &Document) -> Option<LeafRow> {
    Some(LeafRow { key: receipt_key(document)?, index: document.number("index")?, hash: document.bytes32("hash")? })
}
