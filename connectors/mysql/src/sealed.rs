//! The sealed lane: keys are read first, changed later under the same predicate, and looked at again.
//!
//! For rows whose receipts lie in another database, and for tables without transactions. On those the statement that
//! changes rows judges them too, and a transform compares the old values while it writes: nothing holds a row in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::bulk::{Bulk, Met};
use forgetd_connector::walk::{Position, aim};
use forgetd_connector::{
    Atomicity, Cause, Fault, FaultClass, Key, LaneClaim, LockWait, Order, Outcome, Picked, Rewrite, SealedLane, Step,
    Transform, fault_point,
};

use crate::answer::{get, odd};
use crate::connect::{Ask, Held};
use crate::connector::Shared;
use crate::lane::effect::{Handled, agree, handled};
use crate::lane::packet::{About, Packet, Part, Tally};
use crate::lane::write::{Computed, Wanted, compute};
use crate::query::{Beside, Carrier, Due, Guard, Query, RowsToWrite, Sql};
use crate::survey::{Survey, keyed};
use crate::walk::{Counted, Walker, read_key, whole};

/// How often a span that turned out too large is planned again.
const OVERFLOWS_MAX: u32 = 8;

/// Rows that cannot be transformed, by cause.
type Unfit = BTreeMap<Cause, u64>;

/// One lane of one step.
struct SealedKeys {
    shared: Arc<Shared>,
    step: Step,
    claim: LaneClaim,
    place: String,
    query: Arc<Query>,
    survey: Survey,
    transform: Arc<dyn Transform>,
    walker: Walker,
    guard: Guard,
    /// Rows that statements changed which failed later, and that no outcome said yet.
    owed: u64,
}

/// Why keys' rows were not changed, or not all.
struct Failed {
    fault: Fault,
    /// How many were, where the table has no transactions.
    done: u64,
}

/// Opens a lane: looks its table up and chooses how to walk it.
pub(crate) async fn open(
    shared: Arc<Shared>,
    step: &Step,
    claim: &LaneClaim,
    transform: Arc<dyn Transform>,
) -> Result<Box<dyn SealedLane>, Fault> {
    let place = step.place(shared.database());
    keyed(step, &place)?;
    let query = Arc::new(shared.query(step)?);
    let mut held = shared.lanes.take().await?;
    let (survey, walk) = shared.survey(&mut held, step, &query).await?;
    held.give_back();
    let walker = Walker::new(step, Arc::clone(&query), (walk, None), place.clone());
    let guard = match step.table.atomicity {
        Atomicity::Atomic => Guard::Locked,
        Atomicity::Sealed => Guard::Compared,
    };
    let (step, claim) = (step.clone(), claim.clone());
    Ok(Box::new(SealedKeys { shared, step, claim, place, query, survey, transform, walker, guard, owed: 0 }))
}

// === impl SealedKeys ===

impl SealedKeys {
    /// Changes the keys' rows, in one transaction where the table has them.
    async fn change(&self, keys: &[Key], locks: LockWait) -> Result<(Tally, Unfit), Failed> {
        let mut held = self.shared.lanes.take().await?;
        let mut tally = Tally::default();
        match self.change_in(&mut held, keys, locks, &mut tally).await {
            Ok((unfit, limit)) => {
                let commit = held.turn_within("commit", &[Ask::Say("commit")], limit).await;
                held.give_back();
                if self.guard == Guard::Locked {
                    for answer in commit? {
                        answer.map_err(|error| stopped(error.fault("commit", &self.place)))?;
                    }
                }
                Ok((tally, unfit))
            }
            Err(fault) => {
                let mut done = 0;
                if fault.class != FaultClass::Disconnected {
                    held.rollback().await;
                    if self.guard == Guard::Compared {
                        done = self.done_since(&mut held, &tally).await.unwrap_or(0);
                    }
                    held.give_back();
                }
                Err(Failed { fault, done })
            }
        }
    }

    /// How many rows the session changed: those that are known, and those since the counters were read last.
    async fn done_since(&self, held: &mut Held, tally: &Tally) -> Result<u64, Fault> {
        let Some(before) = tally.before else { return Ok(tally.rows) };
        let answers = held.answers("read counters", &self.place, &[Ask::Query(&handled())]).await?;
        let answer = answers.first().ok_or_else(|| odd(&self.place))?;
        let (deleted, updated) = Handled::read(&answer.rows, &self.place)?.since(before).unwrap_or_default();
        Ok(tally.rows + if self.query.rewrites() { updated } else { deleted })
    }

    /// Everything but the commit, and how long that may take.
    async fn change_in(
        &self,
        held: &mut Held,
        keys: &[Key],
        locks: LockWait,
        tally: &mut Tally,
    ) -> Result<(Unfit, Duration), Fault> {
        let about = About {
            shared: &self.shared,
            place: &self.place,
            own: &self.step.table.name,
            locks,
            rows_max: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            rewrites: self.query.rewrites(),
        };
        let mut unfit = BTreeMap::new();
        let (mut bulk, mut rest, mut begin) = (Bulk::default(), keys, Part::Begin);
        // Of rows that are read, no more than is read at once.
        loop {
            let some = rest.len().min(bulk.aim(about.rows_max) as usize);
            let first = self.first(std::mem::replace(&mut begin, Part::Still), &rest[..some], locks)?;
            let mut slice = Tally::default();
            match self.change_some(held, first, &about, &mut slice).await {
                Ok(Err(fits)) => bulk.overflowed(fits),
                Ok(Ok(some_unfit)) => {
                    some_unfit.into_iter().for_each(|(cause, rows)| *unfit.entry(cause).or_default() += rows);
                    tally.add(slice);
                    rest = &rest[some..];
                }
                Err(fault) => {
                    tally.before = slice.before;
                    return Err(fault);
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        let limit = match self.guard {
            Guard::Locked => self.claim.in_time("finish", &self.place)?,
            // All is done, and has to be told: the commit says nothing about it.
            Guard::Compared => Duration::MAX,
        };
        Ok((unfit, limit))
    }

    /// Changes some of the rows; or says how many could be read at once, if those are too many.
    async fn change_some(
        &self,
        held: &mut Held,
        first: Packet,
        about: &About<'_>,
        tally: &mut Tally,
    ) -> Result<Result<Unfit, u64>, Fault> {
        self.send(held, first, about, tally).await?;
        if let Met::TooMany(fits) = tally.met() {
            return Ok(Err(fits));
        }
        let mut unfit = Unfit::new();
        if let Some(rewrite) = self.step.rewrite().filter(|_| self.reads()) {
            let computed = self.computed(rewrite, tally).await?;
            unfit = computed.unfit;
            self.send(held, self.second(computed.rows), about, tally).await?;
        }
        agree(tally, self.query.rewrites(), self.query.reaches_others(), &self.place)?;
        Ok(Ok(unfit))
    }

    /// What becomes of the rows that were read.
    async fn computed(&self, rewrite: &Rewrite, tally: &mut Tally) -> Result<Computed, Fault> {
        let rows = std::mem::take(&mut tally.read);
        let beside = Beside { since: self.survey.watched, old: self.guard == Guard::Compared };
        if tally.met() == Met::TooLarge {
            return Ok(Computed::too_large(beside));
        }
        let wanted = Wanted { beside, keys: false };
        compute(&self.query, rewrite, &self.transform, rows, wanted, &self.place).await
    }

    /// Sends a packet that is over before the lease is.
    async fn send(
        &self,
        held: &mut Held,
        mut packet: Packet,
        about: &About<'_>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let limit = self.claim.in_time("finish", &self.place)?;
        if limit < self.shared.link.call_timeout() {
            packet.limit(self.query.flavour(), limit);
        }
        let answers = held.turn_within("finish", &packet.asks(), limit).await?;
        packet.read(answers, about, tally).map_err(stopped)
    }

    /// Whether rows are read before they are written.
    fn reads(&self) -> bool {
        self.query.rewrites() && (!self.query.computed().is_empty() || self.survey.watched)
    }

    /// Everything, or what has to be known of the rows before they are written. `begin` opens the transaction, or says that
    /// it is open.
    fn first(&self, begin: Part, keys: &[Key], locks: LockWait) -> Result<Packet, Fault> {
        let (query, locked) = (&self.query, self.guard == Guard::Locked);
        let mut packet = Packet::default();
        packet.push(begin, Sql::default());
        packet.push(Part::Gather, query.gather_keys(keys)?);
        let chosen = if locked { query.chosen() } else { Carrier::Due };
        if locked {
            packet.push(Part::Lock, query.lock(locks));
            if query.looks_elsewhere() {
                packet.push(Part::Judge, query.judge_held());
            }
        }
        if self.reads() {
            packet.push_read(query, chosen, if locked { Due::Locked } else { Due::Asked }, keys.len() as u64);
            packet.push(Part::Carried, self.carried(chosen));
            packet.push(Part::Before, handled());
            return Ok(packet);
        }
        // A statement that only looks can count as well, for tables that the engine makes for itself.
        packet.push(Part::Before, handled());
        let clocked = &self.survey.clocked;
        let write = if locked { query.write_carried(chosen, clocked) } else { query.write_due(chosen, clocked) };
        if let Some(write) = write {
            if locked {
                packet.push_follow(query.follow_carried(chosen, &self.survey.indexes));
            }
            packet.push(Part::Change, write);
        } else if locked {
            packet.push_delete(query, &self.survey.indexes);
        } else {
            packet.push(Part::Change, query.delete_due(chosen));
        }
        packet.push(Part::After, handled());
        packet.push(Part::Carried, self.carried(chosen));
        Ok(packet)
    }

    fn carried(&self, chosen: Carrier) -> Sql {
        match chosen {
            Carrier::Due => Query::carried_rows(&[Carrier::Due]),
            chosen => Query::carried_rows(&[Carrier::Due, chosen]),
        }
    }

    /// Writes what was computed.
    fn second(&self, rows: RowsToWrite) -> Packet {
        let mut packet = Packet::default();
        if rows.is_empty() {
            packet.push(Part::After, handled());
            return packet;
        }
        let beside = rows.beside();
        packet.push(Part::Gather, rows.carry());
        if self.guard == Guard::Locked {
            packet.push_follow(self.query.follow_rows(beside, &self.survey.indexes));
        }
        packet.push(Part::Change, self.query.write_rows(beside, self.guard, &self.survey.clocked));
        packet.push(Part::After, handled());
        if self.survey.watched {
            packet.push(Part::Check, self.query.check_rows(beside));
        }
        packet
    }

    /// What a change that failed came to. Without transactions, what was done before the error stays: nobody may take the
    /// rows for kept, and they are counted. A list with a row to blame is left to be halved; a part of it that ends well
    /// says what was done.
    async fn failed(&mut self, keys: &[Key], failed: Failed) -> Result<Outcome, Fault> {
        let Failed { fault, done } = failed;
        if self.guard == Guard::Locked || matches!(fault.class, FaultClass::Disconnected | FaultClass::Blocked(_)) {
            return Err(fault);
        }
        let Ok(kept) = self.kept(keys).await else {
            self.owed += done;
            return Err(fault);
        };
        let gone = (keys.len() as u64).saturating_sub(kept);
        self.owed += done.min(gone);
        let parts = matches!(fault.class, FaultClass::Row(_) | FaultClass::Locked | FaultClass::Timeout);
        let halved = parts && kept > 0;
        if halved || gone == 0 {
            return Err(fault);
        }
        let tally = Tally { rows: std::mem::take(&mut self.owed), ..Tally::default() };
        Ok(self.outcome(keys, kept, tally, Unfit::new()))
    }

    async fn kept(&self, keys: &[Key]) -> Result<u64, Fault> {
        let due = self.query.due_among(keys)?;
        let mut held = self.shared.lanes.take().await?;
        let answers = held.read("look", &self.place, &[&due]).await;
        held.give_back();
        // The rows may have changed already: nobody may take this for a lock that kept them from it.
        let answers = answers.map_err(whole)?;
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place))?;
        get(row, 0, &self.place)
    }

    fn outcome(&self, keys: &[Key], kept: u64, mut tally: Tally, unfit: Unfit) -> Outcome {
        let gone = (keys.len() as u64).saturating_sub(kept);
        let (cascaded, references_set) = tally.along();
        Outcome { changed: tally.rows, gone, kept, cascaded, references_set, unfit }
    }
}

/// A statement that was ended from another session, as it is done where the server keeps no time: a shorter list may pass.
fn stopped(fault: Fault) -> Fault {
    let interrupted = fault.code.as_deref().is_some_and(|code| code.starts_with("1317 "));
    if interrupted { Fault { class: FaultClass::Timeout, ..fault } } else { fault }
}

// === impl Failed ===

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, done: 0 }
    }
}

#[async_trait]
impl SealedLane for SealedKeys {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        fault_point::before("pick")?;
        self.owed = 0;
        let position = Position::from_cursor(order.from.as_ref());
        for overflows in 0..OVERFLOWS_MAX {
            let aim = aim(order.rows_max, overflows);
            let mut held = self.shared.lanes.take().await?;
            let planned = self.walker.plan(&mut held, position.clone(), aim, Counted::Rows).await?;
            let select = self.query.due_keys(&planned.span, u64::from(order.rows_max) + 1);
            let ahead = self.walker.ahead(&planned);
            let mut queries = vec![&select];
            queries.extend(&ahead);
            let answers = held.read("pick", &self.place, &queries).await.map_err(whole)?;
            held.give_back();
            let rows = answers.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
            if rows.len() > order.rows_max as usize {
                self.walker.overflowed();
                continue;
            }
            let keys: Result<Vec<Option<Key>>, Fault> =
                rows.iter().map(|row| read_key(&self.query, row, 0, &self.place)).collect();
            let keys: Vec<Key> = keys?.into_iter().flatten().collect();
            self.walker.went(&planned, keys.len() as u64, 0);
            if let Some(answer) = answers.get(1) {
                self.walker.learn(&planned, &answer.rows)?;
            }
            fault_point::after("pick")?;
            return Ok(Picked { keys, next: planned.next() });
        }
        Err(Fault::new(FaultClass::Transient, "pick", &self.place)
            .with_detail("rows were inserted faster than a batch"))
    }

    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        fault_point::before("finish")?;
        let changed = match self.change(keys, LockWait::Wait).await {
            // What is locked is kept and counted; the rest need not wait for it.
            Err(failed) if failed.fault.class == FaultClass::Locked => {
                self.owed += failed.done;
                self.change(keys, LockWait::Skip).await
            }
            other => other,
        };
        let (mut tally, unfit) = match changed {
            Ok(changed) => changed,
            Err(failed) => return self.failed(keys, failed).await,
        };
        tally.rows += std::mem::take(&mut self.owed);
        fault_point::after("finish")?;
        let kept = self.kept(keys).await?;
        Ok(self.outcome(keys, kept, tally, unfit))
    }

    fn owed(&mut self) -> u64 {
        std::mem::take(&mut self.owed)
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        let kept = self.kept(keys).await?;
        Ok(self.outcome(keys, kept, Tally::default(), Unfit::new()))
    }
}
