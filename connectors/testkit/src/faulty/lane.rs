//! The wrappers around lanes.

use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{AtomicLane, Commit, Effect, Fault, Key, Next, Order, Outcome, Picked, Receipt, SealedLane};

use super::script::{Script, scripted, scripted_commit};

pub(super) struct FaultyAtomic {
    pub(super) inner: Box<dyn AtomicLane>,
    pub(super) script: Script,
}

#[async_trait]
impl AtomicLane for FaultyAtomic {
    async fn change(&mut self, order: &Order) -> Result<Effect, Fault> {
        let effect = scripted!(self.script, Change, self.inner.change(order).await);
        if effect.is_err() {
            // An error's promise is that the transaction was rolled back; where nothing was begun this fails, which is fine.
            drop(self.inner.undo().await);
        }
        effect
    }

    async fn commit(&mut self, receipt: &Receipt) -> Commit {
        let commit = scripted_commit!(self.script, Commit, self.inner.commit(receipt).await);
        if !matches!(commit, Commit::Committed) {
            drop(self.inner.undo().await);
        }
        commit
    }

    async fn commit_then(&mut self, receipt: &Receipt, next: &Order) -> Commit {
        let commit = scripted_commit!(self.script, Commit, self.inner.commit_then(receipt, next).await);
        if !matches!(commit, Commit::Committed) {
            drop(self.inner.undo().await);
        }
        commit
    }

    fn has_begun(&self) -> bool {
        self.inner.has_begun()
    }

    fn last_open(&self) -> Option<Duration> {
        self.inner.last_open()
    }

    async fn undo(&mut self) -> Result<(), Fault> {
        scripted!(self.script, Undo, self.inner.undo().await)
    }

    async fn pass(&mut self, order: &Order) -> Result<(u64, Next), Fault> {
        scripted!(self.script, Pass, self.inner.pass(order).await)
    }
}

pub(super) struct FaultySealed {
    pub(super) inner: Box<dyn SealedLane>,
    pub(super) script: Script,
}

#[async_trait]
impl SealedLane for FaultySealed {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        scripted!(self.script, Pick, self.inner.pick(order).await)
    }

    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        scripted!(self.script, Finish, self.inner.finish(keys).await)
    }

    fn owed(&mut self) -> u64 {
        self.inner.owed()
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        scripted!(self.script, Look, self.inner.look(keys).await)
    }
}
