//! Effects: what happened is compared with what was announced, before there is a receipt.

use forgetd_connector::{Cause, Child, Compare, Count, Except, Joined, Order, RowCap, Stays, Step, TableRef, Value};
use jiff::{Timestamp, ToSpan as _};

use super::fence::{late, order, ten};
use crate::{Arena, Cell, Fixture, Kind, Snare, TableSpec, oracle};

const CASCADE: &str = "foreign key (item_id) references item (id) on delete cascade";

/// Children that a rule of their own lets go are counted by table.
pub async fn an_announced_cascade_is_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    let child = TableSpec::new("child")
        .column("item_id", Kind::Int)
        .constraint(CASCADE)
        .rows([1, 1, 2, 7].map(|id| vec![Cell::Int(id)]));
    arena.create(fixture, &child).await;
    let mut step = arena.step(ten().selection(fixture, "at", late())).await;
    let children = step.table.cascades_to();
    assert_eq!(children.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["child"]);
    step.may_cascade = children.clone();
    let mut lane = arena.lane(&step).await;
    for compare in [Compare::Announced, Compare::All] {
        let effect = lane.change(&Order { compare, ..order(100) }).await.unwrap();
        assert_eq!(effect.changed, 10);
        let cascaded: Vec<(&TableRef, u64)> = effect.cascaded.iter().map(|(table, rows)| (table, *rows)).collect();
        assert_eq!(cascaded, [(&children[0], 4)]);
        lane.undo().await.unwrap();
    }
    assert_eq!(arena.count("child").await, 4);
}

/// Rows that stay and whose reference is set are counted by table, those of the table itself too, and not those that go as
/// well.
pub async fn references_that_are_set_are_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let (old, new) = (late() - 1.hour(), late() + 1.hour());
    let items = [(old, None), (old, Some(1)), (new, Some(1)), (new, Some(2)), (new, Some(3))];
    let items = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("item_id", Kind::Int)
        .constraint("foreign key (item_id) references item (id) on delete set null")
        .rows(items.map(|(at, item)| vec![Cell::Instant(at), item.map_or(Cell::Null, Cell::Int)]));
    arena.create(fixture, &items).await;
    let child = TableSpec::new("child")
        .nullable("item_id", Kind::Int)
        .nullable("other_id", Kind::Int)
        .constraint("foreign key (item_id) references item (id) on delete set null")
        .constraint("foreign key (other_id) references item (id) on delete set null")
        .rows([(1, 2), (1, 3), (2, 4), (4, 5)].map(|(item, other)| vec![Cell::Int(item), Cell::Int(other)]));
    arena.create(fixture, &child).await;
    let step = arena.step(items.selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    for compare in [Compare::Announced, Compare::All] {
        let effect = lane.change(&Order { compare, ..order(100) }).await.unwrap();
        let set: Vec<(&str, u64)> =
            effect.references_set.iter().map(|(table, rows)| (table.name.as_str(), *rows)).collect();
        assert_eq!((effect.changed, set), (2, vec![("child", 4), ("item", 2)]));
        assert_eq!(effect.cascaded, [].into());
        lane.undo().await.unwrap();
    }
}

/// A cascade takes no row that its own rule still keeps: its parent stays with it, and so does the parent's parent.
pub async fn children_that_must_stay_keep_their_parents(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let cutoff = Timestamp::from_second(1_750_000_000).unwrap();
    let (old, new) = (cutoff - 1.hour(), cutoff + 1.hour());
    let items = TableSpec::new("item").column("at", Kind::Instant).rows((1..=6).map(|_| vec![Cell::Instant(old)]));
    let below = |name: &'static str, parent: &'static str, constraint, rows: &[(i64, Timestamp)]| {
        let rows = rows.iter().map(|(id, at)| vec![Cell::Instant(*at), Cell::Int(*id)]).collect::<Vec<_>>();
        TableSpec::new(name).column("at", Kind::Instant).column(parent, Kind::Int).constraint(constraint).rows(rows)
    };
    let children = below("child", "item_id", CASCADE, &[(1, old), (2, old), (2, new), (3, new), (4, old), (5, old)]);
    let grandchildren = below(
        "grandchild",
        "child_id",
        "foreign key (child_id) references child (id) on delete cascade",
        &[(1, old), (5, new)],
    );
    let world = [items.clone(), children.clone(), grandchildren.clone()];
    for table in &world {
        arena.create(fixture, table).await;
    }
    let held = |table: &TableSpec, own: &str, due: Step| {
        let on = vec![Joined { other: own.into(), own: "id".into() }];
        let table = TableRef::parse(table.name);
        Except::Child(Child { foreign_key: format!("{own}_fk"), table, on, stays: Stays::UnlessDue(vec![due]) })
    };
    let last = arena.step(grandchildren.selection(fixture, "at", cutoff)).await;
    let mut selection = children.selection(fixture, "at", cutoff);
    selection.except.push(held(&grandchildren, "child_id", last));
    let middle = arena.step(selection).await;
    let mut selection = items.selection(fixture, "at", cutoff);
    selection.except.push(held(&children, "item_id", middle));
    // 2 and 3 have a fresh child; a child of 4 has a fresh child.
    assert_eq!(oracle::due(&world[..], &selection), [1, 5, 6]);
    let mut step = arena.step(selection).await;
    step.may_cascade = step.table.cascades_to();
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, Count::Exact(3));
    let done = arena.drain(&step, 2).await;
    assert_eq!((done.changed, done.passed), (3, 0));
    for id in [2, 3, 4] {
        assert!(arena.has("item", id).await, "item {id} had to stay");
    }
    assert_eq!((arena.count("item").await, arena.count("child").await, arena.count("grandchild").await), (3, 4, 1));
}

/// A trigger that takes rows of another table: nothing of the batch remains, and the cause is named.
pub async fn an_unannounced_loss_rolls_back(fixture: &dyn Fixture) {
    let Some(trap) = fixture.snare(&Snare::AlsoDeletes { table: "item", other: "bystander" }) else { return };
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    let bystander = TableSpec::new("bystander").column("n", Kind::Int).rows([1, 2].map(|n| vec![Cell::Int(n)]));
    arena.create(fixture, &bystander).await;
    arena.database.sql(&trap).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&Order { compare: Compare::All, ..order(5) }).await.expect_err("rows went unannounced");
    assert_eq!(fault.cause(), Cause::EffectDiffers, "{fault}");
    assert_eq!((arena.count("item").await, arena.count("bystander").await), (10, 2));
}

/// A trigger that cancels: the batch claims no row that is still there.
pub async fn a_cancelled_delete_is_not_counted_as_done(fixture: &dyn Fixture) {
    let Some(trap) = fixture.snare(&Snare::Cancels { table: "item" }) else { return };
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    arena.database.sql(&trap).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    match lane.change(&order(100)).await {
        Ok(effect) => assert_eq!(effect.changed, 0, "rows were counted that are still there"),
        Err(fault) => {
            assert!(matches!(fault.cause(), Cause::TriggerCancels | Cause::EffectDiffers | Cause::Survivors), "{fault}")
        }
    }
    drop(lane);
    assert_eq!(arena.count("item").await, 10);
}

/// Keys are told when they are wanted, one for each changed row, and not otherwise.
pub async fn keys_of_changed_rows(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    arena.create(fixture, &ten()).await;
    let step = arena.step(ten().selection(fixture, "at", late())).await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&Order { want_keys: true, ..order(4) }).await.unwrap();
    let mut ids: Vec<i64> = effect.keys.expect("keys were wanted").iter().map(id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4]);
    lane.undo().await.unwrap();
    assert_eq!(lane.change(&order(4)).await.unwrap().keys, None);
    lane.undo().await.unwrap();
}

/// The id that a key of the suite's tables holds.
pub(super) fn id(key: &forgetd_connector::Key) -> i64 {
    match key.0.as_slice() {
        [Value::Int(id)] => *id,
        [Value::Typed { text, .. }] => text.parse().expect("an integer key"),
        other => panic!("{other:?} is no key of one integer"),
    }
}
