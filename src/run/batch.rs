//! The two batch protocols, once, above all engines.
//!
//! `atomic`: change, receipt, commit. After a crash at any await the database holds either none of the batch or all of
//! it with its receipt. `sealed`: pick, seal, finish, unseal. After a crash at any await the control tables hold either
//! nothing, or a sealed receipt with the keys it announced, which the next holder adopts and brings to its end; nothing
//! changes that was not announced. Neither function loops, waits or retries; that is the lane's walk above them.

use std::collections::BTreeMap;
use std::time::Duration;

use forgetd_connector::{
    AtomicLane, Cause, Commit, Effect, Fault, FaultClass, Key, Next, Order, Outcome, Receipt, SealEnd, SealedLane,
    Settled,
};

use tokio::time::Instant;

use super::job::{Account, Job, Place, named};
use super::late::Late;
use crate::evidence::entry::{EntryError, SealedCounts};
use crate::telemetry::metrics::BatchResult;

/// A batch that came to its end.
#[derive(Debug)]
pub(super) struct Batched {
    /// Rows changed; 0: nothing was committed and no receipt written.
    pub(super) changed: u64,
    /// Rows passed over because others held their locks.
    pub(super) locked: u64,
    /// Rows passed over for a reason of their own: those that a sealed batch isolated (an atomic one is halved by the walk
    /// above it), and those that cannot be transformed.
    pub(super) refused: BTreeMap<Cause, u64>,
    /// Whether a receipt was written, so that the next batch takes the next sequence.
    pub(super) receipt: bool,
    /// Where the next batch begins.
    pub(super) next: Next,
    /// The commit's answer was lost and found: the lane's connection is gone.
    pub(super) reconnect: bool,
    /// How long it was under way: its transaction, or all of its steps where it is sealed.
    pub(super) open: Duration,
}

/// Why a batch did not come to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Nothing of it remains.
    Fault(Fault),
    /// The sealed receipt stands open: adopt it before anything else happens in this lane.
    SealOpen(Fault),
    /// Another holder acts.
    Fenced,
    /// The commit's fate could not be found out.
    Unknown(Fault),
    /// The receipt could not be made.
    Entry(EntryError),
}

/// One atomic batch. `following` says which order comes behind it if it commits, so that the lane can begin that one in
/// the same turn.
pub(super) async fn atomic(
    lane: &mut dyn AtomicLane,
    order: &Order,
    job: &Job<'_>,
    at: Place,
    following: impl FnOnce(&Effect) -> Option<Order>,
) -> Result<Batched, Stopped> {
    let began = Instant::now();
    let effect = lane.change(order).await?;
    let following = following(&effect);
    let mut batched = Batched {
        changed: effect.changed,
        locked: effect.locked,
        refused: effect.unfit,
        receipt: false,
        next: effect.next,
        reconnect: false,
        open: Duration::ZERO,
    };
    if effect.changed == 0 && effect.cascaded.is_empty() {
        lane.undo().await?;
        return Ok(batched);
    }
    let account = Account {
        changed: effect.changed,
        cascaded: named(&effect.cascaded),
        references_set: named(&effect.references_set),
        keys: effect.keys.as_deref(),
        sealed: None,
    };
    let receipt = match job.receipt(at, account, &batched.next) {
        Ok(receipt) => receipt,
        Err(error) => {
            lane.undo().await?;
            return Err(error.into());
        }
    };
    let commit = match &following {
        Some(order) => lane.commit_then(&receipt, order).await,
        None => lane.commit(&receipt).await,
    };
    batched.open = lane.last_open().unwrap_or_else(|| began.elapsed());
    batched.reconnect = settled(commit, job, &receipt).await?;
    batched.receipt = true;
    Ok(batched)
}

/// One sealed batch. The lease deadline is looked at right before each write; none is sent after it.
pub(super) async fn sealed(
    lane: &mut dyn SealedLane,
    order: &Order,
    job: &Job<'_>,
    at: Place,
) -> Result<Batched, Stopped> {
    let began = Instant::now();
    let picked = lane.pick(order).await?;
    let mut batched = Batched {
        changed: 0,
        locked: 0,
        refused: BTreeMap::new(),
        receipt: false,
        next: picked.next,
        reconnect: false,
        open: Duration::ZERO,
    };
    if picked.keys.is_empty() {
        return Ok(batched);
    }
    let announced = picked.keys.len() as u64;
    let intent = Account { sealed: Some(counts(announced, &Outcome::default())), ..Account::default() };
    // Whoever adopts the seal leaves the cursor right behind it.
    let cursor = batched.next.cursor().cloned().into();
    let intent = Receipt { cursor, ..job.receipt(at, intent, &batched.next)? };
    in_time(job)?;
    let deadline = job.claim.deadline();
    stands(job.control.seal(&intent, &picked.keys, &*deadline).await, job, &intent).await?;

    in_time(job)?;
    let finished = match finish(lane, &picked.keys).await {
        Ok(finished) => finished,
        // The deadline passed between two writes. What the first ones did is said beside the seal, which its next holder
        // brings to its end.
        Err(Unfinished { fault, changed }) if is_late(&fault) && changed > 0 => {
            return Err(late(job, at.sequence, changed).await);
        }
        Err(Unfinished { fault, .. }) => return Err(Stopped::SealOpen(fault)),
    };
    // No deadline here: what was changed must be said, and this write is refused by itself where somebody else adopted
    // the seal.
    let account = Account {
        changed: finished.outcome.changed,
        cascaded: named(&finished.outcome.cascaded),
        references_set: named(&finished.outcome.references_set),
        keys: Some(&picked.keys),
        sealed: Some(counts(announced, &finished.outcome)),
    };
    let receipt = job.receipt(at, account, &batched.next)?;
    match job.control.unseal(&receipt).await {
        SealEnd::Done => {}
        SealEnd::Adopted => return Err(late(job, at.sequence, finished.outcome.changed).await),
        SealEnd::Failed(fault) => return Err(Stopped::SealOpen(fault)),
    }
    batched.changed = finished.outcome.changed;
    batched.locked = finished.locked;
    batched.refused = finished.refused;
    batched.receipt = true;
    batched.open = began.elapsed();
    Ok(batched)
}

/// What the change of a sealed batch's keys came to.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) outcome: Outcome,
    pub(super) locked: u64,
    pub(super) refused: BTreeMap<Cause, u64>,
}

/// Why the change of a sealed batch's keys did not come to its end.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) fault: Fault,
    /// Rows that were changed before, as far as the engine confirmed them.
    pub(super) changed: u64,
}

/// Whether it says that another holder may act by now.
pub(super) fn is_late(fault: &Fault) -> bool {
    fault.class == FaultClass::Blocked(Cause::Fenced)
}

/// Steps 3 and 4 for a whole list, halved wherever a row is to blame or it takes too long. Ends after at most `2 * keys`
/// calls.
pub(super) async fn finish(lane: &mut dyn SealedLane, keys: &[Key]) -> Result<Finished, Unfinished> {
    let mut finished = Finished::default();
    let mut parts = vec![keys];
    while let Some(part) = parts.pop() {
        match lane.finish(part).await {
            Ok(outcome) => {
                finished.outcome.changed += outcome.changed;
                finished.outcome.gone += outcome.gone;
                finished.outcome.kept += outcome.kept;
                for (table, rows) in outcome.cascaded {
                    *finished.outcome.cascaded.entry(table).or_default() += rows;
                }
                for (table, rows) in outcome.references_set {
                    *finished.outcome.references_set.entry(table).or_default() += rows;
                }
                for (cause, rows) in outcome.unfit {
                    *finished.refused.entry(cause).or_default() += rows;
                }
            }
            Err(fault) => match (fault.class, part.len()) {
                (FaultClass::Row(_) | FaultClass::Locked | FaultClass::Timeout, 2..) => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right, left]);
                }
                (FaultClass::Row(cause), _) => {
                    finished.outcome.kept += 1;
                    *finished.refused.entry(cause).or_default() += 1;
                }
                (FaultClass::Locked, _) => {
                    finished.outcome.kept += 1;
                    finished.locked += 1;
                }
                _ => return Err(Unfinished { fault, changed: finished.outcome.changed + lane.owed() }),
            },
        }
    }
    Ok(finished)
}

/// The counts a sealed entry carries; before the change everything announced is kept.
fn counts(sealed: u64, outcome: &Outcome) -> SealedCounts {
    SealedCounts { sealed, gone: outcome.gone, kept: sealed - outcome.gone.min(sealed), adopted: false }
}

/// Whether the seal stands as it was sent. What has its place under our own term is an earlier try of ours, which came after
/// its answer was given up: other keys stand announced there, and they are brought to their end first.
async fn stands(commit: Commit, job: &Job<'_>, receipt: &Receipt) -> Result<(), Stopped> {
    match settled(commit, job, receipt).await {
        Err(Stopped::Fenced) => match job.control.stamp(&receipt.key).await {
            Ok(Some(stamp)) if stamp.term == receipt.term => {
                let fault = Fault::new(FaultClass::Transient, "seal", job.clerk.database);
                Err(Stopped::SealOpen(fault.with_detail("an earlier try of its own came late")))
            }
            _ => Err(Stopped::Fenced),
        },
        other => other.map(drop),
    }
}

/// Turns a commit's answer into "done" (true: the connection was lost on the way) or the reason to stop.
async fn settled(commit: Commit, job: &Job<'_>, receipt: &Receipt) -> Result<bool, Stopped> {
    let reconnect = match commit {
        Commit::Committed => false,
        Commit::RolledBack(fault) => return Err(Stopped::Fault(fault)),
        Commit::Fenced => return Err(Stopped::Fenced),
        Commit::Unknown(fault) => match job.control.settle_ours(receipt).await {
            Settled::Present => true,
            Settled::Absent => return Err(Stopped::Fault(Fault { class: FaultClass::Disconnected, ..fault })),
            Settled::Foreign => return Err(Stopped::Fenced),
            Settled::Unsettled => return Err(Stopped::Unknown(fault)),
        },
    };
    job.clerk.own.wrote(&receipt.key);
    Ok(reconnect)
}

/// No write is sent past the lease's deadline on our own clock.
fn in_time(job: &Job<'_>) -> Result<(), Stopped> {
    if job.claim.alive() { Ok(()) } else { Err(Stopped::Fenced) }
}

/// Another holder brings the seal to its end: our count goes into an entry of its own, and we stop.
async fn late(job: &Job<'_>, sealed_sequence: u64, changed: u64) -> Stopped {
    let late = Late { rule: &job.rule.name, run: &job.run, sealed_sequence, changed };
    late.say(job.control, &job.clerk).await;
    Stopped::Fenced
}

// === impl Stopped ===

impl Stopped {
    /// What became of the batch; nothing where none was begun.
    pub(super) fn result(&self) -> Option<BatchResult> {
        match self {
            Self::Fault(fault) if fault.class == FaultClass::Unreachable => None,
            Self::Fault(fault) | Self::SealOpen(fault) if is_late(fault) => Some(BatchResult::Fenced),
            Self::Fault(_) | Self::Entry(_) => Some(BatchResult::RolledBack),
            Self::Fenced => Some(BatchResult::Fenced),
            Self::SealOpen(_) | Self::Unknown(_) => Some(BatchResult::Unknown),
        }
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<EntryError> for Stopped {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}
