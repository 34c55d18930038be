//! What becomes of single rows of a transform: those that triggers write into, those that stay as they are, those that
//! others follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Cause, FaultClass, Lane, NewRow, OldRow, Outcome, Put, SealedLane, Step, TableRef, Transform, Undone,
    Value,
};
use forgetd_testkit::Arena;

use crate::fixture::{arena, order};
use crate::rewriting::{Tokens, marked, place, rewrite, rows, step, text};

async fn sealed(arena: &Arena, step: &Step, transform: Arc<dyn Transform>) -> Box<dyn SealedLane> {
    let step = Step { atomicity: Atomicity::Sealed, ..step.clone() };
    match arena.connector.lane(&step, &arena.claim(), transform).await.unwrap() {
        Lane::Sealed(lane) => lane,
        Lane::Atomic(_) => panic!("a sealed step"),
    }
}

async fn changed(arena: &Arena, step: &Step, transform: Arc<dyn Transform>) -> (u64, BTreeMap<Cause, u64>) {
    let Lane::Atomic(mut lane) = arena.connector.lane(step, &arena.claim(), transform).await.unwrap() else {
        panic!("an atomic step")
    };
    let effect = lane.change(&order(10)).await.unwrap();
    let sequence = arena.connector.control().next_sequence(&step.rule, "0").await.unwrap();
    lane.commit(&arena.receipt("0", sequence, None)).await;
    (effect.changed, effect.unfit)
}

/// Puts the same values into every row, one for each of its columns.
struct Always(Vec<Value>);

impl Transform for Always {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(|_| NewRow::Values(self.0.clone())).collect()
    }
}

/// Leaves every row as it is.
struct Nothing;

impl Transform for Nothing {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        vec![NewRow::Same; rows.len()]
    }
}

/// Where the value alone does not tell that a row is done, nothing else would show that it is not.
#[tokio::test]
async fn what_a_trigger_puts_back_stops_the_rule() {
    for (type_name, new) in [
        ("text", text("070-456")),
        ("text collate nocase", text("A")),
        ("integer", Value::Int(8)),
        ("integer", text("8")),
        ("real", Value::Int(8)),
        ("numeric", text("8.50")),
        ("blob", text("8")),
        ("", Value::Real(8.5)),
    ] {
        for (trigger, stops) in [
            ("update item set v = old.v where id = new.id", true),
            ("update item set touched = 1 where id = new.id", false),
        ] {
            let (arena, file) = arena(&format!(
                "create table item (id integer primary key, v {type_name}, at date, done text, touched int);
                 insert into item (v, at) values ('a', '2020-01-01'), ('a', '2020-01-01');
                 create trigger t after update of v on item when old.id = 2 begin {trigger}; end"
            ))
            .await;
            let mut step = marked(step(&arena, vec![place("v", Put::Computed)]).await, "done", text("2027-01-01"));
            step.selection.undone = vec![Undone::Unmarked("done".into())];
            let always: Arc<dyn Transform> = Arc::new(Always(vec![new.clone()]));
            if !stops {
                assert_eq!(changed(&arena, &step, always).await, (2, BTreeMap::new()), "{type_name}");
                continue;
            }
            let mut lane = sealed(&arena, &step, Arc::clone(&always)).await;
            let keys = lane.pick(&order(10)).await.unwrap().keys;
            let mut faults = vec![lane.finish(&keys).await.unwrap_err()];
            let Lane::Atomic(mut lane) = arena.connector.lane(&step, &arena.claim(), always).await.unwrap() else {
                panic!("an atomic step")
            };
            faults.push(lane.change(&order(10)).await.unwrap_err());
            for fault in faults {
                assert_eq!(fault.class, FaultClass::Blocked(Cause::EffectDiffers), "{type_name}");
                assert_eq!(fault.detail.as_deref(), Some("item"), "{type_name}");
            }
            assert_eq!(rows(&file, "select v, done from item"), ["a -", "a -"], "{type_name}");
        }
    }
}

/// A document keeps its form when it is looked at again.
#[tokio::test]
async fn documents_are_what_was_written() {
    for form in ["'{\"email\":\"a\"}'", "jsonb('{\"email\":\"a\"}')", "cast('{\"email\":\"a\"}' as blob)"] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, v json, at date); insert into item (v, at) values ({form}, '2020-01-01');
             create trigger t after update on item begin select 1; end"
        ))
        .await;
        let step = step(&arena, vec![place("v.email", Put::Computed)]).await;
        assert_eq!(changed(&arena, &step, Arc::new(Tokens)).await, (1, BTreeMap::new()), "{form}");
    }
}

/// A row that is due and into which nothing is to be written is told, by each run; its marker is set once.
#[tokio::test]
async fn a_due_row_that_stays_as_it_is_is_counted() {
    let unfit = || BTreeMap::from([(Cause::ValueUnfit, 1)]);
    for (places, marker, first) in [
        (vec![place("v", Put::Computed)], false, 0),
        (vec![place("v", Put::Computed)], true, 1),
        (vec![place("v", Put::Computed), place("w", Put::Constant(Value::Null))], false, 1),
    ] {
        let (arena, file) = arena(
            "create table item (id integer primary key, at date, v text, w text, done text);
             insert into item (at, v, w) values ('2020-01-01', 'x', 'y')",
        )
        .await;
        let mut step = step(&arena, places).await;
        if marker {
            step = marked(step, "done", text("2027-01-01"));
        }
        if first == 1 {
            assert_eq!(changed(&arena, &step, Arc::new(Nothing)).await, (1, BTreeMap::new()), "{marker}");
        }
        let before = rows(&file, "select * from item");
        if let Some(marker) = &mut rewrite(&mut step).marker {
            marker.value = text("2028-01-01");
        }
        assert_eq!(changed(&arena, &step, Arc::new(Nothing)).await, (0, unfit()), "{marker}");
        let mut lane = sealed(&arena, &step, Arc::new(Nothing)).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        let expected = Outcome { kept: 1, unfit: unfit(), ..Outcome::default() };
        assert_eq!(lane.finish(&keys).await.unwrap(), expected, "{marker}");
        assert_eq!(rows(&file, "select * from item"), before, "{marker}");
    }
}

/// What goes or changes along with a sealed batch is told, once.
#[tokio::test]
async fn a_sealed_batch_counts_what_follows() {
    let tables = |action: &str| {
        format!(
            "create table item (id integer primary key, at date, v text unique);
             create table call (n int, v text references item (v) on {action} cascade);
             insert into item (at, v) values ('2020-01-01', 'ab'), ('2020-01-01', 'abc'), ('2030-01-01', 'x');
             insert into call values (1, 'ab'), (2, 'ab'), (3, 'x')"
        )
    };
    let followed = BTreeMap::from([(TableRef::parse("call"), 2)]);
    let (arena_deleting, _file) = arena(&tables("delete")).await;
    let deleting = arena_deleting.step(crate::rewriting::dated()).await;
    let (arena_writing, _file) = arena(&tables("update")).await;
    let mut writing = step(&arena_writing, vec![place("v", Put::Computed)]).await;
    rewrite(&mut writing).follows.push(TableRef::parse("call"));
    for (arena, step) in [(&arena_deleting, deleting), (&arena_writing, writing)] {
        let mut lane = sealed(arena, &step, Arc::new(Tokens)).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        let expected = Outcome { changed: 2, gone: 2, cascaded: followed.clone(), ..Outcome::default() };
        assert_eq!(lane.finish(&keys).await.unwrap(), expected);
        assert_eq!(lane.finish(&keys).await.unwrap(), Outcome { gone: 2, ..Outcome::default() });
    }
}
