//! Control tables in memory. What the relay does not call answers with an error, so that a test notices.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use forgetd_connector::{
    Acquired, Append, Commit, Control, ControlState, Cursor, Deadline, Fault, FaultClass, FenceRaise, Generation, Head,
    HeadPlace, HeadState, Installed, Key, LeafKey, LeafRow, Lease, LeaseClaim, Leases, LogStore, OpenSeal, Pending,
    Published, Receipt, ReceiptKey, Receipts, RequestRow, RequestState, Requests, Rulebook, RulebookRow, RunRow, Runs,
    SealEnd, Settled, Stamp, StandingRow, Standings,
};

/// One set of control tables.
pub(super) struct Double {
    name: String,
    tables: Mutex<Tables>,
    /// The next calls of publish answer with a lost connection, after doing it or not.
    pub(super) lose: Mutex<Vec<Lost>>,
}

/// What happens to a publish whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Done,
    Undone,
    /// It was done, and nobody answers any more.
    Away,
}

/// Everything in the tables: what a dump would hold.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) generation: Generation,
    pub(super) receipts: BTreeMap<ReceiptKey, (Receipt, Option<u64>)>,
    pub(super) heads: BTreeMap<String, Head>,
    pub(super) place: HeadPlace,
    pub(super) objects: BTreeMap<(String, String), Vec<u8>>,
    pub(super) leaves: BTreeMap<LeafKey, LeafRow>,
    pub(super) copies: BTreeMap<String, Head>,
    pub(super) away: bool,
    pub(super) fence: u64,
}

fn generation() -> Generation {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Generation(format!("g{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

impl Double {
    pub(super) fn new(name: &str) -> Self {
        let tables = Tables {
            generation: generation(),
            receipts: BTreeMap::new(),
            heads: BTreeMap::new(),
            place: HeadPlace::Same,
            objects: BTreeMap::new(),
            leaves: BTreeMap::new(),
            copies: BTreeMap::new(),
            away: false,
            fence: 1,
        };
        Self { name: name.into(), tables: Mutex::new(tables), lose: Mutex::new(Vec::new()) }
    }

    /// What a dump taken now would restore.
    pub(super) fn dump(&self) -> Tables {
        self.tables.lock().unwrap().clone()
    }

    pub(super) fn restore(&self, tables: Tables) {
        *self.tables.lock().unwrap() = tables;
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Tables)) {
        change(&mut self.tables.lock().unwrap());
    }

    pub(super) fn generation(&self) -> Generation {
        self.tables.lock().unwrap().generation.clone()
    }

    pub(super) fn insert(&self, receipt: Receipt) {
        self.tables.lock().unwrap().receipts.insert(receipt.key.clone(), (receipt, None));
    }

    pub(super) fn pending_now(&self) -> usize {
        self.tables.lock().unwrap().receipts.values().filter(|(_, index)| index.is_none()).count()
    }

    fn there(&self) -> Result<std::sync::MutexGuard<'_, Tables>, Fault> {
        let tables = self.tables.lock().unwrap();
        if tables.away { Err(Fault::new(FaultClass::Unreachable, "connect", self.name.clone())) } else { Ok(tables) }
    }

    fn not_asked(&self) -> Fault {
        Fault::new(FaultClass::Internal, "not asked in these tests", self.name.clone())
    }
}

fn pending(receipt: &Receipt) -> Pending {
    Pending { key: receipt.key.clone(), body: receipt.body.clone(), mac: receipt.mac }
}

#[async_trait]
impl Receipts for Double {
    async fn append(&self, receipt: &Receipt) -> Commit {
        self.insert(receipt.clone());
        Commit::Committed
    }
    async fn append_late(&self, _: &Receipt) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        let tables = self.there()?;
        let of_lane = |key: &&ReceiptKey| key.generation == tables.generation && key.rule == rule && key.lane == lane;
        Ok(tables.receipts.keys().filter(of_lane).map(|key| key.sequence).max().unwrap_or(0) + 1)
    }
    async fn cursor(&self, _: &str, _: &str) -> Result<Option<Cursor>, Fault> {
        Err(self.not_asked())
    }
    async fn settle(&self, _: &ReceiptKey) -> Settled {
        Settled::Unsettled
    }
    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        Ok(self.there()?.receipts.get(key).map(|(receipt, _)| receipt.stamp()))
    }
    async fn seal(&self, _: &Receipt, _: &[Key], _: &dyn Deadline) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn unseal(&self, _: &Receipt) -> SealEnd {
        SealEnd::Failed(self.not_asked())
    }
    async fn adopt(&self, _: u64) -> Result<Vec<OpenSeal>, Fault> {
        Err(self.not_asked())
    }
    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault> {
        let tables = self.there()?;
        let open = tables.receipts.values().filter(|(_, index)| index.is_none());
        Ok(open.take(limit as usize).map(|(receipt, _)| pending(receipt)).collect())
    }
    async fn pending_count(&self) -> Result<u64, Fault> {
        Ok(self.there()?.receipts.values().filter(|(_, index)| index.is_none()).count() as u64)
    }
    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        let mut tables = self.there()?;
        for (key, index) in acks {
            tables.receipts.get_mut(key).unwrap().1 = Some(*index);
        }
        Ok(())
    }
    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        Ok(newest(self.there()?.receipts.keys()))
    }
    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        let tables = self.there()?;
        let beyond = tables.receipts.values().filter(|(receipt, _)| after.is_none_or(|after| receipt.key > *after));
        Ok(beyond.take(limit as usize).map(|(receipt, _)| pending(receipt)).collect())
    }
    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.there()?.receipts.get(key).and_then(|(receipt, _)| receipt.rows.clone()))
    }
    async fn prune(&self, covered: u64, _: u64) -> Result<u64, Fault> {
        let mut tables = self.there()?;
        let newest = newest(tables.receipts.keys());
        let before = tables.receipts.len();
        tables.receipts.retain(|key, (_, index)| newest.contains(key) || index.is_none_or(|index| index >= covered));
        Ok((before - tables.receipts.len()) as u64)
    }
}

fn newest<'a>(keys: impl Iterator<Item = &'a ReceiptKey>) -> Vec<ReceiptKey> {
    let mut newest: BTreeMap<(Generation, String, String), ReceiptKey> = BTreeMap::new();
    for key in keys {
        // Keys come in ascending order, so the last of a lane stays.
        newest.insert((key.generation.clone(), key.rule.clone(), key.lane.clone()), key.clone());
    }
    newest.into_values().collect()
}

#[async_trait]
impl LogStore for Double {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        let tables = self.there()?;
        Ok(tables.heads.get(origin).map(|head| HeadState { head: head.clone(), place: tables.place }))
    }
    async fn publish(&self, append: &Append, term: u64) -> Published {
        let lost = self.lose.lock().unwrap().pop();
        let fault = Fault::new(FaultClass::Disconnected, "publish", self.name.clone());
        if lost == Some(Lost::Undone) {
            return Published::Unknown(fault);
        }
        let mut tables = self.tables.lock().unwrap();
        if tables.fence > term {
            return Published::Fenced;
        }
        let origin = append.next.origin.clone();
        if tables.heads.get(&origin) != append.expected.as_ref() {
            return Published::Moved(tables.heads.get(&origin).cloned());
        }
        for (path, bytes) in &append.objects {
            let existing = tables.objects.get(&(origin.clone(), path.clone()));
            if existing.is_some_and(|existing| existing != bytes) {
                return Published::Conflict;
            }
        }
        if append.leaves.iter().any(|leaf| tables.leaves.contains_key(&leaf.key)) {
            return Published::Conflict;
        }
        for (path, bytes) in &append.objects {
            tables.objects.insert((origin.clone(), path.clone()), bytes.clone());
        }
        for path in &append.superseded {
            tables.objects.remove(&(origin.clone(), path.clone()));
        }
        tables.leaves.extend(append.leaves.iter().map(|leaf| (leaf.key.clone(), leaf.clone())));
        tables.heads.insert(origin, append.next.clone());
        tables.place = HeadPlace::Same;
        tables.away = lost == Some(Lost::Away);
        if lost.is_some() { Published::Unknown(fault) } else { Published::Done }
    }
    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.there()?.objects.get(&(origin.into(), path.into())).cloned())
    }
    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.there()?.objects.insert((origin.into(), path.into()), bytes.into());
        Ok(())
    }
    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        let tables = self.there()?;
        Ok(tables.objects.keys().filter(|(of, _)| of == origin).map(|(_, path)| path.clone()).collect())
    }
    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        let tables = self.there()?;
        Ok(keys.iter().filter_map(|key| tables.leaves.get(key).cloned()).collect())
    }
    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        Ok(newest(self.there()?.leaves.keys()))
    }
    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        let mut tables = self.there()?;
        let copy = tables.copies.entry(head.origin.clone()).or_insert_with(|| head.clone());
        if copy.size < head.size {
            *copy = head.clone();
        }
        Ok(())
    }
    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        Ok(self.there()?.copies.get(origin).cloned())
    }
}

#[async_trait]
impl Leases for Double {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        Err(self.not_asked())
    }
    async fn acquire(&self, _: &LeaseClaim, _: bool) -> Result<Acquired, Fault> {
        Err(self.not_asked())
    }
    async fn renew(&self, _: &LeaseClaim, _: u64) -> Result<bool, Fault> {
        Err(self.not_asked())
    }
    async fn release(&self, _: &str, _: u64) -> Result<(), Fault> {
        Err(self.not_asked())
    }
    async fn raise_fence(&self, _: u64) -> Result<FenceRaise, Fault> {
        Err(self.not_asked())
    }
}

#[async_trait]
impl Runs for Double {
    async fn open(&self, _: &RunRow, _: &Receipt) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn close(&self, _: &RunRow, _: &Receipt) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        Err(self.not_asked())
    }
    async fn last(&self, _: &str) -> Result<Option<RunRow>, Fault> {
        Err(self.not_asked())
    }
    async fn batches(&self, _: &str) -> Result<Vec<Vec<u8>>, Fault> {
        Err(self.not_asked())
    }
}

#[async_trait]
impl Rulebook for Double {
    async fn rule(&self, _: &str) -> Result<Option<RulebookRow>, Fault> {
        Err(self.not_asked())
    }
    async fn keep_rule(&self, _: &RulebookRow, _: u64) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
}

#[async_trait]
impl Standings for Double {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        Err(self.not_asked())
    }
    async fn keep_standing(&self, _: &StandingRow, _: u64) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn drop_standing(&self, _: &str, _: u64) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
}

#[async_trait]
impl Requests for Double {
    async fn post(&self, _: &str, _: &str) -> Result<(), Fault> {
        Err(self.not_asked())
    }
    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        Err(self.not_asked())
    }
    async fn request(&self, _: &str) -> Result<Option<RequestRow>, Fault> {
        Err(self.not_asked())
    }
    async fn answer(&self, _: &str, _: RequestState, _: &str, _: u64) -> Commit {
        Commit::RolledBack(self.not_asked())
    }
    async fn forget_requests(&self, _: u64) -> Result<u64, Fault> {
        Err(self.not_asked())
    }
}

#[async_trait]
impl Control for Double {
    fn ddl(&self) -> String {
        String::new()
    }
    fn grants(&self, _: &str) -> String {
        String::new()
    }
    async fn install(&self) -> Result<Installed, Fault> {
        Err(self.not_asked())
    }
    async fn inspect(&self) -> Result<ControlState, Fault> {
        Ok(ControlState::Ready(self.there()?.generation.clone()))
    }
    async fn new_generation(&self) -> Result<Generation, Fault> {
        let mut tables = self.there()?;
        tables.generation = generation();
        Ok(tables.generation.clone())
    }
}
