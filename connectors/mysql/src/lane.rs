//! The atomic batch: effect and receipt in one commit, in two packets, of which the second is the next batch's first.
//!
//! Turn 1 begins, takes the fence, reads the keys of the due rows of the span, locks them, changes them and looks the next
//! span up: keys go from one statement to the next in variables of the session, so all of it is one packet. Turn 2 inserts
//! the receipt and commits, and is sent only after everything of turn 1 was read and agreed. Where the next span is known,
//! its turn 1 stands in the same packet behind the COMMIT: it is a transaction of its own, and nothing of it stays unless
//! it is asked for.
//!
//! Where new values are computed here, turn 1 locks and reads the rows, the values are computed meanwhile, and a packet
//! between the two writes them back.
//!
//! Where deciding about a row looks elsewhere (another table, a native condition), turn 1 locks the rows and nothing else,
//! and a packet between the two judges them again: its statement sees what was committed before the locks.

mod commit;
pub(crate) mod divide;
pub(crate) mod effect;
pub(crate) mod packet;
mod reach;
mod turn;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::bulk::{Bulk, Met};
use forgetd_connector::walk::{Position, aim};
use forgetd_connector::{
    AtomicLane, Cause, Commit, Effect, FIRST_LANE, Fault, FaultClass, Key, LaneClaim, LockWait, Next, Order, Receipt,
    Step, Transform, fault_point,
};
use tokio::time::Instant;

use crate::answer::{get, odd};
use crate::connect::Held;
use crate::connector::Shared;
use crate::query::{self, Query};
use crate::survey::{Survey, keyed};
use crate::walk::{Counted, Planned, Walk, Walker, layout, read_key, whole};
use packet::{Packet, Tally};
use reach::Reach;
use write::{Computed, Wanted};

/// How often a batch that turned out too large is planned again.
const OVERFLOWS_MAX: u32 = 8;

/// One lane of one step.
pub(crate) struct Atomic {
    shared: Arc<Shared>,
    step: Step,
    place: String,
    claim: LaneClaim,
    query: Arc<Query>,
    survey: Survey,
    transform: Arc<dyn Transform>,
    walker: Walker,
    bulk: Bulk,
    reach: Reach,
    open: Option<Open>,
    begun: Option<Begun>,
    last_open: Option<Duration>,
    /// Whether this lane ever changed a row: then a trigger that cancels chooses its rows.
    took: bool,
}

/// A transaction that waits for its receipt.
struct Open {
    held: Held,
    began: Instant,
}

/// A turn 1 that was sent.
struct Begun {
    held: Held,
    order: Order,
    planned: Planned,
    tally: Result<Tally, Fault>,
    began: Instant,
}

/// What one attempt came to.
enum Attempt {
    /// It stays open.
    Open(Box<(Effect, Open)>),
    /// It met more than the batch may change, or than is read at once, and was rolled back.
    Overflow,
    /// Its rows should have been neighbours and are not; nothing was changed.
    Apart,
}

/// So many rows would have fitted into what is read at once; none was read.
struct TooMany(u64);

/// What a batch did beside what the server said.
#[derive(Default)]
struct Beside {
    unfit: BTreeMap<Cause, u64>,
    keys: Vec<Key>,
}

/// Opens a lane: looks its table up and chooses how to walk it.
pub(crate) async fn open(
    shared: Arc<Shared>,
    step: &Step,
    claim: &LaneClaim,
    transform: Arc<dyn Transform>,
) -> Result<Box<dyn AtomicLane>, Fault> {
    let place = step.place(shared.database());
    keyed(step, &place)?;
    let until = divide::end(claim.until.as_ref(), &place)?;
    let turns = step.rewrite().is_none() && until.is_none() && claim.lane == FIRST_LANE;
    let query = Arc::new(shared.query(step)?.until(until.as_ref()));
    let mut held = shared.slot(&claim.lane).take().await?;
    let (survey, walk) = shared.survey(&mut held, step, &query).await?;
    held.give_back();
    // A lane that ends behind a key goes by key.
    let walk = if matches!(until, Some(Position::Keys { .. })) { Walk::Keys } else { walk };
    let walker = Walker::new(step, Arc::clone(&query), (walk, until), place.clone());
    let walker = if turns { walker.turning() } else { walker };
    let reach = Reach::new(query.has_neighbours());
    Ok(Box::new(Atomic {
        shared,
        step: step.clone(),
        place,
        claim: claim.clone(),
        query,
        survey,
        transform,
        walker,
        bulk: Bulk::default(),
        reach,
        open: None,
        begun: None,
        last_open: None,
        took: false,
    }))
}

// === impl Atomic ===

impl Atomic {
    async fn attempt(&mut self, order: &Order, aim: u32) -> Result<Attempt, Fault> {
        let begun = match self.begun.take_if(|begun| begun.order == *order) {
            Some(begun) => {
                fault_point::before("change")?;
                begun
            }
            None => self.begin_now(order, aim).await?,
        };
        let Begun { mut held, planned, tally, began, .. } = begun;
        let tally = match tally {
            Ok(tally) if tally.due.unwrap_or(0).max(tally.rows) > u64::from(order.rows_max) => {
                held.rollback().await;
                held.give_back();
                self.walker.overflowed();
                return Ok(Attempt::Overflow);
            }
            Ok(tally) if tally.reached == Some(false) && tally.due.is_some_and(|due| due > 0) => {
                held.rollback().await;
                held.give_back();
                self.reach.apart();
                return Ok(Attempt::Apart);
            }
            other => other,
        };
        let changed = match tally {
            Ok(tally) => self.finish_change(&mut held, order, &planned, tally).await,
            Err(fault) => Err(fault),
        };
        let (tally, beside) = match changed {
            Ok(Ok(changed)) => changed,
            Ok(Err(TooMany(fits))) => {
                held.rollback().await;
                held.give_back();
                self.walker.overflowed();
                self.bulk.overflowed(fits);
                return Ok(Attempt::Overflow);
            }
            Err(fault) => {
                if fault.class != FaultClass::Disconnected {
                    held.rollback().await;
                    held.give_back();
                }
                if matches!(fault.class, FaultClass::Row(_)) {
                    self.walker.refused();
                }
                return Err(fault);
            }
        };
        fault_point::after("change")?;
        if order.locks == LockWait::Skip {
            self.walker.stays();
        }
        self.walker.went(&planned, tally.rows, micros(began));
        self.bulk.read(tally.weighed.map_or(0, |(_, bytes)| bytes));
        self.reach.went(tally.reached.is_some());
        self.took |= tally.rows > 0;
        if let Some(rows) = &tally.ahead {
            self.walker.learn(&planned, rows)?;
        }
        let effect = self.effect(order, &planned, tally, beside)?;
        Ok(Attempt::Open(Box::new((effect, Open { held, began }))))
    }

    /// Plans the order's span, for so many rows, and sends turn 1.
    async fn begin_now(&mut self, order: &Order, aim: u32) -> Result<Begun, Fault> {
        self.forget().await;
        let mut held = self.shared.slot(&self.claim.lane).take().await?;
        self.shared.announce(&mut held).await?;
        let position = Position::from_cursor(order.from.as_ref());
        if let Some(at) = self.walker.looks_at(&position, order.rows_max) {
            self.look(&mut held, &at).await?;
        }
        let planned = match self.walker.plan(&mut held, position, aim, Counted::Rows).await {
            Ok(planned) => planned,
            Err(fault) => {
                held.give_back();
                return Err(fault);
            }
        };
        fault_point::before("change")?;
        let began = Instant::now();
        let packet = self.turn(order, &planned);
        let answers = held.turn("change", &packet.asks()).await;
        let mut tally = Tally::default();
        let read = answers.and_then(|answers| packet.read(answers, &self.about(order), &mut tally));
        Ok(Begun { held, order: order.clone(), planned, tally: read.map(|()| tally), began })
    }

    /// Looks at how the rows lie, and goes by key where they lie scattered. What cannot be seen is left as it is.
    async fn look(&mut self, held: &mut Held, at: &Position) -> Result<(), Fault> {
        let scattered = match layout::suits_keys(held, &self.query, at, &self.place).await {
            Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
            Err(fault) => {
                tracing::debug!(rule = self.step.rule, error = %fault, "how the rows lie is not seen");
                false
            }
            Ok(scattered) => scattered,
        };
        self.walker.looked(scattered);
        if scattered {
            tracing::info!(
                rule = self.step.rule,
                "the walk goes by key from here on: rows lie scattered, and many of them are due"
            );
        }
        Ok(())
    }

    /// Turn 1 of the order, if it can be sent without a look first. Not through a pooler, which would lend us its
    /// connection from the first batch to the last.
    fn ready(&self, order: &Order) -> Option<(Planned, Packet)> {
        if self.shared.looked.facts.pooler.is_some() {
            return None;
        }
        let planned = self.walker.ready(Position::from_cursor(order.from.as_ref()), self.bulk.aim(order.rows_max))?;
        let packet = self.turn(order, &planned);
        Some((planned, packet))
    }

    /// Rolls back what was begun behind a commit. Where that cannot be done its session is gone, and the server does it.
    async fn forget(&mut self) {
        let Some(mut begun) = self.begun.take() else { return };
        begun.held.rollback().await;
        begun.held.give_back();
    }

    /// Judges what was locked and writes what was read, where those are packets of their own, and compares what happened
    /// with what was announced.
    async fn finish_change(
        &self,
        held: &mut Held,
        order: &Order,
        planned: &Planned,
        mut tally: Tally,
    ) -> Result<Result<(Tally, Beside), TooMany>, Fault> {
        let mut beside = Beside::default();
        if self.query.looks_elsewhere() {
            let packet = self.judge_turn(order, planned);
            let answers = held.turn("change", &packet.asks()).await?;
            packet.read(answers, &self.about(order), &mut tally)?;
        }
        if self.reads(order) {
            let Some(rewrite) = self.step.rewrite() else { return Err(odd(&self.place)) };
            let rows = std::mem::take(&mut tally.read);
            let stands = query::Beside { since: self.checks(order), old: false };
            let wanted = Wanted { beside: stands, keys: order.want_keys };
            let computed = match tally.met() {
                Met::TooMany(fits) => return Ok(Err(TooMany(fits))),
                Met::TooLarge => Computed::too_large(stands),
                Met::All => write::compute(&self.query, rewrite, &self.transform, rows, wanted, &self.place).await?,
            };
            (beside.unfit, beside.keys) = (computed.unfit, computed.keys);
            let packet = self.write_turn(order, planned, computed.rows);
            let answers = held.turn("change", &packet.asks()).await?;
            packet.read(answers, &self.about(order), &mut tally)?;
        } else if order.want_keys {
            let keys = tally.keys.iter().map(|row| read_key(&self.query, row, 0, &self.place));
            beside.keys = keys.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        }
        let passed: u64 = beside.unfit.values().sum();
        tally.left = tally.left.map(|left| left.saturating_sub(passed));
        if order.locks == LockWait::Wait && tally.left.is_some_and(|left| left > 0) {
            return Err(self.stayed(order, tally.rows));
        }
        effect::agree(&tally, self.query.rewrites(), self.query.reaches_others(), &self.place)?;
        Ok(Ok((tally, beside)))
    }

    /// Rows stayed due although nobody had them locked. A trigger that keeps single rows as they are costs those rows; one
    /// that keeps everything stops the rule.
    fn stayed(&self, order: &Order, changed: u64) -> Fault {
        let class = if !self.query.rewrites() {
            // No trigger can cancel a delete here: the application made them due again.
            FaultClass::Transient
        } else if changed > 0 || self.took || order.rows_max <= 1 {
            FaultClass::Row(Cause::TriggerCancels)
        } else {
            FaultClass::Blocked(Cause::TriggerCancels)
        };
        Fault::new(class, "change", &self.place)
    }

    fn effect(&self, order: &Order, planned: &Planned, mut tally: Tally, beside: Beside) -> Result<Effect, Fault> {
        if order.want_keys && beside.keys.len() as u64 != tally.rows {
            let fault = Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "change", &self.place);
            return Err(fault.with_detail("keys"));
        }
        let (cascaded, references_set) = tally.along();
        Ok(Effect {
            changed: tally.rows,
            cascaded,
            references_set,
            locked: if order.locks == LockWait::Skip { tally.left.unwrap_or(0) } else { 0 },
            unfit: beside.unfit,
            keys: order.want_keys.then_some(beside.keys),
            next: planned.next(),
        })
    }

    async fn finish(&mut self, receipt: &Receipt, next: Option<&Order>) -> Commit {
        let Some(Open { held, began }) = self.open.take() else {
            let fault = Fault::new(FaultClass::Internal, "commit", &self.place);
            return Commit::RolledBack(fault.with_detail("no batch"));
        };
        let ahead = next.and_then(|order| Some((order, self.ready(order)?)));
        let packet = ahead.as_ref().map(|(_, (_, packet))| packet);
        let sent = Instant::now();
        let done = commit::commit(&self.shared, held, receipt, packet, &self.place).await;
        self.last_open = Some(done.at.duration_since(began));
        let Some(held) = done.held else { return done.commit };
        let (Some((order, (planned, packet))), Commit::Committed, Some(answers)) = (ahead, &done.commit, done.ahead)
        else {
            held.give_back();
            return done.commit;
        };
        let mut tally = Tally::default();
        let read = packet.read(answers, &self.about(order), &mut tally);
        let tally = read.map(|()| tally);
        self.begun = Some(Begun { held, order: order.clone(), planned, tally, began: sent });
        done.commit
    }
}

/// A second lane's session is of no use to anybody else.
impl Drop for Atomic {
    fn drop(&mut self) {
        if self.claim.lane != FIRST_LANE {
            self.shared.slot(&self.claim.lane).let_go();
        }
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[async_trait]
impl AtomicLane for Atomic {
    async fn change(&mut self, order: &Order) -> Result<Effect, Fault> {
        // A transaction that was never answered for is left to the server.
        self.open = None;
        let mut apart = 0;
        for attempts in 0..OVERFLOWS_MAX {
            let overflows = attempts - apart;
            match self.attempt(order, aim(self.bulk.aim(order.rows_max), overflows)).await? {
                Attempt::Open(parts) => {
                    let (effect, open) = *parts;
                    self.open = Some(open);
                    return Ok(effect);
                }
                Attempt::Overflow => {}
                // By key from here on, and as many rows: it does not happen twice.
                Attempt::Apart => apart += 1,
            }
        }
        Err(Fault::new(FaultClass::Transient, "change", &self.place)
            .with_detail("rows were inserted faster than a batch"))
    }

    async fn commit(&mut self, receipt: &Receipt) -> Commit {
        self.finish(receipt, None).await
    }

    async fn commit_then(&mut self, receipt: &Receipt, next: &Order) -> Commit {
        self.finish(receipt, Some(next)).await
    }

    fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    fn last_open(&self) -> Option<Duration> {
        self.last_open
    }

    async fn undo(&mut self) -> Result<(), Fault> {
        self.forget().await;
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.held.rollback().await;
        open.held.give_back();
        Ok(())
    }

    async fn pass(&mut self, order: &Order) -> Result<(u64, Next), Fault> {
        self.open = None;
        self.forget().await;
        self.walker.stays();
        let mut held = self.shared.slot(&self.claim.lane).take().await?;
        let position = Position::from_cursor(order.from.as_ref());
        let planned = self.walker.plan(&mut held, position, order.rows_max, Counted::Due).await?;
        let count = self.query.due_within(&planned.span);
        let answers = held.read("pass", &self.place, &[&count]).await.map_err(whole)?;
        held.give_back();
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place))?;
        Ok((get(row, 0, &self.place)?, planned.next()))
    }
}
