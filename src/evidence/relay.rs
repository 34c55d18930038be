//! Moves receipts from the databases into the evidence log, in groups, each durable before it is acknowledged.
//!
//! The order of one group, and what a crash after each step leaves:
//!
//! 1. collect: pending receipts, each with its MAC checked. Nothing is written yet.
//! 2. publish: one commit makes the new head. The log is ahead of its checkpoint; the next start signs it.
//! 3. checkpoint: signed from the committed head, never before; signing again gives the same bytes. Receipts are still
//!    pending; their leaves are known, so they are only acknowledged.
//! 4. copies: other databases and the remembering folder know the head. They may lag, they are never ahead.
//! 5. acknowledge: receipts carry their leaf index.
//!
//! Every error closes the log in memory, so that the next call begins with the look at everything that [`Relay::start`]
//! takes. Knows nothing about: rules, tables, what entries say.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use forgetd_connector::{Append, Cause, Head, LeafRow, Pending, fault_point};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::assess::{self, Assessment, PAGE, Site, anchor, assess};
use super::log::merkle::leaf_hash;
use super::log::{Checkpoint, Tail};
use super::memory::{self, Databases, is_away};
use super::own::OwnMemory;
use super::publish::publish;
use super::store::{Folder, Store};
use super::{EvidenceFault, Recovery};
use crate::clock;
use crate::keys::EvidenceKey;

/// Where the log lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAt {
    /// In the control tables of this database.
    Database(String),
    /// In this folder, anchored in the home database.
    Folder(PathBuf),
}

/// What a relay has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// The log's origin: a URL without scheme, never changed.
    pub origin: String,
    /// The name of the home database.
    pub home: String,
    /// Where the log lies.
    pub store: StoreAt,
    /// A folder outside that remembers every checkpoint.
    pub remember: Option<PathBuf>,
}

/// The log of one instance, as its holder writes it. One call at a time does anything.
pub struct Relay {
    pub(super) config: RelayConfig,
    pub(super) key: EvidenceKey,
    pub(super) open: Mutex<Option<OpenLog>>,
    own: OwnMemory,
    /// Entries that were added and that nobody was told of.
    untold: AtomicU64,
}

/// The log as this process knows it. Its head is a memory too: the store may not fall behind it.
pub(super) struct OpenLog {
    pub(super) site: Site,
    pub(super) head: Option<Head>,
    pub(super) tail: Tail,
    /// Whether the head row still names the timeline before a standby was promoted.
    pub(super) promoted: bool,
    /// When its newest checkpoint was signed; where another process did, when the newest entry under it was made.
    pub(super) signed_at: Option<Timestamp>,
    /// Held as long as the folder is written.
    pub(super) _lock: Option<File>,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The head, if the log was begun.
    pub head: Option<Head>,
    /// Whether anything outside the store would notice if all of it were put back to an earlier state. False is the
    /// finding `evidence_unanchored`.
    pub anchored: bool,
}

/// What a call to [`Relay::relay`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Entries that were added.
    pub entries: u64,
    /// Receipts that were acknowledged, those already in the log included.
    pub acknowledged: u64,
    /// The log's size now.
    pub size: u64,
    /// Its root now, hex; empty before the first entry.
    pub root: String,
    /// Databases whose receipts have to wait because they are away.
    pub away: Vec<String>,
}

/// A receipt and the database it lies in.
struct Waiting {
    database: usize,
    pending: Pending,
}

// === impl Relay ===

impl Relay {
    /// A relay; nothing is read yet.
    pub fn new(config: RelayConfig, key: EvidenceKey) -> Result<Self, EvidenceFault> {
        Site::of(&config, &key, 1)?;
        Ok(Self { config, key, open: Mutex::new(None), own: OwnMemory::default(), untold: AtomicU64::new(0) })
    }

    /// The same with what this process remembers from relays before it.
    #[must_use]
    pub fn remembering(self, own: OwnMemory) -> Self {
        Self { own, ..self }
    }

    /// What this process remembers.
    pub fn own(&self) -> &OwnMemory {
        &self.own
    }

    /// Re-derives the whole log and compares its head and its leaves with everything that remembers them. Refuses with
    /// [`Cause::Restored`] when an earlier state was put back and with [`Cause::Evidence`] when the log is damaged or
    /// lost. Writes nothing but what a crash left undone: staged files of a committed head, and its checkpoint.
    pub async fn start(&self, databases: &Databases<'_>) -> Result<Started, EvidenceFault> {
        let mut open = self.open.lock().await;
        // Closed first: it may hold the folder's lock.
        *open = None;
        let (log, started) = self.begin(databases).await?;
        *open = Some(log);
        Ok(started)
    }

    /// Moves every receipt that is pending now into the log, in groups, and acknowledges it. Receipts that come
    /// meanwhile may wait for the next call, so it ends.
    pub async fn relay(&self, term: u64, databases: &Databases<'_>) -> Result<Relayed, EvidenceFault> {
        let mut open = self.open.lock().await;
        // Taken out, so that an error or a dropped future leaves it closed.
        let mut log = match open.take() {
            Some(log) => log,
            None => self.begin(databases).await?.0,
        };
        let relayed = self.groups(&mut log, term, databases).await?;
        *open = Some(log);
        Ok(relayed)
    }

    /// The head as this process knows it; none before the first entry, or while the log is closed.
    pub async fn head(&self) -> Option<Head> {
        self.open.lock().await.as_ref().and_then(|log| log.head.clone())
    }

    /// How many entries were added since this was asked last.
    pub fn take_added(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// When its checkpoint was signed, as far as this process knows.
    pub async fn signed_at(&self) -> Option<Timestamp> {
        self.open.lock().await.as_ref().and_then(|log| log.signed_at)
    }

    /// Removes receipts that were acknowledged more than `keep_secs` ago and that a copied checkpoint covers. With a
    /// folder they stay: they rebuild it when it is lost. Returns how many went.
    pub async fn prune(&self, databases: &Databases<'_>, keep_secs: u64) -> Result<u64, EvidenceFault> {
        let open = self.open.lock().await;
        let Some(OpenLog { site, head: Some(head), .. }) = open.as_ref() else { return Ok(0) };
        if site.folder.is_some() {
            return Ok(0);
        }
        let remember = self.config.remember.as_ref().map(Folder::new);
        let (memories, _) =
            memory::recall(&site.origin, anchor(&self.config), databases, remember.as_ref(), &site.key).await?;
        let copied = memories.iter().map(|memory| memory.head.size).max();
        let configured = databases.len() > 1 || remember.is_some();
        let covered = if configured { copied.unwrap_or(0).min(head.size) } else { head.size };
        let mut gone = 0;
        for (_, control) in databases {
            gone += control.prune(covered, keep_secs).await?;
        }
        Ok(gone)
    }

    pub(super) async fn begin(&self, databases: &Databases<'_>) -> Result<(OpenLog, Started), EvidenceFault> {
        let lock = self.lock().await?;
        let found = self.assess(databases).await?;
        let refused = found.lost.as_ref().or(found.moved.as_ref()).or(found.restored.first());
        if let Some(fault) = refused {
            return Err(fault.clone());
        }
        if found.promoted {
            let place = anchor(&self.config);
            tracing::warn!(
                place,
                "a standby was promoted: everything that this process remembers is there, and it goes on"
            );
        }
        let anchored = found.anchored;
        let log = self.opened(found, lock);
        if let Some(head) = &log.head {
            let store = assess::store(&self.config, &log.site, databases)?;
            if self.unsigned(&*store, &log.site, head).await? {
                self.sign(&*store, head).await?;
            }
            self.copy(head, databases).await;
        }
        let head = log.head.clone();
        if let Some(head) = &head {
            self.own.believe(head);
        }
        Ok((log, Started { head, anchored }))
    }

    /// Compares the log with everything that remembers it, this process too.
    pub(super) async fn assess(&self, databases: &Databases<'_>) -> Result<Assessment, EvidenceFault> {
        assess(&self.config, &self.key, databases, &self.own.known()).await
    }

    /// The lock of the folder, if the log lies in one.
    pub(super) async fn lock(&self) -> Result<Option<File>, EvidenceFault> {
        match &self.config.store {
            StoreAt::Folder(path) => Ok(Some(Folder::new(path).lock().await?)),
            StoreAt::Database(_) => Ok(None),
        }
    }

    pub(super) fn opened(&self, found: Assessment, lock: Option<File>) -> OpenLog {
        OpenLog {
            site: found.site,
            head: found.head,
            tail: found.tail.unwrap_or_default(),
            promoted: found.promoted,
            signed_at: found.newest_at,
            _lock: lock,
        }
    }

    /// Whether the head was committed and its checkpoint or key not stored: the crash between steps 2 and 3.
    async fn unsigned(&self, store: &dyn Store, site: &Site, head: &Head) -> Result<bool, EvidenceFault> {
        let stored = assess::stored_checkpoint(store, &site.key).await;
        let vkey = store.read("log.vkey").await?;
        Ok(stored.ok().flatten().map(|(checkpoint, _)| Head::from(checkpoint)).as_ref() != Some(head) || vkey.is_none())
    }

    /// Groups until nothing is pending of what was pending when it began.
    pub(super) async fn groups(
        &self,
        log: &mut OpenLog,
        term: u64,
        databases: &Databases<'_>,
    ) -> Result<Relayed, EvidenceFault> {
        let mut relayed = Relayed::default();
        if log.promoted {
            self.restate(log, term, databases).await?;
        }
        for _ in 0..self.groups_max(databases).await? {
            if self.group(log, term, databases, &mut relayed).await? == 0 {
                break;
            }
        }
        if let Some(head) = &log.head {
            (relayed.size, relayed.root) = (head.size, hex::encode(head.root));
        }
        Ok(relayed)
    }

    /// Writes the same head again, so that its row names the timeline that it stands on now: whoever comes next remembers
    /// nothing, and could not tell it from a restored one.
    async fn restate(&self, log: &mut OpenLog, term: u64, databases: &Databases<'_>) -> Result<(), EvidenceFault> {
        if let Some(head) = &log.head {
            let store = assess::store(&self.config, &log.site, databases)?;
            let (objects, superseded, leaves) = (vec![], vec![], vec![]);
            let same = Append { expected: Some(head.clone()), next: head.clone(), leaves, objects, superseded };
            publish(&*store, &same, term).await?;
            store.settle(head).await?;
        }
        log.promoted = false;
        Ok(())
    }

    /// As many groups as the receipts pending now can fill, and one more to see that none is left.
    async fn groups_max(&self, databases: &Databases<'_>) -> Result<u64, EvidenceFault> {
        let mut groups = 1;
        for (_, control) in databases {
            match control.pending_count().await {
                Ok(count) => groups += count.div_ceil(u64::from(PAGE)),
                Err(fault) if is_away(&fault) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(groups)
    }

    /// One group. Returns how many receipts it acknowledged.
    async fn group(
        &self,
        log: &mut OpenLog,
        term: u64,
        databases: &Databases<'_>,
        relayed: &mut Relayed,
    ) -> Result<u64, EvidenceFault> {
        let waiting = self.collect(databases, relayed).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let store = assess::store(&self.config, &log.site, databases)?;
        let rows = self.extend(log, &*store, term, &waiting, databases, relayed).await?;
        let mut acks: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (waiting, index) in waiting.iter().zip(&rows) {
            acks.entry(waiting.database).or_default().push((waiting.pending.key.clone(), *index));
        }
        for (database, acks) in acks {
            fault_point::before("relay.ack")?;
            databases[database].1.acknowledge(&acks).await?;
            fault_point::after("relay.ack")?;
        }
        relayed.acknowledged += waiting.len() as u64;
        Ok(waiting.len() as u64)
    }

    /// Step 1: pending receipts of every database that is there, in the order of database and key. They are chosen by
    /// being pending, never by a high-water mark: sequences of several lanes commit out of order.
    async fn collect(&self, databases: &Databases<'_>, relayed: &mut Relayed) -> Result<Vec<Waiting>, EvidenceFault> {
        let mut waiting = Vec::new();
        for (database, (name, control)) in databases.iter().enumerate() {
            let pending = match control.pending(PAGE).await {
                Ok(pending) => pending,
                Err(fault) if is_away(&fault) => {
                    if !relayed.away.iter().any(|away| away == name) {
                        relayed.away.push((*name).into());
                    }
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            for pending in pending {
                if !self.key.verify_mac(&pending.key, &pending.body, &pending.mac) {
                    return Err(EvidenceFault::receipt(name, &pending.key, "was changed after forgetd wrote it"));
                }
                self.own.wrote(&pending.key);
                waiting.push(Waiting { database, pending });
            }
        }
        Ok(waiting)
    }

    /// Steps 2 to 4 for receipts that have no leaf yet. Returns the leaf index of every waiting receipt.
    async fn extend(
        &self,
        log: &mut OpenLog,
        store: &dyn Store,
        term: u64,
        waiting: &[Waiting],
        databases: &Databases<'_>,
        relayed: &mut Relayed,
    ) -> Result<Vec<u64>, EvidenceFault> {
        let keys: Vec<_> = waiting.iter().map(|waiting| waiting.pending.key.clone()).collect();
        let mut index: BTreeMap<_, _> =
            store.leaves(&keys).await?.into_iter().map(|row| (row.key, (row.index, row.hash))).collect();
        let mut fresh = Vec::new();
        for Waiting { database, pending } in waiting {
            match index.get(&pending.key) {
                None => fresh.push(pending),
                Some((_, hash)) if *hash == leaf_hash(&pending.body) => {}
                Some(_) => {
                    let found = format!("receipt {} is in the log with other bytes", pending.key);
                    return Err(EvidenceFault::restored(databases[*database].0, found));
                }
            }
        }
        if !fresh.is_empty() {
            let (next, leaves) = self.step(log, store, term, &fresh).await?;
            relayed.entries += leaves.len() as u64;
            index.extend(leaves.into_iter().map(|row| (row.key, (row.index, row.hash))));
            self.sign(store, &next).await?;
            log.signed_at = Some(clock::now());
            self.copy(&next, databases).await;
        }
        let missing = || EvidenceFault::new(Cause::Internal, store.place(), "a receipt has no leaf after its step");
        keys.iter().map(|key| index.get(key).map(|(index, _)| *index).ok_or_else(missing)).collect()
    }

    /// Step 2: one commit. The tail in memory moves only when the head's commit is known.
    pub(super) async fn step(
        &self,
        log: &mut OpenLog,
        store: &dyn Store,
        term: u64,
        fresh: &[&Pending],
    ) -> Result<(Head, Vec<LeafRow>), EvidenceFault> {
        let mut tail = log.tail.clone();
        let first = tail.size();
        let growth = tail
            .append(fresh.iter().map(|pending| pending.body.as_slice()))
            .map_err(|_| EvidenceFault::evidence(store.place(), "a receipt is longer than an entry may be"))?;
        let rows = fresh.iter().zip(&growth.leaves).zip(first..).map(|((pending, hash), index)| LeafRow {
            key: pending.key.clone(),
            index,
            hash: *hash,
        });
        let append = Append {
            expected: log.head.clone(),
            next: Head { origin: log.site.origin.clone(), size: tail.size(), root: tail.root() },
            leaves: rows.collect(),
            objects: growth.objects.into_iter().map(|(path, bytes)| (path.to_string(), bytes)).collect(),
            superseded: growth.superseded.iter().map(ToString::to_string).collect(),
        };
        self.own.send(&append.next);
        publish(store, &append, term).await?;
        store.settle(&append.next).await?;
        self.own.believe(&append.next);
        self.untold.fetch_add(append.leaves.len() as u64, Ordering::Relaxed);
        log.tail = tail;
        log.head = Some(append.next.clone());
        Ok((append.next, append.leaves))
    }

    /// Step 3: signs the committed head, stores the checkpoint, and says it in one line.
    pub(super) async fn sign(&self, store: &dyn Store, head: &Head) -> Result<String, EvidenceFault> {
        let site_key = super::log::VerifierKey::of(&self.key, &head.origin)
            .map_err(|_| EvidenceFault::evidence(&head.origin, "the origin cannot name a key"))?;
        let vkey = format!("{site_key}\n");
        if store.read("log.vkey").await?.as_deref() != Some(vkey.as_bytes()) {
            store.put("log.vkey", vkey.as_bytes()).await?;
        }
        let signed = Checkpoint::from(head.clone()).sign(&self.key);
        fault_point::before("relay.checkpoint")?;
        store.put("checkpoint", signed.as_bytes()).await?;
        fault_point::after("relay.checkpoint")?;
        let signature = signed.trim_end().rsplit(' ').next().unwrap_or_default();
        // The cluster's log pipeline is one more memory; telemetry decides where the line goes.
        tracing::info!(
            target: "forgetd::checkpoint",
            origin = %head.origin,
            size = head.size,
            root = %hex::encode(head.root),
            signature,
            "checkpoint"
        );
        Ok(signed)
    }

    /// Step 4: copies may lag behind a database that is away, so none of them stops the log.
    pub(super) async fn copy(&self, head: &Head, databases: &Databases<'_>) {
        let remember = self.config.remember.as_ref().map(Folder::new);
        let signed = Checkpoint::from(head.clone()).sign(&self.key);
        for fault in memory::spread(head, &signed, anchor(&self.config), databases, remember.as_ref()).await {
            tracing::warn!(%fault, "a copy of the evidence head could not be written");
        }
    }

    /// What `evidence recover` and `approve --restored` do. See [`Recovery`].
    pub fn recovery<'a>(&'a self, databases: &'a Databases<'a>) -> Recovery<'a> {
        Recovery::new(self, databases)
    }
}
