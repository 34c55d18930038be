//! Drives a lane from where it stands to its end, batch by batch: halving, skipping, retrying, stopping.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use forgetd_connector::{Cause, Compare, Cursor, Effect, Fault, FaultClass, Lane, LockWait, Next, Order};
use tokio::time::{Instant, sleep};

use super::batch::{self, Batched, Stopped};
use super::job::Job;
use super::{Pace, seals};
use crate::clock;
use crate::run::LANE;
use crate::throttle::{BatchSize, Decision, PauseReason};

/// How often a batch is tried again after a deadlock, a lost connection or an opened seal, in a row.
const TRIES_MAX: usize = 8;

/// Every so many batches, and at the first, all tables' counters are compared: triggers are not in the closure.
const COMPARE_ALL_EVERY: u64 = 64;

/// How often it is looked whether a pause is over, if nothing else wakes the walk.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a walk came to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Rows changed.
    pub(super) changed: u64,
    /// Batches with a receipt.
    pub(super) batches: u64,
    /// Rows passed over, by cause.
    pub(super) skipped: BTreeMap<Cause, u64>,
    /// The largest batch.
    pub(super) batch_rows_max: u64,
    /// The longest transaction, from its first byte to the commit's answer.
    pub(super) longest_tx: Duration,
    /// Whether seals were adopted on the way, so that counts must be read back from the receipts.
    pub(super) resealed: bool,
    /// Rows of those seals that are gone. Which of them this run changed is not known; all of them count against its cap.
    pub(super) adopted: u64,
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
    lane: Option<Lane>,
    sequence: u64,
    stand: Stand,
    size: BatchSize,
    /// Whether locked rows are passed over throughout, not only after one was met.
    skips: bool,
    /// Whether the next change went out behind the last commit: its transaction is open, or its keys were picked.
    ahead: Cell<bool>,
    /// Whether no batch was let through yet.
    first: Cell<bool>,
    done: Walked,
    tries: Vec<Duration>,
}

// === impl Walk ===

impl<'a, 'j> Walk<'a, 'j> {
    /// A walk that begins where the lane's last committed batch left its cursor.
    pub(super) async fn resume(job: &'a Job<'j>, pace: &'a Pace<'a>) -> Result<Self, Fault> {
        let from = job.control.cursor(&job.rule.name, LANE).await?;
        Self::at(job, pace, from, LockWait::Wait).await
    }

    /// A walk from the lane's start: another try at what was skipped.
    pub(super) async fn again(job: &'a Job<'j>, pace: &'a Pace<'a>, locks: LockWait) -> Result<Self, Fault> {
        Self::at(job, pace, None, locks).await
    }

    async fn at(job: &'a Job<'j>, pace: &'a Pace<'a>, from: Option<Cursor>, locks: LockWait) -> Result<Self, Fault> {
        let sequence = job.control.next_sequence(&job.rule.name, LANE).await?;
        let rows = pace.batch_rows_max;
        let skips = locks == LockWait::Skip;
        let stand = Stand { from, rows, locks, batches: 0, changed: 0 };
        let size = BatchSize::new(rows, pace.batch_target);
        Ok(Self {
            job,
            pace,
            lane: None,
            sequence,
            stand,
            size,
            skips,
            ahead: Cell::new(false),
            first: Cell::new(true),
            done: Walked::default(),
            tries: pauses(),
        })
    }

    /// Walks to the lane's end or to the first reason to halt. What was done stands in the result either way.
    /// `changed_before` are rows this run has changed already; they count against its cap.
    pub(super) async fn run(mut self, changed_before: u64) -> (Walked, Option<Halt>) {
        loop {
            if let Err(halt) = self.clear().await {
                return (self.done, Some(halt));
            }
            let order = match self.order(&self.stand, changed_before) {
                Ok(order) => order,
                Err(halt) => return (self.done, Some(halt)),
            };
            let next = match self.batch(&order, changed_before).await {
                Ok(batched) => self.account(batched, order.rows_max, changed_before),
                Err(stopped) => {
                    self.ahead.set(false);
                    if let Some(result) = stopped.result() {
                        self.pace.progress.uncommitted(&self.job.rule.name, result);
                    }
                    match self.mend(stopped, &order).await {
                        Ok(Some(next)) => next,
                        Ok(None) => continue,
                        Err(halt) => return (self.done, Some(halt)),
                    }
                }
            };
            match next {
                Next::End => return (self.done, None),
                Next::At(cursor) if Some(&cursor) == self.stand.from.as_ref() => {
                    let fault =
                        Fault::new(FaultClass::Internal, "change", self.job.step.place(self.job.clerk.database));
                    return (self.done, Some(Halt::Fault(fault.with_detail("the position did not move"))));
                }
                Next::At(cursor) => self.stand.from = Some(cursor),
            }
        }
    }

    /// Waits until the server and its replicas can take a batch, or until something else is to be done. No transaction is
    /// open meanwhile: a batch that has begun comes to its end first.
    async fn clear(&self) -> Result<(), Halt> {
        if self.ahead.take() {
            return Ok(());
        }
        let began = Instant::now();
        let mut told = None;
        let cleared = loop {
            if let Some(halt) = self.halt() {
                break Err(halt);
            }
            let (waiting, mut rests) = (Instant::now(), false);
            let pause = match self.pace.look() {
                Decision::Go => {
                    let (rate, room) = (self.pace.wait_for_rate(), self.pace.wait_for_others());
                    if rate.max(room).is_zero() {
                        break Ok(());
                    }
                    rests = room > rate;
                    rate.max(room).min(LOOK_AGAIN)
                }
                Decision::Unread => LOOK_AGAIN,
                Decision::Pause(reason) => {
                    if told.as_ref() != Some(&reason.cause) {
                        told = Some(reason.cause);
                        let (cause, fix) = (reason.cause.id(), reason.cause.fix());
                        let database = self.job.clerk.database;
                        tracing::warn!(database, rule = %self.job.rule.name, cause, fix, "batches wait: {}", reason.detail);
                        self.pace.progress.paused(database, Some(&reason));
                    }
                    if began.elapsed() > self.pace.pause_max {
                        // It stays told: the run goes on later, if it may then.
                        return Err(Halt::Paused(reason));
                    }
                    LOOK_AGAIN
                }
            };
            let mut readings = self.pace.readings.subscribe();
            let mut stop = self.pace.stop.clone();
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = readings.changed() => {}
                Ok(_) = stop.wait_for(|stopped| *stopped) => {}
            }
            if rests {
                self.pace.progress.rested(self.job.clerk.database, waiting.elapsed());
            }
        };
        if told.is_some() {
            tracing::info!(database = self.job.clerk.database, "batches go on");
        }
        // What an earlier walk told, which gave up waiting, is over too.
        if told.is_some() || (cleared.is_ok() && self.first.take()) {
            self.pace.progress.paused(self.job.clerk.database, None);
        }
        cleared
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

    /// What the next batch shall do where the walk stands like this, or why there is none.
    fn order(&self, stand: &Stand, changed_before: u64) -> Result<Order, Halt> {
        if let Some(halt) = self.halt() {
            return Err(halt);
        }
        let rows = stand.rows.min(self.size.rows());
        let rows_max = match self.job.rule.cap.rows_per_run {
            None => rows,
            Some(cap) => match cap.saturating_sub(changed_before + stand.changed + self.done.adopted) {
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

    async fn batch(&mut self, order: &Order, changed_before: u64) -> Result<Batched, Stopped> {
        let mut lane = match self.lane.take() {
            Some(lane) => lane,
            None => {
                self.job.connector.lane(&self.job.step, &self.job.lane_claim(), Arc::clone(&self.job.transform)).await?
            }
        };
        let batched = self.batch_of(&mut lane, order, changed_before).await;
        self.lane = Some(lane);
        batched
    }

    async fn batch_of(&self, lane: &mut Lane, order: &Order, changed_before: u64) -> Result<Batched, Stopped> {
        #[cfg(feature = "faults")]
        if let Some(naive) = super::naive::Naive::from_env() {
            return naive.batch(order, self.job, self.sequence).await;
        }
        let following = |effect: &Effect| {
            let from = effect.next.cursor()?.clone();
            if self.pace.look() != Decision::Go || self.pace.waits_behind(effect.changed) {
                return None;
            }
            // This batch's own receipt will wait too.
            if self.pace.backlog.get() >= self.pace.receipts_pending_max {
                return None;
            }
            let stand = Stand { from: Some(from), ..self.behind(effect.changed, true) };
            let order = self.order(&stand, changed_before).ok();
            self.ahead.set(order.is_some());
            order
        };
        match lane {
            Lane::Atomic(lane) => batch::atomic(lane.as_mut(), order, self.job, self.sequence, following).await,
            Lane::Sealed(lane) => batch::sealed(lane.as_mut(), order, self.job, self.sequence).await,
        }
    }

    /// Books a batch that came to its end.
    fn account(&mut self, batched: Batched, asked: u32, changed_before: u64) -> Next {
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
            self.sequence += 1;
            self.done.batches = self.stand.batches;
            self.done.changed = self.stand.changed;
            self.done.batch_rows_max = self.done.batch_rows_max.max(batched.changed);
            self.done.longest_tx = self.done.longest_tx.max(batched.open);
            self.pace.backlog.set(self.pace.backlog.get() + 1);
            let changed = changed_before + self.done.changed;
            self.pace.progress.batch(&self.job.rule.name, batched.changed, changed, batched.open);
        }
        batched.next
    }

    /// Finds a way past a batch that did not come to its end. `Some`: go on behind it; `None`: try it again.
    async fn mend(&mut self, stopped: Stopped, order: &Order) -> Result<Option<Next>, Halt> {
        let fault = match stopped {
            Stopped::Fault(fault) => fault,
            Stopped::Fenced => return Err(Halt::Fenced),
            Stopped::Unknown(fault) => return Err(Halt::Unknown(fault)),
            Stopped::Entry(error) => {
                let fault = Fault::new(FaultClass::Internal, "make receipt", self.job.clerk.database);
                return Err(Halt::Fault(fault.with_detail(error.to_string())));
            }
            Stopped::SealOpen(fault) if batch::is_late(&fault) => return Err(Halt::Fenced),
            Stopped::SealOpen(fault) => return self.adopt(fault).await.map(|()| None),
        };
        match fault.class {
            FaultClass::Row(cause) if order.rows_max <= 1 => self.pass(order, cause).await,
            FaultClass::Row(_) => {
                self.stand.rows = order.rows_max / 2;
                Ok(None)
            }
            // The server was asked to end it; there is no further order.
            FaultClass::Timeout if *self.pace.stop.borrow() => Ok(None),
            FaultClass::Timeout if order.rows_max > 1 => {
                self.stand.rows = (order.rows_max / 4).max(1);
                Ok(None)
            }
            FaultClass::Locked if self.stand.locks == LockWait::Wait => {
                self.stand.locks = LockWait::Skip;
                Ok(None)
            }
            FaultClass::Transient | FaultClass::Locked | FaultClass::LockedWhole => {
                self.pause(fault).await.map(|()| None)
            }
            FaultClass::Disconnected | FaultClass::Unreachable => {
                self.lane = None;
                self.pause(fault).await?;
                Ok(None)
            }
            FaultClass::Blocked(Cause::Fenced) => Err(Halt::Fenced),
            _ => Err(Halt::Fault(fault)),
        }
    }

    /// Goes on behind a row that refuses the change.
    async fn pass(&mut self, order: &Order, cause: Cause) -> Result<Option<Next>, Halt> {
        let Some(Lane::Atomic(lane)) = self.lane.as_mut() else {
            // The sealed lane isolates refusing rows by itself and never reports them as a fault.
            return Err(Halt::Fault(Fault::new(FaultClass::Internal, "pass", self.job.clerk.database)));
        };
        match lane.pass(order).await {
            Ok((rows, next)) => {
                *self.done.skipped.entry(cause).or_default() += rows;
                Ok(Some(next))
            }
            Err(fault) => {
                self.lane = None;
                self.pause(fault).await.map(|()| None)
            }
        }
    }

    /// Brings our own open seal to its end after a fault between seal and unseal. Where the change is forbidden, or refused
    /// again, the walk ends with it.
    async fn adopt(&mut self, mut fault: Fault) -> Result<(), Halt> {
        self.done.resealed = true;
        self.lane = None;
        let forbidden = seals::forbids(&fault).then(|| fault.clone());
        let adopted = loop {
            let open = fault.clone();
            self.pause(fault).await.map_err(|_| Halt::SealOpen(open))?;
            fault = match seals::adopt_own(self.job, self.pace.progress).await {
                Ok(adopted) => break adopted,
                Err(fault) => match fault.class {
                    FaultClass::Blocked(Cause::Fenced) => return Err(Halt::Fenced),
                    FaultClass::Blocked(_) | FaultClass::Blind(_) | FaultClass::Internal => {
                        return Err(Halt::SealOpen(fault));
                    }
                    _ => fault,
                },
            };
        };
        self.done.adopted += adopted.gone;
        if let Some(fault) = forbidden.or(adopted.refused) {
            return Err(Halt::Fault(fault));
        }
        self.sequence = self.job.control.next_sequence(&self.job.rule.name, LANE).await.map_err(Halt::Fault)?;
        Ok(())
    }

    /// Waits a little longer each time; gives the fault back after too many tries in a row.
    async fn pause(&mut self, fault: Fault) -> Result<(), Halt> {
        match self.tries.pop() {
            Some(pause) => {
                tracing::info!(rule = %self.job.rule.name, error = %fault, "a batch is tried again");
                let mut stop = self.pace.stop.clone();
                // Whoever is asked to stop does not wait.
                tokio::select! {
                    () = sleep(pause) => {}
                    Ok(_) = stop.wait_for(|stopped| *stopped) => {}
                }
                Ok(())
            }
            None => Err(Halt::Fault(fault)),
        }
    }
}

/// The pauses of one series of tries, longest first: they are taken from the end.
fn pauses() -> Vec<Duration> {
    let mut pauses: Vec<Duration> = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(TRIES_MAX)
        .build()
        .collect();
    pauses.reverse();
    pauses
}
