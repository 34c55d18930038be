//! Runs, begun and ended by their receipts.
//!
//! A receipt and a run are two documents, and only one write is whole. So the run stands in the receipt as a debt: with the
//! receipt it is open or closed, and whoever reads sees it so. What is owed is paid into the run's own document behind it, by
//! its holder or by the next one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, Receipt, RunRow, Runs, fault_point};
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use super::receipts::by_key;
use super::{MongoControl, Refusal};
use crate::codec::{Fields as _, moment};

/// What a receipt owes.
struct Debt {
    /// The receipt.
    id: Document,
    row: RunRow,
}

#[async_trait]
impl Runs for MongoControl {
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        self.write_run("run.open", "open run", row, receipt).await
    }

    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        self.write_run("run.close", "close run", row, receipt).await
    }

    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        const OPERATION: &str = "read unfinished runs";
        let mut runs = self.runs(OPERATION, doc! { "result": null }, FindOptions::default()).await?;
        runs.retain(|_, run| run.result.is_none());
        let mut runs: Vec<RunRow> = runs.into_values().collect();
        runs.sort_by(|a, b| (a.started_at, &a.run).cmp(&(b.started_at, &b.run)));
        Ok(runs)
    }

    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault> {
        const OPERATION: &str = "read last run";
        let newest = FindOptions::builder().sort(doc! { "started_at": -1, "run": -1 }).limit(1).build();
        let runs = self.runs(OPERATION, doc! { "result": { "$ne": null }, "rule": rule }, newest).await?;
        let finished = runs.into_values().filter(|run| run.rule == rule && run.result.is_some());
        Ok(finished.max_by(|a, b| (a.started_at, &a.run).cmp(&(b.started_at, &b.run))))
    }

    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault> {
        const OPERATION: &str = "read batches";
        let filter = doc! {
            "instance": self.instance(), "run": run, "lane": { "$ne": "-" }, "state": { "$in": ["done", "acked"] },
        };
        let options = FindOptions::builder().sort(by_key()).build();
        let found = self.several(OPERATION, "receipt", filter, options).await?;
        found.iter().map(|receipt| receipt.bytes("body").ok_or_else(|| self.odd(OPERATION))).collect()
    }
}

// === impl MongoControl ===

impl MongoControl {
    async fn write_run(&self, point: &'static str, operation: &'static str, row: &RunRow, receipt: &Receipt) -> Commit {
        if let Err(fault) = fault_point::before(point) {
            return Commit::Unknown(fault);
        }
        let done = self.owe_run(operation, row, receipt).await;
        match fault_point::after(point) {
            Ok(()) => done.map_or_else(Refusal::commit, |()| Commit::Committed),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn owe_run(&self, operation: &'static str, row: &RunRow, receipt: &Receipt) -> Result<(), Refusal> {
        let mut document = self.receipt(receipt, "done");
        document.extend(doc! { "debtor": self.instance(), "owes": self.run_document(row) });
        self.insert_fenced(operation, receipt, document).await?;
        if let Err(fault) = self.pay_debts(operation).await {
            tracing::warn!(%fault, "a run stands in its receipt only: the next write mends it");
        }
        Ok(())
    }

    /// Writes what receipts owe into the runs' own documents.
    pub(super) async fn pay_debts(&self, operation: &'static str) -> Result<(), Fault> {
        for Debt { id, row } in self.debts(operation).await? {
            let run = self.run_document(&row);
            // A resumed run keeps the document it began with.
            self.insert(operation, "run", run).await?;
            if let Some(result) = &row.result {
                let (runs, cursors) = (self.own("run"), self.own("cursor"));
                let (only, change) = (doc! { "_id": self.run_id(&row.run) }, doc! { "$set": { "result": result } });
                self.call(operation, runs.update_one(only, change)).await?;
                let of_rule = doc! { "instance": self.instance(), "rule": &row.rule };
                self.call(operation, cursors.delete_many(of_rule)).await?;
            }
            let (receipts, paid) = (self.own("receipt"), doc! { "$unset": { "debtor": "", "owes": "" } });
            self.call(operation, receipts.update_one(doc! { "_id": id }, paid)).await?;
        }
        Ok(())
    }

    /// What receipts owe, in the order in which it came about.
    async fn debts(&self, operation: &'static str) -> Result<Vec<Debt>, Fault> {
        let options = FindOptions::builder().sort(by_key()).build();
        let found = self.several(operation, "receipt", doc! { "debtor": self.instance() }, options).await?;
        let read = |receipt: &Document| {
            let row = read_run(receipt.get_document("owes").ok()?)?;
            Some(Debt { id: receipt.get_document("_id").ok()?.clone(), row })
        };
        found.iter().map(|receipt| read(receipt).ok_or_else(|| self.odd(operation))).collect()
    }

    /// Runs that `filter` means, and all those that receipts still owe something about, as they are with it.
    async fn runs(
        &self,
        operation: &'static str,
        filter: Document,
        options: FindOptions,
    ) -> Result<BTreeMap<String, RunRow>, Fault> {
        // Before the runs: what is paid in between is then seen twice, and not missed.
        let debts = self.debts(operation).await?;
        let mut filter = filter;
        filter.insert("instance", self.instance());
        let mut found = self.several(operation, "run", filter, options).await?;
        let owed: Vec<Document> = debts.iter().map(|debt| self.run_id(&debt.row.run)).collect();
        if !owed.is_empty() {
            let owed = doc! { "_id": { "$in": owed } };
            found.extend(self.several(operation, "run", owed, FindOptions::default()).await?);
        }
        let mut runs = BTreeMap::new();
        for document in &found {
            let run = read_run(document).ok_or_else(|| self.odd(operation))?;
            runs.insert(run.run.clone(), run);
        }
        for Debt { row, .. } in debts {
            let run = runs.entry(row.run.clone()).or_insert_with(|| row.clone());
            if row.result.is_some() {
                run.result = row.result;
            }
        }
        Ok(runs)
    }

    fn run_id(&self, run: &str) -> Document {
        doc! { "i": self.instance(), "u": run }
    }

    fn run_document(&self, row: &RunRow) -> Document {
        doc! {
            "_id": self.run_id(&row.run), "instance": self.instance(), "run": &row.run, "rule": &row.rule,
            "cutoff": moment(row.cutoff), "rule_digest": &row.rule_digest, "catalog_digest": &row.catalog_digest,
            "started_at": moment(row.started_at), "result": row.result.clone(),
        }
    }
}

fn read_run(document: &Document) -> Option<RunRow> {
    Some(RunRow {
        run: document.text("run")?,
        rule: document.text("rule")?,
        cutoff: document.at("cutoff")?,
        rule_digest: document.text("rule_digest")?,
        catalog_digest: document.text("catalog_digest")?,
        started_at: document.at("started_at")?,
        result: document.text("result"),
    })
}
