//! One of the user's collections, as statements reach it.

use forgetd_connector::TableRef;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{AggregateOptions, Collation, FindOptions, Hint};
use mongodb::{Collection, Cursor, Database};

use crate::connect::Link;
use crate::error::Failure;
use crate::query::{Scope, by_key};
use crate::reply;

/// Which keys are read along their index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Along {
    pub(crate) descending: bool,
    pub(crate) skip: u32,
    pub(crate) limit: u32,
}

// === impl Link ===

impl Link {
    /// The database that a table lies in.
    pub(crate) fn database_of(&self, table: &TableRef) -> Database {
        self.client.database(table.schema.as_deref().unwrap_or(&self.target.schema))
    }

    /// The collection.
    pub(crate) fn collection_of(&self, table: &TableRef) -> Collection<Document> {
        self.database_of(table).collection(&table.name)
    }

    /// The collection's place in faults.
    pub(crate) fn place_of(&self, table: &TableRef) -> String {
        format!("{}.{table}", self.context.database)
    }

    /// What the server says of a database's collections.
    pub(crate) async fn list(
        &self,
        operation: &'static str,
        database: &Database,
        filter: Document,
    ) -> Result<Vec<Document>, Failure> {
        let command = doc! { "listCollections": 1, "filter": filter };
        let read = async { database.run_cursor_command(command).await?.try_collect().await };
        self.call(operation, &self.context.database, Box::pin(read)).await
    }

    /// A cursor over what stages make of a collection; it is the caller's to bound what is read of it.
    pub(crate) async fn open(
        &self,
        operation: &'static str,
        table: &TableRef,
        scope: &Scope,
        stages: Vec<Document>,
        batch_size: u32,
    ) -> Result<Cursor<Document>, Failure> {
        let collation = scope.collated.then(|| Collation::builder().locale("simple").build());
        let options = AggregateOptions::builder()
            .allow_disk_use(true)
            .batch_size(batch_size)
            .max_time(self.call_timeout())
            .collation(collation)
            .comment(Bson::from("forgetd"))
            .build();
        let collection = self.collection_of(table);
        let opened = collection.aggregate(stages).with_options(options);
        self.call(operation, &self.place_of(table), opened).await
    }

    /// Everything that stages make of a collection: few documents.
    pub(crate) async fn read(
        &self,
        operation: &'static str,
        table: &TableRef,
        scope: &Scope,
        stages: Vec<Document>,
    ) -> Result<Vec<Document>, Failure> {
        let cursor = self.open(operation, table, scope, stages, BATCH).await?;
        self.call(operation, &self.place_of(table), Box::pin(cursor.try_collect())).await
    }

    /// The keys of documents, in one answer: so many of them along the index of keys, in its order or against it. An answer
    /// ends at the bytes of a message too.
    pub(crate) async fn keys(
        &self,
        operation: &'static str,
        table: &TableRef,
        filter: Document,
        along: Along,
    ) -> Result<Cursor<Document>, Failure> {
        let Along { descending, skip, limit } = along;
        let options = FindOptions::builder()
            .sort(doc! { "_id": if descending { -1 } else { 1 } })
            .hint(Hint::Keys(by_key()))
            .projection(doc! { "_id": 1 })
            .skip(u64::from(skip))
            // Below zero: a server that may go on later prepares for it, which takes FerretDB ten times as long.
            .limit(-i64::from(limit))
            .batch_size(limit.saturating_add(1))
            .max_time(self.call_timeout())
            .comment(Bson::from("forgetd"))
            .build();
        let collection = self.collection_of(table);
        self.call(operation, &self.place_of(table), collection.find(filter).with_options(options)).await
    }

    /// One key of those that meet a filter: the first along the index of keys, or where `along` says.
    pub(crate) async fn key(
        &self,
        operation: &'static str,
        table: &TableRef,
        filter: Document,
        along: Along,
    ) -> Result<Option<Bson>, Failure> {
        let mut found = self.keys(operation, table, filter, Along { limit: 1, ..along }).await?;
        let place = self.place_of(table);
        if !self.call(operation, &place, found.advance()).await? {
            return Ok(None);
        }
        let found = found.deserialize_current().map_err(|error| Failure::of(&error, operation, &place))?;
        Ok(found.get("_id").cloned())
    }

    /// How many documents the stages leave.
    pub(crate) async fn count(
        &self,
        operation: &'static str,
        table: &TableRef,
        scope: &Scope,
        mut stages: Vec<Document>,
        limit: Option<u64>,
    ) -> Result<u64, Failure> {
        if let Some(limit) = limit {
            stages.push(doc! { "$limit": i64::try_from(limit).unwrap_or(i64::MAX) });
        }
        stages.push(doc! { "$count": "n" });
        let counted = self.read(operation, table, scope, stages).await?;
        let Some(counted) = counted.first() else { return Ok(0) };
        counted.get("n").and_then(reply::number).ok_or_else(|| Failure::odd(operation, &self.place_of(table)))
    }
}

/// Documents of one answer, where all of them are read.
const BATCH: u32 = 1_000;
