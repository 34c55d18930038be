//! The sealed lane: data in one database, receipts in another.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Cause, Commit, Compare, Endless, FaultClass, Key, Lane, LaneClaim, LockWait, Next, Order, Receipt,
    SealEnd, SealedLane, Step, Untouched,
};

use super::effect::id;
use super::fence::{day, late, order, ten};
use crate::arena::step_on;
use crate::{Arena, Cell, Fixture, Kind, Looks, RULE, TableSpec, TestDatabase, Wanted};

/// A database with rows and no control tables, and an arena that holds its receipts.
struct Pair {
    control: Arena,
    data: Box<dyn TestDatabase>,
    step: Step,
    lane: Box<dyn SealedLane>,
}

impl Pair {
    async fn new(fixture: &dyn Fixture, table: &TableSpec) -> Self {
        let control = Arena::new(fixture).await;
        let data = fixture.database().await;
        data.create(fixture, table).await;
        let connector = data.connect("conformance").await;
        let mut step = step_on(&*connector, table.selection(fixture, "at", late())).await;
        step.atomicity = Atomicity::Sealed;
        let lane = match connector.lane(&step, &control.claim(), Arc::new(Untouched)).await.unwrap() {
            Lane::Sealed(lane) => lane,
            Lane::Atomic(_) => panic!("a sealed step opened an atomic lane"),
        };
        Self { control, data, step, lane }
    }

    async fn left(&self) -> i64 {
        self.data.count("item", &[]).await
    }

    async fn pick(&mut self, rows_max: u32) -> Vec<Key> {
        self.lane.pick(&order(rows_max)).await.unwrap().keys
    }

    async fn seal(&self, sequence: u64, keys: &[Key]) -> Receipt {
        let receipt = self.control.receipt("0", sequence, None);
        assert_eq!(self.control.connector.control().seal(&receipt, keys, &Endless).await, Commit::Committed);
        receipt
    }
}

/// The whole way: only a done receipt is pending, with the body it was done with.
pub async fn seal_finish_and_unseal(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let keys = pair.pick(4).await;
    assert_eq!(keys.iter().map(id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(pair.left().await, 10, "picking changes nothing");
    let sealed = pair.seal(1, &keys).await;
    let control = pair.control.connector.control();
    assert_eq!(control.pending_count().await.unwrap(), 0, "a sealed receipt is not relayed");
    let outcome = pair.lane.finish(&keys).await.unwrap();
    assert_eq!((outcome.changed, outcome.gone, outcome.kept), (4, 4, 0));
    assert_eq!(pair.left().await, 6);
    let done = Receipt { body: b"{\"done\":1}".to_vec(), mac: [7; 32], ..sealed };
    assert_eq!(control.unseal(&done).await, SealEnd::Done);
    let pending = control.pending(10).await.unwrap();
    assert_eq!((pending.len(), &pending[0].body, pending[0].mac), (1, &done.body, done.mac));
    assert_eq!(control.adopt(pair.control.term + 1).await.unwrap(), [], "nothing is open");
}

/// A row that stopped being due between pick and finish stays.
pub async fn the_predicate_guards_the_change(fixture: &dyn Fixture) {
    let table = ten().nullable("state", Kind::Text);
    let rows = (0..10).map(|n| vec![day(n), Cell::Text("closed".into())]);
    let table = table.rows(rows);
    let mut pair = Pair::new(fixture, &table).await;
    let mut step = pair.step.clone();
    step.selection.terms.predicate = super::predicate::text("state", "closed");
    let connector = pair.data.connect("conformance").await;
    let Lane::Sealed(mut lane) = connector.lane(&step, &pair.control.claim(), Arc::new(Untouched)).await.unwrap()
    else {
        panic!("a sealed step opened an atomic lane")
    };
    let keys = lane.pick(&order(5)).await.unwrap().keys;
    pair.seal(1, &keys).await;
    pair.data.change("item", &[2], "state", Cell::Text("open".into())).await;
    pair.data.change("item", &[3], "state", Cell::Null).await;
    pair.data.remove("item", &[4]).await;
    let outcome = lane.finish(&keys).await.unwrap();
    assert_eq!((outcome.changed, outcome.gone, outcome.kept), (2, 5, 0));
    for id in [2, 3] {
        assert_eq!(pair.data.count("item", &[("id", Wanted::Is(Cell::Int(id)))]).await, 1, "{id}");
    }
    assert_eq!(pair.left().await, 7);
    let rest = pair.pick(100).await;
    assert_eq!(rest.len(), 7, "the step without the condition still sees them");
}

/// The second time nothing is left to change, and the keys are gone all the same.
pub async fn finishing_twice_is_safe(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let keys = pair.pick(3).await;
    pair.seal(1, &keys).await;
    pair.lane.finish(&keys).await.unwrap();
    let again = pair.lane.finish(&keys).await.unwrap();
    assert_eq!((again.changed, again.gone, again.kept), (0, 3, 0));
    assert_eq!(pair.left().await, 7);
}

/// A successor takes the open seal with its keys; the old holder finds it adopted, the successor ends it once.
pub async fn an_adopted_seal_is_lost_to_its_holder(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let keys = pair.pick(3).await;
    let sealed = pair.seal(1, &keys).await;
    let successor = pair.control.database.connect("conformance").await;
    let term = pair.control.term + 1;
    successor.control().raise_fence(term).await.unwrap();
    let open = successor.control().adopt(term).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0].receipt.key, &open[0].keys), (&sealed.key, &keys));
    assert_eq!(open[0].receipt.body, sealed.body);
    let control = pair.control.connector.control();
    assert_eq!(control.unseal(&sealed).await, SealEnd::Adopted);
    let done = Receipt { term, body: b"{\"adopted\":1}".to_vec(), ..sealed.clone() };
    assert_eq!(successor.control().unseal(&done).await, SealEnd::Done);
    assert_eq!(control.unseal(&sealed).await, SealEnd::Adopted, "a done receipt is nobody's");
    let pending = successor.control().pending(10).await.unwrap();
    assert_eq!(pending.iter().map(|receipt| &receipt.body).collect::<Vec<_>>(), [&done.body]);
    assert_eq!(successor.control().next_sequence(RULE, "0").await.unwrap(), 2);
}

/// Under an old term nothing is sealed.
pub async fn a_stale_holder_seals_nothing(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let keys = pair.pick(3).await;
    let control = pair.control.connector.control();
    control.raise_fence(pair.control.term + 1).await.unwrap();
    assert_eq!(control.seal(&pair.control.receipt("0", 1, None), &keys, &Endless).await, Commit::Fenced);
    assert_eq!(control.adopt(pair.control.term + 1).await.unwrap(), []);
    assert_eq!(control.next_sequence(RULE, "0").await.unwrap(), 1);
}

/// The loser of the race for a sequence stops before it changes anything.
pub async fn a_sealed_sequence_has_one_writer(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let keys = pair.pick(3).await;
    let first = pair.seal(1, &keys).await;
    let control = pair.control.connector.control();
    assert_eq!(control.seal(&Receipt { body: b"{}".to_vec(), ..first.clone() }, &keys, &Endless).await, Commit::Fenced);
    let takeover = Receipt { body: b"{\"type\":\"takeover\"}".to_vec(), ..first };
    assert_eq!(control.append(&takeover).await, Commit::Fenced, "a takeover meets the open seal");
    assert_eq!(control.adopt(pair.control.term).await.unwrap().len(), 1);
}

/// Picking meets every due row once, in bounded batches, though rows it picked are still there.
pub async fn picking_walks_ties_to_the_end(fixture: &dyn Fixture) {
    let moments = std::iter::repeat_n(1, 55).chain(2..12);
    let table = TableSpec::new("item").column("at", Kind::Instant).rows(moments.map(|n| vec![day(n)]));
    let mut pair = Pair::new(fixture, &table).await;
    let mut from = None;
    let mut seen = vec![];
    for _ in 0..1_000 {
        let order = Order { from, rows_max: 10, locks: LockWait::Wait, compare: Compare::Announced, want_keys: false };
        let picked = pair.lane.pick(&order).await.unwrap();
        assert!(picked.keys.len() <= 10);
        seen.extend(picked.keys.iter().map(id));
        from = match picked.next {
            Next::At(cursor) => Some(cursor),
            Next::End => {
                seen.sort_unstable();
                assert_eq!(seen, (1..=65).collect::<Vec<i64>>());
                return;
            }
        };
    }
    panic!("picking does not end");
}

/// A holder whose lease ran out changes nothing more, and goes on once it was renewed.
pub async fn nothing_is_changed_behind_the_deadline(fixture: &dyn Fixture) {
    let mut pair = Pair::new(fixture, &ten()).await;
    let looks = Arc::new(Looks::new(0));
    let claim = LaneClaim { deadline: Arc::<Looks>::clone(&looks), ..pair.control.claim() };
    let connector = pair.data.connect("conformance").await;
    let Lane::Sealed(mut lane) = connector.lane(&pair.step, &claim, Arc::new(Untouched)).await.unwrap() else {
        panic!("a sealed step opened an atomic lane")
    };
    let keys = pair.pick(4).await;
    pair.seal(1, &keys).await;
    let late = lane.finish(&keys).await.unwrap_err();
    assert_eq!(late.class, FaultClass::Blocked(Cause::Fenced), "{late}");
    assert_eq!((pair.left().await, lane.owed()), (10, 0));
    assert_eq!(lane.look(&keys).await.unwrap().kept, 4, "looking is no write");
    looks.renew(100);
    assert_eq!((lane.finish(&keys).await.unwrap().changed, lane.owed()), (4, 0));
    assert!(looks.left() < 100);
}
