//! What the receipts of the databases say about the log, lane by lane: a database that was put back knows less than the
//! log, a log that was put back knows less than the receipts it acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use forgetd_connector::{Control, ControlState, Generation, Head, ReceiptKey};
use serde::Deserialize;

use super::assess::{PAGE, Site, anchor, store};
use super::log::tile::{self, Kind, TilePath, WIDTH};
use super::memory::{Databases, is_away};
use super::store::Store;
use super::{EvidenceFault, RelayConfig};

/// The newest leaf of every lane, by generation.
type Leaves = BTreeMap<Generation, Vec<ReceiptKey>>;

/// Databases that know less than the log, and the reason why the log itself was put back, if it was.
pub(super) async fn restored(
    config: &RelayConfig,
    site: &Site,
    head: Option<&Head>,
    databases: &Databases<'_>,
) -> Result<(Vec<EvidenceFault>, Option<EvidenceFault>), EvidenceFault> {
    let store = store(config, site, databases)?;
    let mut leaves = Leaves::new();
    for leaf in store.newest_leaves().await? {
        leaves.entry(leaf.generation.clone()).or_default().push(leaf);
    }
    let (mut found, mut outran) = (Vec::new(), None);
    for (name, control) in databases {
        let generation = match control.inspect().await {
            Ok(ControlState::Ready(generation)) => generation,
            Ok(_) => continue,
            Err(fault) if is_away(&fault) => continue,
            Err(fault) => return Err(fault.into()),
        };
        let mut newest = control.newest().await?;
        newest.retain(|key| key.generation == generation);
        let sequences: BTreeMap<(&str, &str), u64> = newest.iter().map(|key| (lane(key), key.sequence)).collect();
        let of_generation = leaves.get(&generation).into_iter().flatten();
        let behind =
            of_generation.clone().find(|leaf| sequences.get(&lane(leaf)).is_none_or(|newest| *newest < leaf.sequence));
        if let Some(leaf) = behind {
            found.push(EvidenceFault::restored(*name, format!("the log knows receipt {leaf}, the database does not")));
        } else if replaced(&*store, head, &leaves, name, &generation).await? {
            let words = "the log knows a later generation of control tables than the one in the database";
            found.push(EvidenceFault::restored(*name, words));
        } else if site.number == 1 && outruns(&*store, *control, &newest).await? {
            let words = format!("receipts in {name} were acknowledged by entries that the log no longer has");
            outran = Some(EvidenceFault::restored(store.place(), words));
        }
    }
    Ok((found, outran))
}

/// The rule and the lane of a receipt.
fn lane(key: &ReceiptKey) -> (&str, &str) {
    (&key.rule, &key.lane)
}

/// Whether the log was put back behind receipts that it had acknowledged: what lies beyond its newest leaf of a lane
/// has to be pending still. The leaves are read last, so that entries made meanwhile are no false alarm. Asked under the
/// first origin only: a log that went on under another one lacks the leaves of what the old one acknowledged.
async fn outruns(store: &dyn Store, control: &dyn Control, newest: &[ReceiptKey]) -> Result<bool, EvidenceFault> {
    let pending = control.pending_count().await?;
    let leaves = store.newest_leaves().await?;
    let leaf = |key: &ReceiptKey| {
        let same = leaves.iter().find(|leaf| leaf.generation == key.generation && lane(leaf) == lane(key));
        same.map_or(0, |leaf| leaf.sequence)
    };
    let beyond: u64 = newest.iter().map(|key| key.sequence.saturating_sub(leaf(key))).sum();
    // A sealed receipt is neither pending nor acknowledged; each lane has at most one.
    let sealed = newest.iter().filter(|key| key.lane != "-").count() as u64;
    Ok(beyond > pending + sealed)
}

/// Whether the log has seen the generation of this database replaced: all its leaves come before the first of another
/// generation of the same database. A dump from before an approved restore looks like this.
async fn replaced(
    store: &dyn Store,
    head: Option<&Head>,
    leaves: &Leaves,
    database: &str,
    generation: &Generation,
) -> Result<bool, EvidenceFault> {
    let (Some(head), Some(ours)) = (head, leaves.get(generation)) else { return Ok(false) };
    let last = store.leaves(ours).await?.into_iter().map(|row| row.index).max();
    for (other, lanes) in leaves.iter().filter(|(other, _)| *other != generation) {
        let firsts: BTreeSet<ReceiptKey> =
            lanes.iter().map(|newest| ReceiptKey { sequence: 1, ..newest.clone() }).collect();
        let rows = store.leaves(&firsts.into_iter().collect::<Vec<_>>()).await?;
        let Some(first) = rows.into_iter().map(|row| row.index).min() else { continue };
        if Some(first) > last && belongs(store, head, first, other, database).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the entry at `index` is of this generation and database. Leaves of an earlier origin have indices of another
/// log, so the entry is believed and not the index.
async fn belongs(
    store: &dyn Store,
    head: &Head,
    index: u64,
    generation: &Generation,
    database: &str,
) -> Result<bool, EvidenceFault> {
    #[derive(Deserialize)]
    struct Origin {
        generation: Generation,
        database: String,
    }
    let path = TilePath::within(Kind::Entries, index / WIDTH, head.size);
    let Some(bytes) = store.read(&path.to_string()).await? else { return Ok(false) };
    let entries = tile::parse_bundle(&bytes).unwrap_or_default();
    let entry = usize::try_from(index % WIDTH).ok().and_then(|at| entries.get(at).copied());
    let origin = entry.and_then(|entry| serde_json::from_slice::<Origin>(entry).ok());
    Ok(origin.is_some_and(|origin| origin.generation == *generation && origin.database == database))
}

/// Without any head: receipts that were acknowledged prove that there was a log.
pub(super) async fn forgotten(
    config: &RelayConfig,
    databases: &Databases<'_>,
) -> Result<Option<EvidenceFault>, EvidenceFault> {
    for (name, control) in databases {
        let pending = match control.pending_count().await {
            Err(fault) if is_away(&fault) && *name != anchor(config) => continue,
            pending => pending?,
        };
        // Receipts whose outcome is known are either pending or acknowledged: one more than the pending ones is enough.
        let (mut seen, mut after) = (0, None);
        while seen <= pending {
            let page = control.bodies(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            seen += page.len() as u64;
            after = Some(last.key.clone());
        }
        if seen > pending {
            let found = "receipts here were acknowledged by an evidence log that is gone";
            return Ok(Some(EvidenceFault::restored(*name, found)));
        }
    }
    Ok(None)
}
