//! The relay, its stores and the verification together, over control tables that live in memory and can be put back
//! to an earlier state.

mod double;
mod foreign_bytes;
mod losses;
mod promotion;
mod relaying;
mod rollback;

use std::path::Path;

use forgetd_connector::{Control, Generation, Receipt, ReceiptKey, Receipts as _};

use self::double::Double;
use super::entry::{self, Batch, EntryBody, EntryHead, RunFinished};
use super::{Databases, Relay, RelayConfig, StoreAt};
use crate::keys::EvidenceKey;
use crate::run::Verdict;

const ORIGIN: &str = "example.com/forgetd/test";

/// One instance: databases by name, and a relay over them.
struct World {
    databases: Vec<(&'static str, Double)>,
    relay: Relay,
    config: RelayConfig,
}

fn key() -> EvidenceKey {
    EvidenceKey::from_seed(&[7; 32])
}

impl World {
    /// `crm` is the home and holds the log.
    fn in_database(names: &[&'static str]) -> Self {
        Self::with(names, StoreAt::Database("crm".into()))
    }

    fn in_folder(names: &[&'static str], folder: &Path) -> Self {
        Self::with(names, StoreAt::Folder(folder.into()))
    }

    fn with(names: &[&'static str], store: StoreAt) -> Self {
        let config = RelayConfig { origin: ORIGIN.into(), home: "crm".into(), store, remember: None };
        Self {
            databases: names.iter().map(|name| (*name, Double::new(name))).collect(),
            relay: Relay::new(config.clone(), key()).unwrap(),
            config,
        }
    }

    fn remembering(mut self, folder: &Path) -> Self {
        self.config.remember = Some(folder.into());
        self.restart();
        self
    }

    /// A new process.
    fn restart(&mut self) {
        self.relay = Relay::new(self.config.clone(), key()).unwrap();
    }

    fn controls(&self) -> Vec<(&str, &dyn Control)> {
        self.databases.iter().map(|(name, double)| (*name, double as &dyn Control)).collect()
    }

    fn database(&self, name: &str) -> &Double {
        &self.databases.iter().find(|(database, _)| *database == name).unwrap().1
    }

    /// One run with batches of ten rows, its receipts pending.
    async fn run(&self, database: &str, run: &str, batches: u64) {
        let double = self.database(database);
        let Generation(generation) = double.generation();
        for _ in 0..batches {
            let sequence = double.next_sequence("old-leads", "0").await.unwrap();
            double.insert(receipt(&generation, database, ("old-leads", "0", sequence), run, &batch()));
        }
        let sequence = double.next_sequence("old-leads", "-").await.unwrap();
        double.insert(receipt(&generation, database, ("old-leads", "-", sequence), run, &finished(batches)));
    }

    async fn relay(&self) -> Result<super::Relayed, super::EvidenceFault> {
        self.relay.relay(1, &self.controls()).await
    }

    async fn start(&mut self) -> Result<super::Started, super::EvidenceFault> {
        self.restart();
        self.relay.start(&self.controls()).await
    }
}

fn batch() -> EntryBody {
    EntryBody::Batch(Batch {
        table: "lead".into(),
        action: "delete",
        atomicity: forgetd_connector::Atomicity::Atomic,
        cutoff: "2026-01-01T00:00:00Z".parse().unwrap(),
        rule_digest: "00".into(),
        changed: 10,
        cascaded: std::collections::BTreeMap::new(),
        references_set: std::collections::BTreeMap::new(),
        rows: None,
        sealed: None,
    })
}

fn finished(batches: u64) -> EntryBody {
    EntryBody::RunFinished(RunFinished {
        verdict: Verdict::Clean,
        cause: None,
        cutoff: "2026-01-01T00:00:00Z".parse().unwrap(),
        changed: 10 * batches,
        left: Some(0),
        skipped: std::collections::BTreeMap::new(),
        batches,
    })
}

fn receipt(
    generation: &str,
    database: &str,
    (rule, lane, sequence): (&str, &str, u64),
    run: &str,
    body: &EntryBody,
) -> Receipt {
    let receipt_key =
        ReceiptKey { generation: Generation(generation.into()), rule: rule.into(), lane: lane.into(), sequence };
    let at = "2026-11-23T10:00:00Z".parse().unwrap();
    let head = EntryHead { instance: "test", database, at, term: 1, run };
    let body = entry::encode(&receipt_key, &head, body).unwrap();
    let mac = key().mac(&receipt_key, &body);
    Receipt {
        key: receipt_key,
        run: run.into(),
        term: 1,
        body,
        mac,
        rows: None,
        cursor: forgetd_connector::CursorMove::Keep,
    }
}

/// The files of the log in memory, for verifying and for spoiling.
async fn exported(world: &World, to: &Path) {
    let databases: &Databases<'_> = &world.controls();
    world.relay.export(databases, to).await.unwrap();
}
