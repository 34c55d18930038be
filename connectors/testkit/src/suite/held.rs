//! Rows that stay because a row that a rule keeps references them, by a key that would set the reference.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Child, ClauseOf, Commit, Count, Except, Joined, KeptWhy, Key, Lane, Next, Order, RowCap, Selection,
    Stays, Step, TableRef, Untouched, Value,
};
use jiff::{Timestamp, ToSpan as _};

use super::fence::{late, order};
use super::predicate::text;
use crate::{Arena, Cell, Fixture, Kind, TableSpec, oracle};

/// Before the cutoff of every rule, between that of rules that keep and that of rules that delete, and behind both.
fn moments() -> [Cell; 3] {
    [late() - 3.hours(), late() - 1.hour(), late() + 1.hour()].map(Cell::Instant)
}

/// From when on rows that say `kept` are kept.
fn kept_since() -> Timestamp {
    late() - 2.hours()
}

fn word(kept: bool) -> Cell {
    Cell::Text(if kept { "kept" } else { "other" }.into())
}

fn number(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null, Cell::Int)
}

/// Items, which reference each other; notes on them, by two columns; parts, which go with them; and remarks on parts.
fn world() -> [TableSpec; 4] {
    let [oldest, old, new] = moments();
    let item = |id: i64| {
        let references = [(7, 6), (8, 5), (10, 9)].into_iter().find(|(own, _)| *own == id).map(|(_, other)| other);
        let at = if id == 10 { &new } else { &old };
        vec![at.clone(), Cell::Int(3), word(id == 8), number(references)]
    };
    let note = |(at, kept, area, item): (&Cell, bool, Option<i64>, i64)| {
        vec![at.clone(), word(kept), number(area), Cell::Int(item)]
    };
    let notes = [
        (&new, true, Some(3), 1),
        (&new, false, Some(3), 2),
        (&oldest, true, Some(3), 3),
        (&Cell::Null, true, Some(3), 4),
        (&new, true, None, 11),
    ];
    [
        TableSpec::new("item")
            .column("at", Kind::Instant)
            .column("area", Kind::Int)
            .column("word", Kind::Text)
            .nullable("item_id", Kind::Int)
            .constraint("unique (area, id)")
            .constraint("foreign key (item_id) references item (id) on delete set null")
            .rows((1..=11).map(item)),
        TableSpec::new("note")
            .nullable("at", Kind::Instant)
            .column("word", Kind::Text)
            .nullable("area", Kind::Int)
            .nullable("item_id", Kind::Int)
            .constraint("foreign key (area, item_id) references item (area, id) on delete set null")
            .rows(notes.map(note)),
        TableSpec::new("part")
            .column("at", Kind::Instant)
            .column("item_id", Kind::Int)
            .constraint("foreign key (item_id) references item (id) on delete cascade")
            .rows([6, 7].map(|item| vec![old.clone(), Cell::Int(item)])),
        TableSpec::new("remark")
            .column("at", Kind::Instant)
            .column("word", Kind::Text)
            .nullable("part_id", Kind::Int)
            .constraint("foreign key (part_id) references part (id) on delete set null")
            .rows([(true, 1), (false, 2)].map(|(kept, part)| vec![old.clone(), word(kept), Cell::Int(part)])),
    ]
}

/// What goes of it, worked out by hand. 1 and 4 have a note that is kept, 5 is referenced by 8, which is kept, and on a part
/// of 6 there is a remark that is kept.
const DUE: [i64; 5] = [2, 3, 7, 9, 11];

/// The rows of a table that say `kept`.
fn kept(fixture: &dyn Fixture, table: &TableSpec) -> Selection {
    let mut selection = table.selection(fixture, "at", kept_since());
    selection.terms.predicate = text("word", "kept");
    selection
}

fn held(foreign_key: &str, table: &TableSpec, on: &[(&str, &str)], stays: Stays) -> Except {
    let on = on.iter().map(|(other, own)| Joined { other: (*other).into(), own: (*own).into() }).collect();
    Except::Child(Child { foreign_key: foreign_key.into(), table: TableRef::parse(table.name), on, stays })
}

/// The world in an arena, and the step that deletes from its items.
async fn made(fixture: &dyn Fixture) -> (Arena, Step) {
    let arena = Arena::new(fixture).await;
    let world = world();
    for table in &world {
        arena.create(fixture, table).await;
    }
    let [items, notes, parts, remarks] = &world;
    let keeping = async |table| Stays::IfKept(vec![arena.step(kept(fixture, table)).await]);
    let mut below = parts.selection(fixture, "at", late());
    below.except.push(held("remarks", remarks, &[("part_id", "id")], keeping(remarks).await));
    let mut selection = items.selection(fixture, "at", late());
    let terms = kept(fixture, items).terms;
    selection.except = vec![
        Except::Kept { rule: "keeper".into(), terms },
        held("parts", parts, &[("item_id", "id")], Stays::UnlessDue(vec![arena.step(below).await])),
        held("notes", notes, &[("area", "area"), ("item_id", "id")], keeping(notes).await),
        held("items", items, &[("item_id", "id")], keeping(items).await),
    ];
    assert_eq!(oracle::due(&world[..], &selection), DUE);
    let mut step = arena.step(selection).await;
    step.may_cascade = step.table.cascades_to();
    (arena, step)
}

/// No row that a rule keeps loses a reference, whatever the number of rows in a batch; the others do.
pub async fn what_a_kept_row_references_stays(fixture: &dyn Fixture) {
    for rows_max in [1, 100] {
        let (arena, step) = made(fixture).await;
        let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
        assert_eq!(measure.due, Count::Exact(DUE.len() as u64));
        let done = arena.drain(&step, rows_max).await;
        assert_eq!((done.changed, done.passed), (DUE.len() as u64, 0));
        assert_eq!((arena.count("item").await, arena.count("part").await), (6, 1));
        for (table, condition, rows) in [
            ("item", "id in (1, 4, 5, 6, 8, 10)", 6),
            ("note", "area = 3 and (id = 1 and item_id = 1 or id = 4 and item_id = 4)", 2),
            ("note", "id in (2, 3) and area is null and item_id is null", 2),
            ("item", "id = 8 and item_id = 5 or id = 10 and item_id is null", 2),
            ("remark", "id = 1 and part_id = 1 or id = 2 and part_id is null", 2),
        ] {
            let found = arena.database.number(&format!("select count(*) from {table} where {condition}")).await;
            assert_eq!(found, rows, "{table}: {condition}");
        }
    }
}

/// Of several rules that keep rows of a table, one that keeps the row is enough.
pub async fn one_rule_that_keeps_is_enough(fixture: &dyn Fixture) {
    let (arena, step) = made(fixture).await;
    let mut selection = step.selection.clone();
    let mut others = kept(fixture, &world()[1]);
    others.terms.predicate = text("word", "other");
    let others = arena.step(others).await;
    for except in &mut selection.except {
        if let Except::Child(Child { foreign_key, stays: Stays::IfKept(steps), .. }) = except
            && foreign_key == "notes"
        {
            steps.push(others.clone());
        }
    }
    let due = [3, 7, 9, 11];
    assert_eq!(oracle::due(&world()[..], &selection), due);
    let step = Step { may_cascade: step.may_cascade, ..arena.step(selection).await };
    assert_eq!(arena.drain(&step, 100).await.changed, due.len() as u64);
    assert_eq!((arena.has("item", 1).await, arena.has("item", 2).await), (true, true));
}

/// What is said of a table and of one row names the key that holds.
pub async fn what_is_held_is_said(fixture: &dyn Fixture) {
    let (arena, step) = made(fixture).await;
    let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
    let counted: Vec<_> = profile
        .kept
        .iter()
        .filter(|kept| matches!(kept.why, KeptWhy::Rule(_) | KeptWhy::Child(_)))
        .map(|kept| (kept.why.clone(), kept.rows))
        .collect();
    let child = |key: &str, rows| (KeptWhy::Child(key.into()), Count::Exact(rows));
    let own = (KeptWhy::Rule("keeper".into()), Count::Exact(1));
    assert_eq!(counted, [own, child("parts", 1), child("notes", 2), child("items", 1)]);
    for id in 1..=11 {
        let judged = arena.connector.judge(&step, &Key(vec![Value::Int(id)])).await.unwrap().expect("a row");
        let holding: Vec<&str> = judged
            .clauses
            .iter()
            .filter(|clause| clause.holds == Some(true))
            .filter_map(|clause| match &clause.what {
                ClauseOf::Child(key) => Some(key.as_str()),
                _ => None,
            })
            .collect();
        let expected: &[&str] = match id {
            1 | 4 => &["notes"],
            5 => &["items"],
            6 => &["parts"],
            _ => &[],
        };
        assert_eq!((judged.due, holding.as_slice()), (DUE.contains(&id), expected), "row {id}");
    }
}

/// A row that begins to be kept between pick and finish holds what it references; so does one that is added.
pub async fn a_sealed_batch_leaves_what_is_held_by_then(fixture: &dyn Fixture) {
    let (arena, step) = made(fixture).await;
    let step = Step { atomicity: Atomicity::Sealed, ..step };
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("a sealed step opened an atomic lane")
    };
    let keys = lane.pick(&order(100)).await.unwrap().keys;
    assert_eq!(keys.len(), DUE.len());
    arena.database.sql("update note set word = 'kept' where id = 2").await;
    let fresh = TableSpec { rows: vec![], ..world()[1].clone() };
    let [_, _, new] = moments();
    let insert = fresh.inserts(fixture, &[(6, vec![new, word(true), Cell::Int(3), Cell::Int(9)])]);
    arena.database.sql(&insert[0]).await;
    let outcome = lane.finish(&keys).await.unwrap();
    assert_eq!((outcome.changed, outcome.kept), (3, 0));
    for id in [2, 9] {
        assert!(arena.has("item", id).await, "item {id} is held by now");
    }
    assert_eq!(arena.database.number("select count(*) from note where item_id in (2, 9)").await, 2);
}

/// A batch that was begun behind the commit of the one before is judged when it is asked for.
pub async fn a_batch_begun_ahead_leaves_what_is_held_by_then(fixture: &dyn Fixture) {
    let (arena, step) = made(fixture).await;
    let mut lane = arena.lane(&step).await;
    let first = lane.change(&order(1)).await.unwrap();
    assert_eq!((first.changed, arena.has("item", 1).await), (1, true));
    let mut next = Order { from: first.next.cursor().cloned(), ..order(1) };
    assert_eq!(lane.commit_then(&arena.receipt("0", 1, next.from.clone()), &next).await, Commit::Committed);
    let new = fixture.instant(late());
    arena.database.sql(&format!("update note set at = {new} where id = 3")).await;
    let mut changed = 0;
    for sequence in 2..20 {
        let effect = lane.change(&next).await.unwrap();
        changed += effect.changed;
        let Next::At(cursor) = effect.next else { break };
        next = Order { from: Some(cursor.clone()), ..next };
        assert_eq!(lane.commit_then(&arena.receipt("0", sequence, Some(cursor)), &next).await, Commit::Committed);
    }
    assert!(arena.has("item", 3).await, "item 3 is held by now");
    assert_eq!(changed, 3);
}
