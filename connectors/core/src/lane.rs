//! The two ways in which rows change.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Cause, Commit, Cursor, Effect, Fault, FaultClass, Generation, Key, Next, Order, Outcome, Picked, Receipt};

/// The lane that every step has.
pub const FIRST_LANE: &str = "0";

/// The lane that works behind the first one's end, on a session of its own, where [`crate::Connector::divide`] gave a position.
pub const SECOND_LANE: &str = "1";

/// What a lane needs to know about who acts.
#[derive(Clone, Debug)]
pub struct LaneClaim {
    /// The generation of the control tables.
    pub generation: Generation,
    /// The term under which this holder acts.
    pub term: u64,
    /// The lane's name inside the rule.
    pub lane: String,
    /// Where the lane ends, before the rows do: another lane of the rule began there. One of [`crate::Connector::divide`]'s
    /// positions; absent: it goes to the last row.
    pub until: Option<Cursor>,
    /// No transaction of this lane may be left idle longer than this: below the lease time.
    pub idle_ms_max: u64,
    /// Until when a sealed lane may write; renewals move it.
    pub deadline: Arc<dyn Deadline>,
}

/// One part in so many of what is left is not spent on a write: it is for the way there, and for stopping it.
const MARGIN: u32 = 10;

/// How long a holder may still write.
pub trait Deadline: fmt::Debug + Send + Sync {
    /// What is left of the time in which a write may be sent; absent: none may be sent any more.
    fn left(&self) -> Option<Duration>;
}

/// The deadline of a holder that nobody coordinates with.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

impl Deadline for Endless {
    fn left(&self) -> Option<Duration> {
        Some(Duration::MAX)
    }
}

// === impl LaneClaim ===

impl LaneClaim {
    /// How long the write that is sent next may take. A fault says that another holder may act by now: a sealed lane asks
    /// right before each write, since no fence meets what it writes.
    pub fn in_time(&self, operation: &'static str, place: &str) -> Result<Duration, Fault> {
        in_time(&*self.deadline, operation, place)
    }
}

/// How long a write may take that is sent now; a fault says that none may be sent any more.
pub fn in_time(deadline: &dyn Deadline, operation: &'static str, place: &str) -> Result<Duration, Fault> {
    let late = || Fault::new(FaultClass::Blocked(Cause::Fenced), operation, place);
    let left = deadline.left().ok_or_else(|| late().with_detail("the lease ran out before the write was sent"))?;
    Ok(left - left / MARGIN)
}

/// A lane of one step, by how its effect and its receipt belong together.
pub enum Lane {
    /// One commit holds both.
    Atomic(Box<dyn AtomicLane>),
    /// The receipt is sealed in other tables first.
    Sealed(Box<dyn SealedLane>),
}

/// One transaction after another, each with its receipt. The caller alternates `change` with `commit` or `undo`.
///
/// Dropping a future of any method, or the lane itself, leaves the transaction to the server, which rolls it back.
#[async_trait]
pub trait AtomicLane: Send {
    /// Begins, checks the fence, changes the rows of the next span and compares what happened with what was announced.
    /// On success the transaction stays open. On an error it has been rolled back already, and the same order can be
    /// given again.
    async fn change(&mut self, order: &Order) -> Result<Effect, Fault>;

    /// Inserts the receipt, moves the cursor and commits. `Committed` needs the insert's one row *and* the commit.
    async fn commit(&mut self, receipt: &Receipt) -> Commit;

    /// [`AtomicLane::commit`], and begins to `change` by `next`, the order that follows if this one commits, where the lane
    /// can send both at once: over a network the next change is then under way while the answer comes back. Nothing of it
    /// counts before `change` is called with that very order; any other call undoes it first.
    async fn commit_then(&mut self, receipt: &Receipt, next: &Order) -> Commit {
        let _ = next;
        self.commit(receipt).await
    }

    /// Whether [`AtomicLane::commit_then`] began the order that follows, and nothing undid it since.
    fn has_begun(&self) -> bool {
        false
    }

    /// How long the transaction of the last commit was open, at the most, however that ended; where one lock is the
    /// whole database's, how long it was held. Absent where it began when `change` was called.
    fn last_open(&self) -> Option<Duration> {
        None
    }

    /// Rolls the open transaction back: a batch that changed nothing leaves no trace.
    async fn undo(&mut self) -> Result<(), Fault>;

    /// Passes over the span of `order` without changing it and says how many due rows it holds. Given with
    /// `rows_max: 1` it passes one poisoned row.
    async fn pass(&mut self, order: &Order) -> Result<(u64, Next), Fault>;
}

/// The lane of a database that does not hold the receipts, or that has no transactions.
#[async_trait]
pub trait SealedLane: Send {
    /// Step 1: reads the next keys that are due, at most `order.rows_max`. Nothing is locked or changed.
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault>;

    /// Steps 3 and 4: changes `key in list and predicate`, then reads which of the keys still match. Safe to repeat. Each
    /// write asks the deadline right before it is sent, and is stopped before that is over as far as the engine lets it be;
    /// behind it nothing is changed any more.
    /// On a [`crate::FaultClass::Row`] or a [`crate::FaultClass::Timeout`] what remains of this call is safe to repeat too, so
    /// the caller can halve the list; what the engine had already changed counts as gone, and as [`SealedLane::owed`] where
    /// that is known. An engine that names each row it refuses says so in [`Outcome::unfit`] instead.
    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault>;

    /// Rows that calls of `finish` changed and then failed, since keys were picked last, as far as the engine confirmed them
    /// and no outcome said them. They are said once.
    fn owed(&mut self) -> u64 {
        0
    }

    /// Step 4 alone: reads which of the keys still match and changes nothing (`changed` is 0), for a seal whose rule
    /// is no longer in force.
    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault>;
}
