//! Walking a lane to its end, as a run does: halved on rows that are refused, past those that cannot be changed.

use std::sync::Arc;

use forgetd_connector::{
    AtomicLane, Atomicity, Cause, Commit, Compare, Effect, Endless, FaultClass, Key, Lane, LockWait, Next, Order,
    SealEnd, SealedLane, Step, Transform,
};
use forgetd_testkit::Arena;

/// Batches after which a lane that has not ended never will.
const BATCHES_MAX: u64 = 10_000;

/// What a lane did until its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Rows that were changed.
    pub(crate) changed: u64,
    /// Rows that cannot be transformed.
    pub(crate) unfit: u64,
    /// Rows that the database refused.
    pub(crate) refused: u64,
}

/// Walks a lane of the step's kind to its end.
pub(crate) async fn drain(arena: &Arena, step: &Step, rows_max: u32, transform: Arc<dyn Transform>) -> Drained {
    let lane = arena.connector.lane(step, &arena.claim(), transform).await.unwrap();
    match (lane, step.atomicity) {
        (Lane::Atomic(lane), Atomicity::Atomic) => {
            Walk { arena, step, rows_max, done: Drained::default() }.atomic(lane).await
        }
        (Lane::Sealed(lane), Atomicity::Sealed) => {
            Walk { arena, step, rows_max, done: Drained::default() }.sealed(lane).await
        }
        _ => panic!("a step opened a lane of another kind"),
    }
}

struct Walk<'a> {
    arena: &'a Arena,
    step: &'a Step,
    rows_max: u32,
    done: Drained,
}

// === impl Walk ===

impl Walk<'_> {
    async fn atomic(mut self, mut lane: Box<dyn AtomicLane>) -> Drained {
        let (mut from, mut size, mut sequence) = (None, self.rows_max, 1);
        for _ in 0..BATCHES_MAX {
            let order = order(from.clone(), size);
            let next = match lane.change(&order).await {
                Ok(effect) => {
                    sequence += u64::from(effect.changed > 0);
                    size = self.rows_max.min(size.saturating_mul(2));
                    self.end(&mut *lane, &effect, sequence, size).await;
                    effect.next
                }
                Err(fault) => match fault.class {
                    FaultClass::Row(_) if size == 1 => {
                        let (rows, next) = lane.pass(&order).await.unwrap();
                        self.done.refused += rows;
                        next
                    }
                    FaultClass::Row(_) => {
                        size /= 2;
                        continue;
                    }
                    _ => panic!("the lane broke: {fault}"),
                },
            };
            match next {
                Next::End => return self.done,
                Next::At(cursor) => {
                    assert_ne!(from.as_ref(), Some(&cursor), "a batch moved no position");
                    from = Some(cursor);
                }
            }
        }
        panic!("the lane does not end");
    }

    /// Commits what was changed, or leaves no trace where nothing was.
    async fn end(&mut self, lane: &mut dyn AtomicLane, effect: &Effect, sequence: u64, size: u32) {
        let unfit: u64 = effect.unfit.values().sum();
        assert_eq!(effect.locked, 0, "nothing is locked");
        assert!(effect.changed <= u64::from(self.rows_max), "{} rows in a batch of {}", effect.changed, self.rows_max);
        self.done.changed += effect.changed;
        self.done.unfit += unfit;
        if effect.changed == 0 {
            return lane.undo().await.unwrap();
        }
        let mut receipt = self.arena.receipt("0", sequence, effect.next.cursor().cloned());
        receipt.key.rule.clone_from(&self.step.rule);
        let commit = match effect.next.cursor() {
            Some(cursor) => lane.commit_then(&receipt, &order(Some(cursor.clone()), size)).await,
            None => lane.commit(&receipt).await,
        };
        assert_eq!(commit, Commit::Committed);
    }

    /// Picks, seals, changes and ends until nothing is left.
    async fn sealed(mut self, mut lane: Box<dyn SealedLane>) -> Drained {
        let control = self.arena.connector.control();
        let mut from = None;
        for sequence in 1..BATCHES_MAX {
            let picked = lane.pick(&order(from, self.rows_max)).await.unwrap();
            assert!(picked.keys.len() <= self.rows_max as usize, "{} keys of {}", picked.keys.len(), self.rows_max);
            if !picked.keys.is_empty() {
                let mut receipt = self.arena.receipt("0", sequence, picked.next.cursor().cloned());
                receipt.key.rule.clone_from(&self.step.rule);
                assert_eq!(control.seal(&receipt, &picked.keys, &Endless).await, Commit::Committed);
                self.finish(&mut *lane, &picked.keys).await;
                assert_eq!(control.unseal(&receipt).await, SealEnd::Done);
            }
            match picked.next {
                Next::End => return self.done,
                Next::At(cursor) => from = Some(cursor),
            }
        }
        panic!("the lane does not end");
    }

    /// Changes the rows of these keys, in halves where one of them is refused; and changes nothing when it is repeated.
    async fn finish(&mut self, lane: &mut dyn SealedLane, keys: &[Key]) {
        let mut parts = vec![keys];
        while let Some(keys) = parts.pop() {
            match lane.finish(keys).await {
                Ok(outcome) => {
                    let unfit: u64 = outcome.unfit.values().sum();
                    let gone = keys.len() as u64 - unfit;
                    assert_eq!(
                        (outcome.changed, outcome.gone, outcome.kept),
                        (gone, gone, unfit),
                        "picked rows are due"
                    );
                    // Where each row is a statement of its own, the server names those that it refused.
                    let refused = outcome.unfit.get(&Cause::Unique).copied().unwrap_or(0);
                    self.done.changed += outcome.changed;
                    self.done.unfit += unfit - refused;
                    self.done.refused += refused;
                    let again = lane.finish(keys).await.unwrap();
                    assert_eq!((again.changed, again.gone), (0, gone), "a seal is changed once");
                }
                Err(fault) => match fault.class {
                    FaultClass::Row(_) if keys.len() == 1 => self.done.refused += 1,
                    FaultClass::Row(_) => {
                        let (front, back) = keys.split_at(keys.len() / 2);
                        parts.extend([back, front]);
                    }
                    _ => panic!("the lane broke: {fault}"),
                },
            }
        }
    }
}

/// As a run does, everything is compared in the first batch, and what was announced in the others.
const fn order(from: Option<forgetd_connector::Cursor>, rows_max: u32) -> Order {
    let compare = if from.is_none() { Compare::All } else { Compare::Announced };
    Order { from, rows_max, locks: LockWait::Wait, compare, want_keys: false }
}
