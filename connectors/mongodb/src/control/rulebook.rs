//! What is remembered about each rule: one document, written whole, under the term that stands in it.

use async_trait::async_trait;
use forgetd_connector::{ApprovedRow, Commit, Fault, LastRow, PendingRow, Rulebook, RulebookRow, fault_point};
use mongodb::bson::{Document, doc};

use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, moment, signed};

#[async_trait]
impl Rulebook for MongoControl {
    async fn rule(&self, rule: &str) -> Result<Option<RulebookRow>, Fault> {
        const OPERATION: &str = "read rulebook";
        let found = self.one(OPERATION, "rulebook", doc! { "_id": self.rule_id(rule) }).await?;
        found.map(|found| read(&found).ok_or_else(|| self.odd(OPERATION))).transpose()
    }

    async fn keep_rule(&self, row: &RulebookRow, term: u64) -> Commit {
        if let Err(fault) = fault_point::before("rulebook.keep") {
            return Commit::Unknown(fault);
        }
        let kept = self.keep(row, term).await;
        match fault_point::after("rulebook.keep") {
            Ok(()) => kept.map_or_else(Refusal::commit, |()| Commit::Committed),
            Err(fault) => Commit::Unknown(fault),
        }
    }
}

// === impl MongoControl ===

impl MongoControl {
    fn rule_id(&self, rule: &str) -> Document {
        doc! { "i": self.instance(), "r": rule }
    }

    async fn keep(&self, row: &RulebookRow, term: u64) -> Result<(), Refusal> {
        const OPERATION: &str = "keep rule";
        self.check_fence(OPERATION, term, None).await?;
        let mut document = doc! {
            "_id": self.rule_id(&row.rule), "instance": self.instance(), "rule": &row.rule, "term": signed(term),
            "recent": &row.recent,
        };
        if let Some(ApprovedRow { digest, definition, catalog_digest, how, who, reason, at }) = &row.approved {
            document.insert("approved", doc! {
                "digest": digest, "definition": definition, "catalog_digest": catalog_digest, "how": how, "who": who,
                "reason": reason, "at": moment(*at),
            });
        }
        if let Some(PendingRow { digest, since }) = &row.pending {
            document.insert("pending", doc! { "digest": digest, "since": moment(*since) });
        }
        if let Some(once) = &row.once {
            document.insert("once", once);
        }
        if let Some(LastRow { cutoff, at }) = row.last {
            document.insert("last", doc! { "cutoff": moment(cutoff), "at": moment(at) });
        }
        let ours = doc! { "_id": self.rule_id(&row.rule), "term": { "$lte": signed(term) } };
        let collection = self.own("rulebook");
        let done = self.call(OPERATION, collection.replace_one(ours, document.clone())).await?;
        if done.matched_count == 1 || self.insert(OPERATION, "rulebook", document).await? {
            return Ok(());
        }
        // It is there and was not met: its term is a later one.
        Err(Refusal::Fenced)
    }
}

fn read(document: &Document) -> Option<RulebookRow> {
    let approved = |part: &Document| {
        Some(ApprovedRow {
            digest: part.text("digest")?,
            definition: part.text("definition")?,
            catalog_digest: part.text("catalog_digest")?,
            how: part.text("how")?,
            who: part.text("who")?,
            reason: part.text("reason")?,
            at: part.at("at")?,
        })
    };
    let pending = |part: &Document| Some(PendingRow { digest: part.text("digest")?, since: part.at("since")? });
    let last = |part: &Document| Some(LastRow { cutoff: part.at("cutoff")?, at: part.at("at")? });
    Some(RulebookRow {
        rule: document.text("rule")?,
        approved: part(document, "approved", approved)?,
        pending: part(document, "pending", pending)?,
        once: document.text("once"),
        last: part(document, "last", last)?,
        recent: document.text("recent")?,
    })
}

/// A part that may be missing; absent: it is there and cannot be read.
#[allow(clippy::option_option, reason = "damaged and missing are not the same")]
fn part<T>(document: &Document, name: &str, read: impl FnOnce(&Document) -> Option<T>) -> Option<Option<T>> {
    if document.is_null(name) {
        return Some(None);
    }
    read(document.get_document(name).ok()?).map(Some)
}
