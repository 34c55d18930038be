//! The ways on after evidence or a database was found in an earlier state, damaged or lost. Each needs a person.
//!
//! A lost folder is rebuilt, from receipts or from a copy, when the result is exactly the tree of the head row. What
//! cannot be rebuilt is never begun anew under its origin: the log goes on under a new one, whose first entry names the
//! last known checkpoint and the reason that a person gave.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Commit, Control, ControlState, Generation, Head, Pending, Receipt, ReceiptKey};

use super::EvidenceFault;
use super::assess::{self, Assessment, PAGE, Site, anchor};
use super::entry::{self, EntryBody, EntryHead, Signature};
use super::log::merkle::leaf_hash;
use super::log::{Checkpoint, Tail, tile};
use super::memory::{self, Databases};
use super::relay::{OpenLog, Relay, Relayed};
use super::store::{Files as _, Folder};
use super::walk::walk;

/// The way on of one log.
pub struct Recovery<'a> {
    relay: &'a Relay,
    databases: &'a Databases<'a>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The origin in force.
    pub origin: String,
    /// The head row, if there is one.
    pub head: Option<Head>,
    /// The newest head that anybody remembers.
    pub newest: Option<Head>,
    /// What was found. Empty: nothing is wrong.
    pub found: Vec<EvidenceFault>,
    /// Whether the folder can be tried to be rebuilt: its files are lost or damaged and its head row is not.
    pub rebuildable: bool,
}

/// A person's decision to go on.
#[derive(Clone, Debug)]
pub struct Approval<'a> {
    /// The instance, for the entry.
    pub instance: &'a str,
    /// The term under which we act.
    pub term: u64,
    /// Why it is right to go on, in the person's words.
    pub reason: &'a str,
    /// The approvers who signed that, by name.
    pub signed: BTreeMap<String, Signature>,
}

/// How it went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The origin in force now.
    pub origin: String,
    /// Databases that work under a new generation of control tables.
    pub renewed: Vec<String>,
    /// What was relayed, the recovery entries included.
    pub relayed: Relayed,
}

// === impl Loss ===

impl Loss {
    /// What was found, as the entry of going on says it.
    pub fn words(&self) -> String {
        let mut found: Vec<&EvidenceFault> = self.found.iter().collect();
        found.dedup();
        in_words(found)
    }
}

// === impl Recovery ===

impl<'a> Recovery<'a> {
    pub(super) fn new(relay: &'a Relay, databases: &'a Databases<'a>) -> Self {
        Self { relay, databases }
    }

    /// What is wrong. Writes nothing but files that a crash left staged for a committed head, under the folder's lock.
    pub async fn look(&self) -> Result<Loss, EvidenceFault> {
        let mut open = self.relay.open.lock().await;
        *open = None;
        let _lock = self.relay.lock().await?;
        let found = self.relay.assess(self.databases).await?;
        let rebuildable = rebuildable(&found);
        Ok(Loss {
            origin: found.site.origin,
            head: found.head,
            newest: found.newest,
            found: found.lost.into_iter().chain(found.moved).chain(found.restored).collect(),
            rebuildable,
        })
    }

    /// Rebuilds a lost folder from `copy`, or from the receipts that the databases kept. Nothing is written unless the
    /// result is exactly the tree of the head row.
    pub async fn rebuild(&self, copy: Option<&Folder>) -> Result<Head, EvidenceFault> {
        let mut open = self.relay.open.lock().await;
        *open = None;
        let _lock = self.relay.lock().await?;
        let found = self.relay.assess(self.databases).await?;
        let (Some(folder), Some(head), true) = (&found.site.folder, &found.head, rebuildable(&found)) else {
            return Err(EvidenceFault::evidence(
                &found.site.origin,
                "there is no lost folder with a head row to rebuild",
            ));
        };
        match copy {
            Some(copy) => restore_copy(copy, folder, head).await?,
            None => self.restore_receipts(folder, head).await?,
        }
        let store = assess::store(&self.relay.config, &found.site, self.databases)?;
        self.relay.sign(&*store, head).await?;
        Ok(head.clone())
    }

    /// Goes on: every database that was put back gets a new generation, and a recovery entry says why. A log that
    /// cannot go on continues under a new origin whose first entry embeds the last known checkpoint.
    pub async fn go_on(&self, approval: &Approval<'_>) -> Result<Recovered, EvidenceFault> {
        let mut open = self.relay.open.lock().await;
        *open = None;
        let lock = self.relay.lock().await?;
        let found = self.relay.assess(self.databases).await?;
        let mut wrong: Vec<&EvidenceFault> = found.lost.iter().chain(&found.moved).chain(&found.restored).collect();
        if wrong.is_empty() {
            return Err(EvidenceFault::new(
                Cause::Evidence,
                &found.site.origin,
                "nothing is wrong: there is nothing to approve",
            ));
        }
        wrong.dedup();
        let words = in_words(wrong);
        let anchor = anchor(&self.relay.config);
        let mut renewed: Vec<&str> = found.restored.iter().map(|fault| fault.place.as_str()).collect();
        let put_back = found.moved.is_some() || found.lost.as_ref().is_some_and(|fault| fault.cause == Cause::Restored);
        if put_back && !renewed.contains(&anchor) {
            renewed.push(anchor);
        }
        let last = last_known(&found);
        // The anchor's entry is the first: a new origin begins with it.
        let mut first = None;
        for (name, control) in self.databases {
            if *name != anchor && !renewed.contains(name) {
                continue;
            }
            let generation =
                if renewed.contains(name) { control.new_generation().await? } else { current(name, *control).await? };
            let pending = self.say(name, *control, generation, approval, &words, &last).await?;
            if *name == anchor {
                first = Some(pending);
            }
        }
        let renewed = renewed.into_iter().map(ToOwned::to_owned).collect();
        let mut log = if found.lost.is_some() || self.may_have_shrunk(&found).await? {
            let site = Site::of(&self.relay.config, &self.relay.key, found.site.number + 1)?;
            let mut log =
                OpenLog { site, head: None, tail: Tail::default(), promoted: false, signed_at: None, _lock: lock };
            self.begin_origin(&mut log, approval.term, first.as_ref()).await?;
            log
        } else {
            self.relay.opened(found, lock)
        };
        let relayed = self.relay.groups(&mut log, approval.term, self.databases).await?;
        let origin = log.site.origin.clone();
        *open = Some(log);
        Ok(Recovered { origin, renewed, relayed })
    }

    /// Whether the head row was moved and nobody outside knows its head: entries may have been lost with what was there
    /// before, and going on would give their sizes other roots.
    async fn may_have_shrunk(&self, found: &Assessment) -> Result<bool, EvidenceFault> {
        if found.moved.is_none() {
            return Ok(false);
        }
        let config = &self.relay.config;
        let remember = config.remember.as_ref().map(Folder::new);
        let (memories, _) =
            memory::recall(&found.site.origin, anchor(config), self.databases, remember.as_ref(), &found.site.key)
                .await?;
        let mut outside: Vec<Head> = memories.into_iter().map(|memory| memory.head).collect();
        // A folder is not put back together with the database.
        if found.site.folder.is_some() {
            let store = assess::store(config, &found.site, self.databases)?;
            let stored = assess::stored_checkpoint(&*store, &found.site.key).await;
            outside.extend(stored.ok().flatten().map(|(checkpoint, _)| checkpoint.into()));
        }
        Ok(!outside.iter().any(|head| Some(head) == found.head.as_ref()))
    }

    /// The first entry of a new origin.
    async fn begin_origin(&self, log: &mut OpenLog, term: u64, first: Option<&Pending>) -> Result<(), EvidenceFault> {
        let first = first.ok_or_else(|| {
            EvidenceFault::new(Cause::Unreachable, anchor(&self.relay.config), "the home of the log is not connected")
        })?;
        let store = assess::store(&self.relay.config, &log.site, self.databases)?;
        let (head, _) = self.relay.step(log, &*store, term, &[first]).await?;
        self.relay.sign(&*store, &head).await?;
        self.relay.copy(&head, self.databases).await;
        Ok(())
    }

    /// Appends the recovery entry's receipt. A crash before it leaves a new generation without its entry; the reason
    /// is asked for again only if something is still wrong then.
    async fn say(
        &self,
        database: &str,
        control: &dyn Control,
        generation: Generation,
        approval: &Approval<'_>,
        found: &str,
        checkpoint: &str,
    ) -> Result<Pending, EvidenceFault> {
        let sequence = control.next_sequence("-", "-").await?;
        let key = ReceiptKey { generation, rule: "-".into(), lane: "-".into(), sequence };
        let head =
            EntryHead { instance: approval.instance, database, at: crate::clock::now(), term: approval.term, run: "" };
        let body = EntryBody::Recovery {
            reason: approval.reason.into(),
            found: found.into(),
            checkpoint: checkpoint.into(),
            signed: approval.signed.clone(),
        };
        let body = entry::encode(&key, &head, &body)
            .map_err(|error| EvidenceFault::new(Cause::Evidence, database, format!("the recovery entry: {error}")))?;
        let mac = self.relay.key.mac(&key, &body);
        let receipt = Receipt {
            key: key.clone(),
            run: String::new(),
            term: approval.term,
            body: body.clone(),
            mac,
            rows: None,
            cursor: forgetd_connector::CursorMove::Keep,
        };
        match control.append(&receipt).await {
            Commit::Committed => Ok(Pending { key, body, mac }),
            Commit::RolledBack(fault) | Commit::Unknown(fault) => Err(fault.into()),
            Commit::Fenced => {
                Err(EvidenceFault::new(Cause::Fenced, database, "another process acts for this instance"))
            }
        }
    }

    /// Every entry from the receipts that were kept, in the order of their leaves. Holds all of them in memory.
    async fn restore_receipts(&self, folder: &Folder, head: &Head) -> Result<(), EvidenceFault> {
        let home = assess::control(self.databases, anchor(&self.relay.config))?;
        let mut entries: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (_, control) in self.databases {
            let mut after = None;
            loop {
                let page = control.bodies(after.as_ref(), PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                let keys: Vec<ReceiptKey> = page.iter().map(|pending| pending.key.clone()).collect();
                let rows: BTreeMap<_, _> =
                    home.leaves(&keys).await?.into_iter().map(|row| (row.key, (row.index, row.hash))).collect();
                for pending in page {
                    let row = rows.get(&pending.key);
                    if let Some((index, _)) = row.filter(|(_, hash)| *hash == leaf_hash(&pending.body)) {
                        entries.insert(*index, pending.body);
                    }
                }
            }
        }
        let kept = entries.keys().zip(0..head.size).take_while(|(index, at)| **index == *at).count() as u64;
        let mut tail = Tail::default();
        let growth = tail
            .append(entries.values().take(usize::try_from(head.size).unwrap_or(usize::MAX)).map(Vec::as_slice))
            .map_err(|_| EvidenceFault::evidence(folder.place(), "a receipt is longer than an entry may be"))?;
        if kept < head.size || tail.root() != head.root {
            let found = format!("the receipts kept make up {kept} of {} entries", head.size);
            return Err(EvidenceFault::evidence(folder.place(), found));
        }
        for (path, bytes) in growth.objects {
            folder.replace(&path.to_string(), bytes).await?;
        }
        Ok(())
    }
}

/// What was found, as an entry says it.
fn in_words<'a>(faults: impl IntoIterator<Item = &'a EvidenceFault>) -> String {
    faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.found)).collect::<Vec<_>>().join("; ")
}

/// Only the files are gone: the head row stands, and nobody remembers more than it says.
fn rebuildable(found: &Assessment) -> bool {
    let lost_files = found.lost.as_ref().is_some_and(|fault| fault.cause == Cause::Evidence);
    found.site.folder.is_some() && found.head.is_some() && found.moved.is_none() && lost_files && !found.foreign
}

/// The newest head as it was signed, if that is at hand; else its three lines.
fn last_known(found: &Assessment) -> String {
    let Some(newest) = &found.newest else { return String::new() };
    let text = Checkpoint::from(newest.clone()).text();
    found.note.clone().filter(|note| note.starts_with(&text)).unwrap_or(text)
}

async fn current(name: &str, control: &dyn Control) -> Result<Generation, EvidenceFault> {
    match control.inspect().await? {
        ControlState::Ready(generation) => Ok(generation),
        _ => Err(EvidenceFault::new(Cause::ControlTables, name, "the control tables are missing or incomplete")),
    }
}

async fn restore_copy(copy: &Folder, folder: &Folder, head: &Head) -> Result<(), EvidenceFault> {
    let walked = walk(copy, head.size, &[], &mut |_, _| {}).await?;
    if let Some(problem) = walked.problems.first() {
        return Err(EvidenceFault::evidence(copy.place(), format!("{}: {}", problem.place, problem.found)));
    }
    if walked.root != Some(head.root) {
        return Err(EvidenceFault::evidence(copy.place(), format!("the copy is not the log of {} entries", head.size)));
    }
    for path in tile::paths(head.size) {
        let path = path.to_string();
        if let Some(bytes) = copy.read(&path).await? {
            folder.replace(&path, bytes).await?;
        }
    }
    Ok(())
}
