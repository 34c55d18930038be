//! forgetd's own tables.

use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::*;

use crate::answer::odd;
use crate::connector::Shared;

/// The control tables of one database.
pub(crate) struct MyControl {
    pub(crate) shared: Arc<Shared>,
}

impl MyControl {
    fn no<T>(&self) -> Result<T, Fault> {
        Err(odd(&self.shared.control_place()))
    }
    fn commit(&self) -> Commit {
        Commit::RolledBack(odd(&self.shared.control_place()))
    }
}
#[async_trait]
impl Leases for MyControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        self.no()
    }
    async fn acquire(&self, _: &LeaseClaim, _: bool) -> Result<Acquired, Fault> {
        self.no()
    }
    async fn renew(&self, _: &LeaseClaim, _: u64) -> Result<bool, Fault> {
        self.no()
    }
    async fn release(&self, _: &str, _: u64) -> Result<(), Fault> {
        self.no()
    }
    async fn raise_fence(&self, _: u64) -> Result<FenceRaise, Fault> {
        self.no()
    }
}
#[async_trait]
impl Receipts for MyControl {
    async fn append(&self, _: &Receipt) -> Commit {
        self.commit()
    }
    async fn append_late(&self, _: &Receipt) -> Commit {
        self.commit()
    }
    async fn next_sequence(&self, _: &str, _: &str) -> Result<u64, Fault> {
        self.no()
    }
    async fn cursor(&self, _: &str, _: &str) -> Result<Option<Cursor>, Fault> {
        self.no()
    }
    async fn settle(&self, _: &ReceiptKey) -> Settled {
        Settled::Unsettled
    }
    async fn seal(&self, _: &Receipt, _: &[Key]) -> Commit {
        self.commit()
    }
    async fn unseal(&self, _: &Receipt) -> SealEnd {
        SealEnd::Failed(odd(&self.shared.control_place()))
    }
    async fn adopt(&self, _: u64) -> Result<Vec<OpenSeal>, Fault> {
        self.no()
    }
    async fn pending(&self, _: u32) -> Result<Vec<Pending>, Fault> {
        self.no()
    }
    async fn pending_count(&self) -> Result<u64, Fault> {
        self.no()
    }
    async fn acknowledge(&self, _: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        self.no()
    }
    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        self.no()
    }
    async fn bodies(&self, _: Option<&ReceiptKey>, _: u32) -> Result<Vec<Pending>, Fault> {
        self.no()
    }
    async fn rows(&self, _: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        self.no()
    }
    async fn prune(&self, _: u64, _: u64) -> Result<u64, Fault> {
        self.no()
    }
}
#[async_trait]
impl Runs for MyControl {
    async fn open(&self, _: &RunRow, _: &Receipt) -> Commit {
        self.commit()
    }
    async fn close(&self, _: &RunRow, _: &Receipt) -> Commit {
        self.commit()
    }
    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        self.no()
    }
    async fn last(&self, _: &str) -> Result<Option<RunRow>, Fault> {
        self.no()
    }
    async fn batches(&self, _: &str) -> Result<Vec<Vec<u8>>, Fault> {
        self.no()
    }
}
#[async_trait]
impl Rulebook for MyControl {
    async fn rule(&self, _: &str) -> Result<Option<RulebookRow>, Fault> {
        self.no()
    }
    async fn keep_rule(&self, _: &RulebookRow, _: u64) -> Commit {
        self.commit()
    }
}
#[async_trait]
impl LogStore for MyControl {
    async fn head(&self, _: &str) -> Result<Option<HeadState>, Fault> {
        self.no()
    }
    async fn publish(&self, _: &Append, _: u64) -> Published {
        Published::Failed(odd(&self.shared.control_place()))
    }
    async fn object(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, Fault> {
        self.no()
    }
    async fn put_object(&self, _: &str, _: &str, _: &[u8]) -> Result<(), Fault> {
        self.no()
    }
    async fn paths(&self, _: &str) -> Result<Vec<String>, Fault> {
        self.no()
    }
    async fn leaves(&self, _: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        self.no()
    }
    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        self.no()
    }
    async fn remember(&self, _: &Head) -> Result<(), Fault> {
        self.no()
    }
    async fn remembered(&self, _: &str) -> Result<Option<Head>, Fault> {
        self.no()
    }
}
#[async_trait]
impl Control for MyControl {
    fn ddl(&self) -> String {
        String::new()
    }
    fn grants(&self, _: &str) -> String {
        String::new()
    }
    async fn install(&self) -> Result<Installed, Fault> {
        self.no()
    }
    async fn inspect(&self) -> Result<ControlState, Fault> {
        self.no()
    }
    async fn new_generation(&self) -> Result<Generation, Fault> {
        self.no()
    }
}
