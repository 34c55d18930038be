//! The sealed lane: keys are read first, changed later under the same predicate, and looked at again.
//!
//! For rows whose receipts lie in another database, and for tables without transactions. On those the statement that
//! changes rows judges them too, and a transform compares the old values while it writes: nothing holds a row in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::walk::Position;
use forgetd_connector::{
    Atomicity, Fault, FaultClass, Key, LaneClaim, LockWait, Order, Outcome, Picked, SealedLane, Step, Transform,
    fault_point,
};

use crate::answer::{get, odd};
use crate::connect::Held;
use crate::connector::Shared;
use crate::lane::effect::{agree, handled};
use crate::lane::packet::{About, Packet, Part, Tally};
use crate::lane::write::{Computed, compute};
use crate::query::{Carrier, Guard, Query, Sql};
use crate::survey::{Survey, keyed};
use crate::walk::{Counted, Walker, read_key, whole};

/// How often a span that turned out too large is planned again.
const OVERFLOWS_MAX: u32 = 8;

/// One lane of one step.
struct SealedKeys {
    shared: Arc<Shared>,
    step: Step,
    place: String,
    query: Arc<Query>,
    survey: Survey,
    transform: Arc<dyn Transform>,
    walker: Walker,
    guard: Guard,
}

/// Opens a lane: looks its table up and chooses how to walk it.
pub(crate) async fn open(
    shared: Arc<Shared>,
    step: &Step,
    _: &LaneClaim,
    transform: Arc<dyn Transform>,
) -> Result<Box<dyn SealedLane>, Fault> {
    let place = step.place(shared.database());
    keyed(step, &place)?;
    let query = Arc::new(shared.query(step)?);
    let mut held = shared.lanes.take().await?;
    let (survey, walk) = shared.survey(&mut held, step, &query).await?;
    held.give_back();
    let walker = Walker::new(step, Arc::clone(&query), walk, place.clone());
    let guard = match step.table.atomicity {
        Atomicity::Atomic => Guard::Locked,
        Atomicity::Sealed => Guard::Compared,
    };
    Ok(Box::new(SealedKeys { shared, step: step.clone(), place, query, survey, transform, walker, guard }))
}

// === impl SealedKeys ===

impl SealedKeys {
    /// Changes the keys' rows, in one transaction where the table has them.
    async fn change(&self, keys: &[Key], locks: LockWait) -> Result<(Tally, Computed), Fault> {
        let mut held = self.shared.lanes.take().await?;
        match self.change_in(&mut held, keys, locks).await {
            Ok(changed) => {
                let commit = held.answers("commit", &self.place, &[crate::connect::Ask::Say("commit")]).await;
                held.give_back();
                commit.map(|_| changed)
            }
            Err(fault) => {
                if fault.class != FaultClass::Disconnected {
                    held.rollback().await;
                    held.give_back();
                }
                Err(fault)
            }
        }
    }

    async fn change_in(&self, held: &mut Held, keys: &[Key], locks: LockWait) -> Result<(Tally, Computed), Fault> {
        let about = About {
            shared: &self.shared,
            place: &self.place,
            locks,
            rows_max: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            rewrites: self.query.rewrites(),
        };
        let (mut tally, mut computed) = (Tally::default(), Computed::default());
        let packet = self.first(keys, locks);
        packet.read(held.turn("finish", &packet.asks()).await?, &about, &mut tally)?;
        if let Some(rewrite) = self.step.rewrite().filter(|_| self.reads()) {
            let rows = std::mem::take(&mut tally.read);
            computed = compute(&self.query, rewrite, &self.transform, &rows, &self.place).await?;
            let packet = self.second(&computed);
            packet.read(held.turn("finish", &packet.asks()).await?, &about, &mut tally)?;
        }
        agree(&tally, self.query.rewrites(), &self.place)?;
        Ok((tally, computed))
    }

    /// Whether rows are read before they are written.
    fn reads(&self) -> bool {
        self.query.rewrites() && (!self.query.computed().is_empty() || self.survey.watched)
    }

    /// Everything, or what has to be known of the rows before they are written.
    fn first(&self, keys: &[Key], locks: LockWait) -> Packet {
        let (query, locked) = (&self.query, self.guard == Guard::Locked);
        let mut packet = Packet::default();
        packet.push(Part::Begin, Sql::default());
        packet.push(Part::Before, handled());
        packet.push(Part::Gather, query.gather_keys(keys));
        let chosen = if locked { query.chosen() } else { Carrier::Due };
        if locked {
            packet.push(Part::Lock, query.lock(locks));
            if query.looks_elsewhere() {
                packet.push(Part::Judge, query.judge_held());
            }
        }
        if self.reads() {
            packet.push(Part::Read, if locked { query.read_rows(chosen) } else { query.read_due(chosen) });
            packet.push(Part::Carried, self.carried(chosen));
            return packet;
        }
        let clocked = &self.survey.clocked;
        let write = if locked { query.write_carried(chosen, clocked) } else { query.write_due(chosen, clocked) };
        if let Some(write) = write {
            packet.push(Part::Change, write);
        } else if locked {
            for child in query.children(&self.survey.indexes) {
                packet.push(Part::Hold, child.lock);
                packet.push(Part::Child(child.table), child.delete);
            }
            packet.push(Part::Change, query.delete_carried(chosen));
        } else {
            packet.push(Part::Change, query.delete_due(chosen));
        }
        packet.push(Part::After, handled());
        packet.push(Part::Carried, self.carried(chosen));
        packet
    }

    fn carried(&self, chosen: Carrier) -> Sql {
        match chosen {
            Carrier::Due => Query::carried_rows(&[Carrier::Due]),
            chosen => Query::carried_rows(&[Carrier::Due, chosen]),
        }
    }

    /// Writes what was computed.
    fn second(&self, computed: &Computed) -> Packet {
        let mut packet = Packet::default();
        if !computed.rows.is_empty() {
            packet.push(Part::Change, self.query.write_rows(&computed.rows, self.guard, &self.survey.clocked));
            if self.survey.watched {
                packet.push(Part::Check, self.query.check_rows(&computed.rows));
            }
        }
        packet.push(Part::After, handled());
        packet
    }

    async fn kept(&self, keys: &[Key]) -> Result<u64, Fault> {
        let mut held = self.shared.lanes.take().await?;
        let answers = held.read("look", &self.place, &[&self.query.due_among(keys)]).await;
        held.give_back();
        // The rows may have changed already: nobody may take this for a lock that kept them from it.
        let answers = answers.map_err(whole)?;
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place))?;
        get(row, 0, &self.place)
    }

    fn outcome(&self, keys: &[Key], kept: u64, tally: Tally, computed: Computed) -> Outcome {
        let cascaded: BTreeMap<_, _> = tally.children.into_iter().filter(|(_, rows)| *rows > 0).collect();
        let gone = (keys.len() as u64).saturating_sub(kept);
        Outcome { changed: tally.rows, gone, kept, cascaded, unfit: computed.unfit }
    }
}

#[async_trait]
impl SealedLane for SealedKeys {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        fault_point::before("pick")?;
        let position = Position::from_cursor(order.from.as_ref());
        for overflows in 0..OVERFLOWS_MAX {
            // As in [`crate::lane`]: fewer rows leave room for those that are inserted meanwhile.
            let aim = (order.rows_max >> overflows).max(1);
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
        let (tally, computed) = match self.change(keys, LockWait::Wait).await {
            // What is locked is kept and counted; the rest need not wait for it.
            Err(fault) if fault.class == FaultClass::Locked => self.change(keys, LockWait::Skip).await?,
            other => other?,
        };
        fault_point::after("finish")?;
        let kept = self.kept(keys).await?;
        Ok(self.outcome(keys, kept, tally, computed))
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        let kept = self.kept(keys).await?;
        Ok(self.outcome(keys, kept, Tally::default(), Computed::default()))
    }
}
