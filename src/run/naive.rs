//! Two ways to do it wrong, compiled for tests only: the crash harness must catch both.
//!
//! `log_after_commit` deletes in one commit and writes the receipt in the next; `log_before_commit` writes it first.

use std::sync::Arc;

use forgetd_connector::{Atomicity, Commit, Fault, FaultClass, Lane, Order, Step};

use super::batch::{Batched, Stopped};
use super::job::{Account, Job, Place};

/// Which mistake is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naive {
    LogAfterCommit,
    LogBeforeCommit,
}

// === impl Naive ===

impl Naive {
    pub(super) fn from_env() -> Option<Self> {
        match std::env::var("FORGETD_NAIVE").ok()?.as_str() {
            "log_after_commit" => Some(Self::LogAfterCommit),
            "log_before_commit" => Some(Self::LogBeforeCommit),
            _ => None,
        }
    }

    /// The same work as a real batch, with the receipt in a transaction of its own.
    pub(super) async fn batch(self, order: &Order, job: &Job<'_>, at: Place) -> Result<Batched, Stopped> {
        let step = Step { atomicity: Atomicity::Sealed, ..job.step.clone() };
        let Lane::Sealed(mut lane) =
            job.connector.lane(&step, &job.lane_claim(at.lane, None), Arc::clone(&job.transform)).await?
        else {
            return Err(Fault::new(FaultClass::Internal, "open lane", job.clerk.database).into());
        };
        let picked = lane.pick(order).await?;
        let mut batched = Batched {
            changed: 0,
            locked: 0,
            refused: std::collections::BTreeMap::new(),
            receipt: !picked.keys.is_empty(),
            next: picked.next,
            reconnect: false,
            open: std::time::Duration::ZERO,
        };
        if !batched.receipt {
            return Ok(batched);
        }
        let account = Account { changed: picked.keys.len() as u64, ..Account::default() };
        let receipt = job.receipt(at, account, &batched.next)?;
        if self == Self::LogBeforeCommit {
            committed(job.control.append(&receipt).await)?;
        }
        batched.changed = lane.finish(&picked.keys).await?.changed;
        if self == Self::LogAfterCommit {
            committed(job.control.append(&receipt).await)?;
        }
        Ok(batched)
    }
}

fn committed(commit: Commit) -> Result<(), Stopped> {
    match commit {
        Commit::Committed => Ok(()),
        Commit::Fenced => Err(Stopped::Fenced),
        Commit::RolledBack(fault) | Commit::Unknown(fault) => Err(Stopped::Unknown(fault)),
    }
}
