//! Documents that go, and an application that keeps some of them.

use std::collections::BTreeSet;

use forgetd::clock;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::{Value, json};

use super::counts::Found;
use super::deed::Outcome;
use crate::harness::Mongo;

/// What the application did in a round, by what the server acknowledged.
#[derive(Default)]
pub(super) struct Used {
    /// Documents that must be there.
    keeps: BTreeSet<i64>,
    pub(super) operations: u64,
    pub(super) deleted: u64,
}

/// When document `n` was used last: twelve to one moment.
pub(super) fn old(n: i64) -> Value {
    date(1_577_836_800_000 + n / 12 * 1_000)
}

pub(super) fn date(at: i64) -> Value {
    json!({ "$date": { "$numberLong": at.to_string() } })
}

pub(super) fn fresh() -> i64 {
    clock::now().as_millisecond()
}

/// How many documents there are that were ever due.
pub(super) fn there(documents: &Mongo) -> u64 {
    documents.count("item", doc! { "_id": { "$gte": 0 } })
}

// === impl Used ===

impl Used {
    /// What it lets go is given up before it is sent, what it keeps is counted when the server has acknowledged it.
    pub(super) fn once(&mut self, documents: &Mongo, id: i64, what: u64) {
        let at = |millis: i64| Bson::DateTime(DateTime::from_millis(millis));
        let set = |fields: Document| doc! { "$set": fields };
        let kept = match what {
            0..3 => set(doc! { "at": at(fresh()) }),
            3..5 => doc! { "at": at(fresh()), "state": "idle", "note": "another one" },
            5..8 => set(doc! { "state": "held" }),
            8 => {
                self.keeps.remove(&id);
                let old = set(doc! { "at": at(1_600_000_000_000), "state": "idle" });
                self.operations += documents.update_one("item", id, old);
                return;
            }
            _ => {
                self.keeps.remove(&id);
                let deleted = documents.remove("item", doc! { "_id": id });
                self.operations += deleted;
                self.deleted += deleted;
                return;
            }
        };
        if documents.update_one("item", id, kept) == 1 {
            self.operations += 1;
            self.keeps.insert(id);
        }
    }

    pub(super) fn outcome(self, documents: &Mongo, before: u64) -> Outcome {
        let keys: Vec<i64> = self.keeps.iter().copied().collect();
        let lost = keys.len() as u64 - documents.count("item", doc! { "_id": { "$in": keys } });
        let went = before - there(documents);
        Outcome { truth: went.saturating_sub(self.deleted), again: 0, found: Found { lost, ..Found::default() } }
    }
}
