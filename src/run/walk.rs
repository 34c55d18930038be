//! Drives a lane from where it stands to its end, batch by batch: halving, skipping, retrying, stopping.

mod clear;
mod mend;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forgetd_connector::{
    Cause, Compare, Cursor, Effect, FIRST_LANE, Fault, FaultClass, Lane, LockWait, Next, Order, RowLock, SECOND_LANE,
};

use mend::pauses;
use tokio::time::Instant;

use super::batch::{self, Batched, Stopped};
use super::job::{Job, Place};
use super::{Pace, lanes};
use crate::clock;
use crate::throttle::{BatchSize, Decision, Gain, PauseReason};

/// Every so many batches, and at the first, all tables' counters are compared: triggers are not in the closure.
const COMPARE_ALL_EVERY: u64 = 64;

/// Behind so many batches a second lane may begin: they have found their size, and the lane has looked at how the rows lie.
const SETTLED: u64 = 10;

/// What a walk came to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Rows changed.
    pub(super) changed: u64,
    /// Batches with a receipt.
    pub(super) batches: u64,
    /// Rows passed over, by cause.
    pub(super) skipped: BTreeMap<Cause, u64>,
    /// How many lanes had batches.
    pub(super) lanes: u32,
    /// The largest batch.
    pub(super) batch_rows_max: u64,
    /// The longest transaction, from its first byte, or its lock on a whole database, to the commit's answer.
    pub(super) longest_tx: Duration,
    /// Whether seals were adopted on the way, so that counts must be read back from the receipts.
    pub(super) resealed: bool,
    /// Rows of those seals that are gone. Which of them this run changed is not known; all of them count against its cap.
    pub(super) adopted: u64,
}

/// How a walk ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// No row of its part is left to look at.
    Rows,
    /// It leaves off between two batches, as its part says.
    Leaves,
    /// No batch may follow.
    Halted(Halt),
}

/// Which rows a walk is for.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// All behind where it stands. Where so many are to be changed in the whole run that a second lane pays, it leaves off
    /// for that one to be got ready.
    Whole {
        /// Rows of the run, as far as is known; absent: no second lane.
        divides: Option<u64>,
        /// What one lane does, and what two do.
        gain: &'a RefCell<Gain>,
    },
    /// The same, until the second one's lane is open.
    Meanwhile {
        /// Whether it is.
        ready: &'a Cell<bool>,
    },
    /// Those before the second lane's first.
    First {
        /// Where that one began.
        until: Cursor,
    },
    /// Those from there on, until the first lane is through with its own, somebody else comes, batches have to wait, or
    /// anything goes wrong: the first lane knows what to do then. Or until one lane is to be tried.
    Second {
        /// Rows of the run, as far as is known.
        rows: u64,
        /// Whether the first lane is through.
        over: &'a Cell<bool>,
        /// What both do.
        gain: &'a RefCell<Gain>,
    },
}

/// Why a walk ended before the lane did.
#[derive(Debug)]
pub(super) enum Halt {
    /// The cap of the run was reached.
    Cap,
    /// The process was asked to stop.
    Interrupted,
    /// Too many receipts wait for the relay.
    Backlog,
    /// A quiet window opened.
    Quiet,
    /// The throttle let no batch start for long.
    Paused(PauseReason),
    /// Another holder acts.
    Fenced,
    /// A fault that trying again does not mend.
    Fault(Fault),
    /// A commit's fate could not be found out.
    Unknown(Fault),
    /// A seal stands open, and this keeps it from being brought to its end now: the run goes on with it later.
    SealOpen(Fault),
}

/// What the next order depends on.
struct Stand {
    from: Option<Cursor>,
    /// The most rows of a batch, halved where a row is to blame for a fault.
    rows: u32,
    locks: LockWait,
    /// Batches with a receipt so far.
    batches: u64,
    /// Rows changed so far.
    changed: u64,
}

/// A walk under way.
pub(super) struct Walk<'a, 'j> {
    job: &'a Job<'j>,
    pace: &'a Pace<'a>,
    part: Part<'a>,
    lane: Option<Lane>,
    at: Place,
    stand: Stand,
    /// Rows this run changed before this walk; they count against its cap.
    before: u64,
    /// Rows this run changed, by all its walks.
    total: &'a Cell<u64>,
    size: BatchSize,
    /// Whether locked rows are passed over throughout, not only after one was met.
    skips: bool,
    /// The most rows of the order whose change went out behind the last commit: its transaction is open.
    ahead: Cell<Option<u32>>,
    /// Whether no batch was let through yet.
    first: Cell<bool>,
    /// Whether something went wrong that this walk leaves to another.
    useless: bool,
    done: Walked,
    tries: Vec<Duration>,
}

// === impl Walk ===

impl<'a, 'j> Walk<'a, 'j> {
    /// A walk that begins where the lane's last committed batch left its cursor.
    pub(super) async fn resume(
        job: &'a Job<'j>,
        pace: &'a Pace<'a>,
        total: &'a Cell<u64>,
        part: Part<'a>,
    ) -> Result<Self, Fault> {
        let from = job.control.cursor(&job.rule.name, FIRST_LANE).await?;
        Self::at(job, pace, total, part, (from, LockWait::Wait)).await
    }

    /// A walk from the lane's start: another try at what was skipped.
    pub(super) async fn again(
        job: &'a Job<'j>,
        pace: &'a Pace<'a>,
        total: &'a Cell<u64>,
        part: Part<'a>,
        locks: LockWait,
    ) -> Result<Self, Fault> {
        Self::at(job, pace, total, part, (None, locks)).await
    }

    async fn at(
        job: &'a Job<'j>,
        pace: &'a Pace<'a>,
        total: &'a Cell<u64>,
        part: Part<'a>,
        (from, locks): (Option<Cursor>, LockWait),
    ) -> Result<Self, Fault> {
        let sequence = job.control.next_sequence(&job.rule.name, FIRST_LANE).await?;
        let rows = pace.batch_rows_max;
        let size = BatchSize::new(rows, pace.batch_target);
        let locks_all = job.connector.capabilities().row_lock == RowLock::WholeDatabase;
        Ok(Self {
            job,
            pace,
            part,
            lane: None,
            at: Place { lane: FIRST_LANE, sequence },
            stand: Stand { from, rows, locks, batches: 0, changed: 0 },
            before: total.get(),
            total,
            size: if locks_all { size.carefully() } else { size },
            skips: locks == LockWait::Skip,
            ahead: Cell::new(None),
            first: Cell::new(true),
            useless: false,
            done: Walked::default(),
            tries: pauses(),
        })
    }

    /// The walk of a second lane, with batches as large as this one's. Where it begins is not known yet.
    pub(super) fn beside(&self, part: Part<'a>) -> Self {
        Self {
            job: self.job,
            pace: self.pace,
            part,
            lane: None,
            at: Place { lane: SECOND_LANE, sequence: 0 },
            stand: Stand { from: None, batches: 0, changed: 0, ..self.stand },
            before: self.total.get(),
            total: self.total,
            size: self.size.clone(),
            skips: false,
            ahead: Cell::new(None),
            first: Cell::new(false),
            useless: false,
            done: Walked::default(),
            tries: vec![],
        }
    }

    /// Learns its next sequence, which is nobody else's.
    pub(super) async fn takes_its_place(&mut self) -> Result<(), Fault> {
        self.at.sequence = self.job.control.next_sequence(&self.job.rule.name, self.at.lane).await?;
        Ok(())
    }

    /// Opens its lane. A dropped future leaves none.
    pub(super) async fn opens(&mut self) -> Result<(), Fault> {
        self.lane = Some(self.open().await?);
        Ok(())
    }

    /// It is for the rows from there on.
    pub(super) fn begins(&mut self, from: Cursor) {
        self.stand.from = Some(from);
    }

    /// Where it stands: everything before, of its part, was looked at.
    pub(super) fn stands(&self) -> Option<&Cursor> {
        self.stand.from.as_ref()
    }

    /// Whether it left off for something that went wrong.
    pub(super) fn is_useless(&self) -> bool {
        self.useless
    }

    /// What it came to so far.
    pub(super) fn done(self) -> Walked {
        self.done
    }

    /// It is for other rows from here on. Nothing of it may be under way.
    pub(super) fn becomes(&mut self, part: Part<'a>, from: Option<Cursor>) {
        (self.part, self.stand.from, self.lane) = (part, from, None);
    }

    /// It is for the same rows, and leaves off for something else.
    pub(super) fn goes_on(&mut self, part: Part<'a>) {
        self.part = part;
    }

    /// Walks to the end of its part or to the first reason to end before. What was done stands in the walk either way.
    pub(super) async fn run(&mut self) -> Ended {
        loop {
            if self.leaves() {
                return self.leave().await;
            }
            let order = match self.next_order().await {
                Ok(order) => order,
                Err(halt) => return Ended::Halted(halt),
            };
            let next = match self.batch(&order).await {
                Ok(batched) => self.account(batched, order.rows_max),
                Err(stopped) => {
                    self.ahead.take();
                    if let Some(result) = stopped.result() {
                        self.pace.progress.uncommitted(&self.job.rule.name, result);
                    }
                    let mended = match (&self.part, stopped) {
                        (Part::Second { .. }, Stopped::Fault(fault)) if !batch::is_late(&fault) => {
                            tracing::info!(rule = %self.job.rule.name, error = %fault, "the second lane leaves off");
                            self.useless = true;
                            return self.leave().await;
                        }
                        (_, stopped) => self.mend(stopped, &order).await,
                    };
                    match mended {
                        Ok(Some(next)) => next,
                        Ok(None) => continue,
                        Err(halt) => return Ended::Halted(halt),
                    }
                }
            };
            match next {
                Next::End => return Ended::Rows,
                Next::At(cursor) if Some(&cursor) == self.stand.from.as_ref() => {
                    let fault =
                        Fault::new(FaultClass::Internal, "change", self.job.step.place(self.job.clerk.database));
                    return Ended::Halted(Halt::Fault(fault.with_detail("the position did not move")));
                }
                Next::At(cursor) => {
                    let ends = matches!(&self.part, Part::First { until } if *until == cursor);
                    self.stand.from = Some(cursor);
                    if ends {
                        return Ended::Rows;
                    }
                }
            }
        }
    }

    /// Whether it leaves off before its next batch.
    fn leaves(&mut self) -> bool {
        let have_room = || lanes::have_room(self.pace) && self.pace.look() == Decision::Go;
        let (now, total) = (Instant::now(), self.total.get());
        match &self.part {
            Part::Whole { divides: Some(rows), gain } => {
                let begins = self.stand.batches >= SETTLED && gain.borrow_mut().two_lanes_may_begin(now, total);
                (begins || lanes::forced().is_some()) && rows.saturating_sub(total) >= lanes::rows_min() && have_room()
            }
            Part::Whole { divides: None, .. } | Part::First { .. } => false,
            // What is under way comes to its end first.
            Part::Meanwhile { ready } => ready.get() && self.ahead.get().is_none(),
            // Whatever keeps batches waiting, the first lane waits for.
            Part::Second { over, .. } if over.get() || !have_room() || self.halt().is_some() => true,
            Part::Second { gain, rows, .. } => {
                let left = rows.saturating_sub(total);
                lanes::forced().is_none() && gain.borrow_mut().one_lane_is_to_be_tried(now, total, left)
            }
        }
    }

    /// Takes back what was begun behind the last batch, but where the same walk goes on at once. Where that cannot be done its
    /// session is gone, and the server does it.
    async fn leave(&mut self) -> Ended {
        if matches!(self.part, Part::Whole { .. } | Part::Meanwhile { .. }) {
            return Ended::Leaves;
        }
        self.ahead.take();
        if let Some(Lane::Atomic(lane)) = &mut self.lane
            && let Err(fault) = lane.undo().await
        {
            tracing::debug!(rule = %self.job.rule.name, error = %fault, "what was begun was not taken back");
        }
        self.lane = None;
        Ended::Leaves
    }

    /// Why there is no further batch, whatever it would do.
    fn halt(&self) -> Option<Halt> {
        if *self.pace.stop.borrow() {
            return Some(Halt::Interrupted);
        }
        if !self.job.claim.alive() {
            return Some(Halt::Fenced);
        }
        if self.pace.backlog.get() > self.pace.receipts_pending_max {
            return Some(Halt::Backlog);
        }
        self.pace.quiet.until(clock::now()).map(|_| Halt::Quiet)
    }

    /// What the next batch shall do, once it may start.
    async fn next_order(&self) -> Result<Order, Halt> {
        let begun = self.ahead.take();
        if begun.is_none() {
            self.clear().await?;
        }
        let order = self.order(&self.stand)?;
        // Batches have another size by now: what is under way is not taken back for that.
        Ok(Order { rows_max: begun.unwrap_or(order.rows_max), ..order })
    }

    /// What the next batch shall do where the walk stands like this, or why there is none.
    fn order(&self, stand: &Stand) -> Result<Order, Halt> {
        if let Some(halt) = self.halt() {
            return Err(halt);
        }
        let rows = stand.rows.min(self.size.rows());
        let rows_max = match self.job.rule.cap.rows_per_run {
            None => rows,
            Some(cap) => match cap.saturating_sub(self.before + stand.changed + self.done.adopted) {
                0 => return Err(Halt::Cap),
                left => rows.min(u32::try_from(left).unwrap_or(u32::MAX)),
            },
        };
        let compare = if stand.batches.is_multiple_of(COMPARE_ALL_EVERY) { Compare::All } else { Compare::Announced };
        let want_keys = self.job.wants_commitments();
        Ok(Order { from: stand.from.clone(), rows_max, locks: stand.locks, compare, want_keys })
    }

    /// Where the walk stands once a batch has gone through.
    fn behind(&self, changed: u64, receipt: bool) -> Stand {
        let Stand { rows, locks, batches, changed: before, .. } = self.stand;
        Stand {
            from: self.stand.from.clone(),
            rows: rows.saturating_mul(2).min(self.pace.batch_rows_max),
            locks: if self.skips { locks } else { LockWait::Wait },
            batches: batches + u64::from(receipt),
            changed: before + changed,
        }
    }

    async fn batch(&mut self, order: &Order) -> Result<Batched, Stopped> {
        let mut lane = match self.lane.take() {
            Some(lane) => lane,
            None => self.open().await?,
        };
        let batched = self.batch_of(&mut lane, order).await;
        if !matches!(&lane, Lane::Atomic(lane) if lane.has_begun()) {
            self.ahead.take();
        }
        self.lane = Some(lane);
        batched
    }

    async fn open(&self) -> Result<Lane, Fault> {
        let until = if let Part::First { until } = &self.part { Some(until.clone()) } else { None };
        let claim = self.job.lane_claim(self.at.lane, until);
        self.job.connector.lane(&self.job.step, &claim, Arc::clone(&self.job.transform)).await
    }

    async fn batch_of(&self, lane: &mut Lane, order: &Order) -> Result<Batched, Stopped> {
        #[cfg(feature = "faults")]
        if let Some(naive) = super::naive::Naive::from_env() {
            return naive.batch(order, self.job, self.at).await;
        }
        let following = |effect: &Effect| {
            let from = effect.next.cursor()?.clone();
            if self.pace.look() != Decision::Go || self.pace.waits_behind(effect.changed) {
                return None;
            }
            match &self.part {
                Part::First { until } if *until == from => return None,
                Part::Meanwhile { ready } if ready.get() => return None,
                _ => {}
            }
            // This batch's own receipt will wait too.
            if self.pace.backlog.get() >= self.pace.receipts_pending_max {
                return None;
            }
            let stand = Stand { from: Some(from), ..self.behind(effect.changed, true) };
            let order = self.order(&stand).ok();
            self.ahead.set(order.as_ref().map(|order| order.rows_max));
            order
        };
        match lane {
            Lane::Atomic(lane) => batch::atomic(lane.as_mut(), order, self.job, self.at, following).await,
            Lane::Sealed(lane) => batch::sealed(lane.as_mut(), order, self.job, self.at).await,
        }
    }

    /// Books a batch that came to its end.
    fn account(&mut self, batched: Batched, asked: u32) -> Next {
        self.stand = self.behind(batched.changed, batched.receipt);
        self.tries = pauses();
        if batched.reconnect {
            self.lane = None;
        }
        for (cause, rows) in batched.refused {
            *self.done.skipped.entry(cause).or_default() += rows;
        }
        if batched.locked > 0 {
            *self.done.skipped.entry(Cause::Locked).or_default() += batched.locked;
        }
        self.pace.spend(batched.changed, batched.open);
        if batched.receipt {
            self.size.aim(self.pace.target());
            self.size.took(asked, batched.changed, batched.open);
            self.at.sequence += 1;
            self.done.batches = self.stand.batches;
            self.done.lanes = if self.at.lane == SECOND_LANE { 2 } else { 1 };
            self.done.changed = self.stand.changed;
            self.done.batch_rows_max = self.done.batch_rows_max.max(batched.changed);
            self.done.longest_tx = self.done.longest_tx.max(batched.open);
            self.pace.backlog.set(self.pace.backlog.get() + 1);
            self.total.set(self.total.get() + batched.changed);
            self.pace.progress.batch(&self.job.rule.name, batched.changed, self.total.get(), batched.open);
        }
        batched.next
    }
}
