//! The wrapper around control tables.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use forgetd_connector::{
    Acquired, Append, Commit, Connector, Control, ControlState, Cursor, Deadline, Fault, FenceRaise, Generation, Head,
    HeadState, Installed, Key, LeafKey, LeafRow, Lease, LeaseClaim, Leases, LogStore, OpenSeal, Pending, Published,
    Receipt, ReceiptKey, Receipts, RequestRow, RequestState, Requests, Rulebook, RulebookRow, RunRow, Runs, SealEnd,
    Settled, Stamp, StandingRow, Standings,
};

use super::script::{Ending, Operation, Script, lost, scripted, scripted_commit};

pub(super) struct FaultyControl {
    inner: Arc<dyn Connector>,
    script: Script,
    delayed: Mutex<Option<(Receipt, Vec<Key>)>>,
}

impl FaultyControl {
    pub(super) fn new(inner: Arc<dyn Connector>, script: Script) -> Self {
        Self { inner, script, delayed: Mutex::default() }
    }

    fn inner(&self) -> &dyn Control {
        self.inner.control()
    }
}

#[async_trait]
impl Control for FaultyControl {
    fn ddl(&self) -> String {
        self.inner().ddl()
    }

    fn grants(&self, role: &str) -> String {
        self.inner().grants(role)
    }

    async fn install(&self) -> Result<Installed, Fault> {
        self.inner().install().await
    }

    async fn inspect(&self) -> Result<ControlState, Fault> {
        self.inner().inspect().await
    }

    fn let_go(&self) {
        self.inner().let_go();
    }

    async fn new_generation(&self) -> Result<Generation, Fault> {
        self.inner().new_generation().await
    }
}

#[async_trait]
impl Leases for FaultyControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        self.inner().lease().await
    }

    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        scripted!(self.script, Acquire, self.inner().acquire(claim, force).await)
    }

    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault> {
        scripted!(self.script, Renew, self.inner().renew(claim, term).await)
    }

    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault> {
        scripted!(self.script, Release, self.inner().release(holder, term).await)
    }

    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault> {
        scripted!(self.script, RaiseFence, self.inner().raise_fence(term).await)
    }
}

#[async_trait]
impl Receipts for FaultyControl {
    async fn append(&self, receipt: &Receipt) -> Commit {
        scripted_commit!(self.script, Append, self.inner().append(receipt).await)
    }

    async fn append_late(&self, receipt: &Receipt) -> Commit {
        scripted_commit!(self.script, AppendLate, self.inner().append_late(receipt).await)
    }

    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        scripted!(self.script, NextSequence, self.inner().next_sequence(rule, lane).await)
    }

    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault> {
        scripted!(self.script, ReadCursor, self.inner().cursor(rule, lane).await)
    }

    async fn settle(&self, key: &ReceiptKey) -> Settled {
        match self.script.call(Operation::Settle) {
            None => self.inner().settle(key).await,
            Some(_) => Settled::Unsettled,
        }
    }

    async fn settle_ours(&self, receipt: &Receipt) -> Settled {
        match self.script.call(Operation::Settle) {
            None => self.inner().settle_ours(receipt).await,
            Some(_) => Settled::Unsettled,
        }
    }

    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        self.inner().stamp(key).await
    }

    async fn seal(&self, receipt: &Receipt, keys: &[Key], deadline: &dyn Deadline) -> Commit {
        let delayed = self.delayed.lock().unwrap().take();
        if let Some((receipt, keys)) = delayed {
            self.inner().seal(&receipt, &keys, deadline).await;
        }
        match self.script.call(Operation::Seal) {
            Some(Ending::Delayed) => {
                *self.delayed.lock().unwrap() = Some((receipt.clone(), keys.to_vec()));
                Commit::Unknown(lost())
            }
            ending => scripted_commit!(ending, self.inner().seal(receipt, keys, deadline).await),
        }
    }

    async fn unseal(&self, receipt: &Receipt) -> SealEnd {
        match self.script.call(Operation::Unseal) {
            None => self.inner().unseal(receipt).await,
            Some(Ending::Fails(fault)) => SealEnd::Failed(fault),
            Some(Ending::NeverSent | Ending::Delayed) => SealEnd::Failed(lost()),
            Some(Ending::Lost) => match self.inner().unseal(receipt).await {
                SealEnd::Done => SealEnd::Failed(lost()),
                other => other,
            },
        }
    }

    async fn adopt(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        scripted!(self.script, Adopt, self.inner().adopt(term).await)
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault> {
        scripted!(self.script, Pending, self.inner().pending(limit).await)
    }

    async fn pending_count(&self) -> Result<u64, Fault> {
        self.inner().pending_count().await
    }

    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        scripted!(self.script, Acknowledge, self.inner().acknowledge(acks).await)
    }

    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        self.inner().newest().await
    }

    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        self.inner().bodies(after, limit).await
    }

    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        self.inner().rows(key).await
    }

    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault> {
        self.inner().prune(covered, keep_secs).await
    }
}

#[async_trait]
impl Runs for FaultyControl {
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        scripted_commit!(self.script, OpenRun, self.inner().open(row, receipt).await)
    }

    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        scripted_commit!(self.script, CloseRun, self.inner().close(row, receipt).await)
    }

    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        scripted!(self.script, Unfinished, self.inner().unfinished().await)
    }

    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault> {
        self.inner().last(rule).await
    }

    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault> {
        self.inner().batches(run).await
    }
}

#[async_trait]
impl Rulebook for FaultyControl {
    async fn rule(&self, rule: &str) -> Result<Option<RulebookRow>, Fault> {
        scripted!(self.script, ReadRule, self.inner().rule(rule).await)
    }

    async fn keep_rule(&self, row: &RulebookRow, term: u64) -> Commit {
        scripted_commit!(self.script, KeepRule, self.inner().keep_rule(row, term).await)
    }
}

#[async_trait]
impl Standings for FaultyControl {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        scripted!(self.script, Standings, self.inner().standings().await)
    }

    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit {
        scripted_commit!(self.script, KeepStanding, self.inner().keep_standing(row, term).await)
    }

    async fn drop_standing(&self, rule: &str, term: u64) -> Commit {
        scripted_commit!(self.script, DropStanding, self.inner().drop_standing(rule, term).await)
    }
}

#[async_trait]
impl Requests for FaultyControl {
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault> {
        scripted!(self.script, Post, self.inner().post(id, body).await)
    }

    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        scripted!(self.script, Requests, self.inner().requests().await)
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault> {
        self.inner().request(id).await
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit {
        scripted_commit!(self.script, Answer, self.inner().answer(id, state, answer, term).await)
    }

    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault> {
        self.inner().forget_requests(older_than_secs).await
    }
}

#[async_trait]
impl LogStore for FaultyControl {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        scripted!(self.script, Head, self.inner().head(origin).await)
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        match self.script.call(Operation::Publish) {
            None => self.inner().publish(append, term).await,
            Some(Ending::Fails(fault)) => Published::Failed(fault),
            Some(Ending::NeverSent | Ending::Delayed) => Published::Unknown(lost()),
            Some(Ending::Lost) => match self.inner().publish(append, term).await {
                Published::Done => Published::Unknown(lost()),
                other => other,
            },
        }
    }

    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        self.inner().object(origin, path).await
    }

    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        scripted!(self.script, PutObject, self.inner().put_object(origin, path, bytes).await)
    }

    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        self.inner().paths(origin).await
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        self.inner().leaves(keys).await
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        self.inner().newest_leaves().await
    }

    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        scripted!(self.script, Remember, self.inner().remember(head).await)
    }

    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        self.inner().remembered(origin).await
    }
}
