//! `evidence prove --rule RULE --key -`: a proof that the row with one key was deleted, without any other row's key.
//!
//! The proof opens one commitment: the row's id and nonce, from which anybody recomputes it with SHA-256; the way from
//! it to the root that the batch's entry holds; and the entry's own proof. The list of commitments is private and lives
//! as long as its receipt, so a row can be proven for `receipt_keep` after its deletion.

use std::collections::BTreeMap;

use forgetd_connector::{Generation, ReceiptKey, TableRef};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::log::{Configured, Stop};
use crate::cli::complain;
use crate::evidence::each;
use crate::evidence::log::merkle::{Hash, leaf_hash};
use crate::evidence::log::proof;
use crate::evidence::log::tile::subtree;
use crate::keys::{LABEL, Opening, RowIds};
use crate::run::signing_key;

/// The parts of a batch's entry that a row proof needs.
#[derive(Debug, Deserialize)]
struct BatchView {
    #[serde(rename = "type")]
    kind: String,
    at: Timestamp,
    database: String,
    generation: String,
    rule: String,
    lane: String,
    sequence: u64,
    #[serde(default)]
    table: String,
    #[serde(default)]
    rows: BTreeMap<String, serde_json::Value>,
}

/// Where a row's deletion stands, and the opening of its commitment.
pub(super) struct RowProof {
    /// The index of the batch's entry.
    pub(super) entry: u64,
    /// What opens the commitment, as JSON.
    pub(super) opening: String,
}

/// Looks for the newest batch of `rule` that deleted the row with this key, given as text, one part for each column.
pub(super) async fn find(log: &Configured<'_>, rule: &str, key: &[String]) -> Result<Option<RowProof>, Stop> {
    let evidence = signing_key(log.config).map_err(|problem| Stop::Said(complain(&problem.into())))?;
    let files = log.relay.files(&log.controls).await?;
    let mut batches: Vec<(u64, BatchView)> = Vec::new();
    each(&*files, &mut |index, entry| {
        let view = serde_json::from_slice::<BatchView>(entry).ok();
        let wanted = |view: &BatchView| view.kind == "batch" && view.rule == rule && !view.rows.is_empty();
        batches.extend(view.filter(wanted).map(|view| (index, view)));
        true
    })
    .await?;
    for (entry, batch) in batches.into_iter().rev() {
        // An entry's table is its name as it is shown, with the schema where there is one.
        let table = TableRef { schema: None, name: batch.table.clone() };
        let mut id = vec![];
        RowIds::new(&batch.database, &table).write(key, &mut id);
        let opening = evidence.commitments_at(batch.at).open(&id);
        let receipt = ReceiptKey {
            generation: Generation(batch.generation),
            rule: batch.rule,
            lane: batch.lane,
            sequence: batch.sequence,
        };
        for (_, control) in &log.controls {
            let Some(list) = control.rows(&receipt).await.map_err(crate::evidence::EvidenceFault::from)? else {
                continue;
            };
            if let Some(text) = open(&list, &opening, &id) {
                return Ok(Some(RowProof { entry, opening: text }));
            }
        }
    }
    Ok(None)
}

/// The opening as JSON, if the commitment is in the list.
fn open(list: &[u8], opening: &Opening, id: &[u8]) -> Option<String> {
    let (commitments, _) = list.as_chunks::<32>();
    let at = commitments.binary_search(&opening.commitment).ok()?;
    let leaves: Vec<Hash> = commitments.iter().map(|commitment| leaf_hash(commitment)).collect();
    let (index, n) = (at as u64, leaves.len() as u64);
    let span = |node: crate::evidence::log::merkle::Node| {
        let lo = usize::try_from(node.index << node.level).ok()?;
        leaves.get(lo..lo + (1 << node.level)).map(subtree)
    };
    let path = proof::hashes(&proof::inclusion(index, n), span)?;
    let json = json!({
        "label": String::from_utf8_lossy(LABEL),
        "row": String::from_utf8_lossy(id),
        "nonce": hex::encode(opening.nonce),
        "commitment": hex::encode(opening.commitment),
        "index": index,
        "n": n,
        "path": path.iter().map(hex::encode).collect::<Vec<_>>(),
        "root": hex::encode(subtree(&leaves)),
    });
    serde_json::to_string_pretty(&json).ok()
}
