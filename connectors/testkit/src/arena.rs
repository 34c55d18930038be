//! A fresh database with control tables, a holder and its term: where most tests of the suite begin.

use std::sync::Arc;

use forgetd_connector::{
    Acquired, Action, AtomicLane, Commit, Compare, Connector, Cursor, Endless, FIRST_LANE, FaultClass, FenceRaise,
    Generation, Installed, Key, Lane, LaneClaim, LeaseClaim, LockWait, Next, Order, Receipt, ReceiptKey, SealEnd,
    SealedLane, Selection, Step, Transform, Untouched,
};

use crate::{Cell, Fixture, TableSpec, Tagger, TestDatabase, Wanted};

/// The holder that an arena begins with.
pub const HOLDER: &str = "holder-1";

/// The rule whose rows an arena works on.
pub const RULE: &str = "conformance";

/// How long an arena's lease lasts: longer than any test.
const LEASE_MS: u64 = 600_000;

/// How many times a lane that broke for a moment is begun again.
const AGAIN_MAX: u32 = 3;

/// A database with everything a batch needs.
pub struct Arena {
    /// The database, for looking behind the connector's back.
    pub database: Box<dyn TestDatabase>,
    /// A connector of the instance that holds the lease.
    pub connector: Box<dyn Connector>,
    /// The generation of the control tables.
    pub generation: Generation,
    /// The holder's term.
    pub term: u64,
}

/// What a lane did until its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Rows changed in the table itself.
    pub changed: u64,
    /// Batches committed.
    pub batches: u64,
    /// The most rows of one batch.
    pub batch_rows_max: u64,
    /// Rows passed over because they could not be changed.
    pub passed: u64,
    /// Rows passed over because they were locked.
    pub locked: u64,
    /// Rows passed over because they cannot be transformed.
    pub unfit: u64,
    /// Whether a batch met locked rows and had to walk again.
    pub waited: bool,
}

// === impl Arena ===

impl Arena {
    /// A fresh database, installed, with the lease held and the fence raised.
    pub async fn new(fixture: &dyn Fixture) -> Self {
        Self::as_instance(fixture, "conformance").await
    }

    /// The same for an instance of this name.
    pub async fn as_instance(fixture: &dyn Fixture, instance: &str) -> Self {
        let database = fixture.database().await;
        let connector = database.connect(instance).await;
        let installed = connector.control().install().await.unwrap();
        let Installed::Created(generation) = installed else { panic!("a fresh database was installed before") };
        let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: LEASE_MS };
        let Acquired::Held { term } = connector.control().acquire(&claim, false).await.unwrap() else {
            panic!("a fresh database has a holder")
        };
        assert_eq!(connector.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
        Self { database, connector, generation, term }
    }

    /// Creates a table with its rows.
    pub async fn create(&self, fixture: &dyn Fixture, table: &TableSpec) {
        self.database.create(fixture, table).await;
    }

    /// The step that deletes what `selection` selects.
    pub async fn step(&self, selection: Selection) -> Step {
        step_on(&*self.connector, selection).await
    }

    /// What the arena's holder claims about a lane.
    pub fn claim(&self) -> LaneClaim {
        LaneClaim {
            generation: self.generation.clone(),
            term: self.term,
            lane: FIRST_LANE.into(),
            until: None,
            idle_ms_max: 60_000,
            deadline: Arc::new(Endless),
        }
    }

    /// An atomic lane of the arena's holder.
    pub async fn lane(&self, step: &Step) -> Box<dyn AtomicLane> {
        match self.connector.lane(step, &self.claim(), Arc::new(Untouched)).await.unwrap() {
            Lane::Atomic(lane) => lane,
            Lane::Sealed(_) => panic!("an atomic step opened a sealed lane"),
        }
    }

    /// The same for a step that transforms, by a [`Tagger`].
    pub async fn transforming(&self, step: &Step) -> Box<dyn AtomicLane> {
        match self.connector.lane(step, &self.claim(), tagger(step)).await.unwrap() {
            Lane::Atomic(lane) => lane,
            Lane::Sealed(_) => panic!("an atomic step opened a sealed lane"),
        }
    }

    /// A receipt of the arena's rule.
    pub fn receipt(&self, lane: &str, sequence: u64, cursor: Option<Cursor>) -> Receipt {
        receipt(&self.generation, self.term, lane, sequence, cursor)
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        self.database.count(table, &[]).await
    }

    /// Whether the row with this id is there.
    pub async fn has(&self, table: &str, id: i64) -> bool {
        self.database.count(table, &[("id", Wanted::Is(Cell::Int(id)))]).await == 1
    }

    /// One batch with this receipt, in the first lane of the step; the rows that it changed.
    pub async fn batch(&self, step: &Step, order: &Order, receipt: &Receipt) -> u64 {
        match self.connector.lane(step, &self.claim(), tagger(step)).await.unwrap() {
            Lane::Atomic(mut lane) => {
                let effect = lane.change(order).await.unwrap();
                let receipt = Receipt { cursor: effect.next.cursor().cloned().into(), ..receipt.clone() };
                assert_eq!(lane.commit(&receipt).await, Commit::Committed);
                effect.changed
            }
            Lane::Sealed(mut lane) => {
                let picked = lane.pick(order).await.unwrap();
                let receipt = Receipt { cursor: picked.next.cursor().cloned().into(), ..receipt.clone() };
                self.sealed(&mut *lane, &picked.keys, &receipt).await.changed
            }
        }
    }

    /// Walks a lane to its end the way a run does: halves on poisoned rows and passes over them, walks again past locked
    /// ones. Panics when the lane does not end.
    /// Compares as a run does: everything in the first batch and in every 64th.
    pub async fn drain(&self, step: &Step, rows_max: u32) -> Drained {
        self.drain_by(step, rows_max, tagger(step)).await
    }

    /// The same, by another transform.
    pub async fn drain_by(&self, step: &Step, rows_max: u32, transform: Arc<dyn Transform>) -> Drained {
        let compare = |batch| if batch % 64 == 0 { Compare::All } else { Compare::Announced };
        match self.connector.lane(step, &self.claim(), transform).await.unwrap() {
            Lane::Sealed(lane) => self.drain_sealed(lane, step, rows_max).await,
            Lane::Atomic(lane) => self.drain_atomic(lane, step, rows_max, compare).await,
        }
    }

    /// The same, comparing what `compare` says of a batch by its number.
    pub async fn drain_comparing(&self, step: &Step, rows_max: u32, compare: impl Fn(u64) -> Compare) -> Drained {
        self.drain_atomic(self.transforming(step).await, step, rows_max, compare).await
    }

    async fn drain_atomic(
        &self,
        mut lane: Box<dyn AtomicLane>,
        step: &Step,
        rows_max: u32,
        compare: impl Fn(u64) -> Compare,
    ) -> Drained {
        let (locks, want_keys) = (LockWait::Wait, false);
        let ordered = |from, rows_max, batch| Order { from, rows_max, locks, compare: compare(batch), want_keys };
        let mut done = Drained::default();
        let mut from = self.connector.control().cursor(&step.rule, "0").await.unwrap();
        let (mut size, mut again) = (rows_max, 0);
        let mut locks = locks;
        let mut sequence = self.connector.control().next_sequence(&step.rule, "0").await.unwrap();
        for _ in 0..10_000 {
            let order = Order { locks, ..ordered(from.clone(), size, done.batches) };
            let next = match lane.change(&order).await {
                Ok(effect) => {
                    done.locked += effect.locked;
                    done.unfit += effect.unfit.values().sum::<u64>();
                    if effect.changed == 0 {
                        lane.undo().await.unwrap();
                    } else {
                        let mut receipt = self.receipt("0", sequence, effect.next.cursor().cloned());
                        receipt.key.rule.clone_from(&step.rule);
                        let commit = match effect.next.cursor().cloned() {
                            Some(cursor) => {
                                let rows_max = rows_max.min(size.saturating_mul(2));
                                lane.commit_then(&receipt, &ordered(Some(cursor), rows_max, done.batches + 1)).await
                            }
                            None => lane.commit(&receipt).await,
                        };
                        assert_eq!(commit, Commit::Committed);
                        sequence += 1;
                        done.changed += effect.changed;
                        done.batches += 1;
                        done.batch_rows_max = done.batch_rows_max.max(effect.changed);
                    }
                    size = rows_max.min(size.saturating_mul(2));
                    effect.next
                }
                Err(fault) => match fault.class {
                    FaultClass::Row(_) if size == 1 => {
                        let (rows, next) = lane.pass(&order).await.unwrap();
                        done.passed += rows;
                        next
                    }
                    FaultClass::Row(_) => {
                        size /= 2;
                        continue;
                    }
                    FaultClass::Locked if locks == LockWait::Wait => {
                        done.waited = true;
                        locks = LockWait::Skip;
                        continue;
                    }
                    // Begun again, as a run does.
                    FaultClass::Transient if again < AGAIN_MAX => {
                        again += 1;
                        continue;
                    }
                    _ => panic!("the lane broke: {fault}"),
                },
            };
            locks = LockWait::Wait;
            match next {
                Next::End => return done,
                Next::At(cursor) => {
                    assert_ne!(from.as_ref(), Some(&cursor), "a batch moved no position");
                    from = Some(cursor);
                }
            }
        }
        panic!("the lane does not end");
    }

    /// The same in a lane whose receipts are sealed first.
    async fn drain_sealed(&self, mut lane: Box<dyn SealedLane>, step: &Step, rows_max: u32) -> Drained {
        let control = self.connector.control();
        let mut from = control.cursor(&step.rule, "0").await.unwrap();
        let mut sequence = control.next_sequence(&step.rule, "0").await.unwrap();
        let mut done = Drained::default();
        for _ in 0..10_000 {
            let (locks, compare) = (LockWait::Wait, Compare::Announced);
            let order = Order { from: from.clone(), rows_max, locks, compare, want_keys: false };
            let picked = lane.pick(&order).await.unwrap();
            if !picked.keys.is_empty() {
                let mut receipt = self.receipt("0", sequence, picked.next.cursor().cloned());
                receipt.key.rule.clone_from(&step.rule);
                let part = self.sealed(&mut *lane, &picked.keys, &receipt).await;
                sequence += 1;
                done.changed += part.changed;
                done.passed += part.passed;
                done.unfit += part.unfit;
                done.batches += u64::from(part.changed > 0);
                done.batch_rows_max = done.batch_rows_max.max(picked.keys.len() as u64);
            }
            match picked.next {
                Next::End => return done,
                Next::At(cursor) => {
                    assert_ne!(from.as_ref(), Some(&cursor), "a batch moved no position");
                    from = Some(cursor);
                }
            }
        }
        panic!("the lane does not end");
    }

    /// Seals these keys with this receipt, changes their rows, halving where a row is to blame, and ends the seal.
    async fn sealed(&self, lane: &mut dyn SealedLane, keys: &[Key], receipt: &Receipt) -> Drained {
        let control = self.connector.control();
        assert_eq!(control.seal(receipt, keys, &Endless).await, Commit::Committed);
        let mut done = Drained::default();
        let mut parts = vec![keys];
        while let Some(part) = parts.pop() {
            match lane.finish(part).await {
                Ok(outcome) => {
                    assert_eq!(outcome.gone + outcome.kept, part.len() as u64, "a key was forgotten");
                    done.changed += outcome.changed;
                    done.unfit += outcome.unfit.values().sum::<u64>();
                }
                Err(fault) => match (fault.class, part.len()) {
                    (FaultClass::Row(_), 2..) => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
                    (FaultClass::Row(_), _) => done.passed += 1,
                    _ => panic!("the lane broke: {fault}"),
                },
            }
        }
        assert_eq!(control.unseal(receipt).await, SealEnd::Done);
        done
    }
}

/// What a step writes is what a [`Tagger`] makes of it.
fn tagger(step: &Step) -> Arc<dyn Transform> {
    match step.rewrite() {
        Some(rewrite) => Arc::new(Tagger::new(rewrite)),
        None => Arc::new(Untouched),
    }
}

/// The step that deletes what `selection` selects, as `connector` describes the tables.
pub(crate) async fn step_on(connector: &dyn Connector, selection: Selection) -> Step {
    let mut names = vec![selection.table.clone()];
    names.extend(selection.other_tables().into_iter().cloned());
    names.dedup();
    let catalog = connector.describe(&names).await.unwrap();
    let described = |name| catalog.table(name).expect("the table was created").clone();
    let (table, others) = (described(&names[0]), names[1..].iter().map(described).collect());
    let atomicity = connector.capabilities().atomicity;
    Step { rule: RULE.into(), selection, table, others, action: Action::Delete, atomicity, may_cascade: vec![] }
}

/// A receipt with bytes that are no text: nothing on its way may read or mend them.
pub(crate) fn receipt(
    generation: &Generation,
    term: u64,
    lane: &str,
    sequence: u64,
    cursor: Option<Cursor>,
) -> Receipt {
    let key = ReceiptKey { generation: generation.clone(), rule: RULE.into(), lane: lane.into(), sequence };
    let mut body = format!("{{\"lane\":\"{lane}\",\"sequence\":{sequence}}}").into_bytes();
    body.extend([0x00, 0xff, 0x5c, 0x27]);
    let mut mac = [0xa5; 32];
    mac[..8].copy_from_slice(&sequence.to_be_bytes());
    Receipt { key, run: "01RUN".into(), term, body, mac, rows: None, cursor: cursor.into() }
}
