//! The lease's end and a sealed lane: no statement outlasts it, and what was done by then is known.

use std::sync::Arc;

use forgetd_connector::{Cause, FaultClass};
use forgetd_testkit::{Ends, Looks, TestDatabase as _};

use crate::fixture::{arena, order, step};
use crate::server::Product;
use crate::steps::{sealed, sealed_until, tagging};

const ROWS: u64 = 8;

/// Rows that are due, each of which a trigger makes slow to change where it is asked to.
fn items(engine: &str, slow: Option<&str>) -> String {
    let rows: Vec<String> = (1..=ROWS).map(|id| format!("({id}, '2024-01-0{id}', 'm{id}')")).collect();
    let trigger = slow
        .map(|event| format!("; create trigger slow before {event} on item for each row begin do sleep(0.25); end"));
    format!(
        "create table item (id int primary key, at date not null, email varchar(50) collate utf8mb4_bin, key (at)) \
         engine = {engine}; insert into item values {}{}",
        rows.join(", "),
        trigger.unwrap_or_default()
    )
}

/// A statement that would outlast the lease is stopped before it; what it had done by then stays, and is told.
#[tokio::test]
async fn a_statement_ends_before_the_lease_does() {
    for (product, engine) in Product::each().flat_map(|product| ["myisam", "innodb"].map(|engine| (product, engine))) {
        for event in ["delete", "update"] {
            let (arena, database) = arena(product, &items(engine, Some(event))).await;
            let step = match event {
                "delete" => step(&arena, "item").await,
                _ => tagging(&arena, "item", None).await,
            };
            let keys = sealed(&arena, &step).await.pick(&order(100)).await.unwrap().keys;
            assert_eq!(keys.len() as u64, ROWS);
            // All of them would take two seconds.
            let mut lane = sealed_until(&arena, &step, Arc::new(Ends::in_ms(1_300))).await;
            let fault = lane.finish(&keys).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::Timeout, "{product:?} {engine} {event}: {fault}");
            let due = "select count(*) from item where email not like 'p1.%'";
            let done = ROWS - database.number(due).await.unsigned_abs();
            assert_eq!(lane.owed(), done, "{product:?} {engine} {event}");
            assert!(if engine == "myisam" { done < ROWS } else { done == 0 }, "{product:?} {engine} {event}: {done}");
        }
    }
}

/// Without transactions what a statement did is done: the lease that ends right behind it takes nothing back.
#[tokio::test]
async fn what_is_done_without_transactions_is_told_behind_the_deadline() {
    for (product, engine) in Product::each().flat_map(|product| ["myisam", "innodb"].map(|engine| (product, engine))) {
        for (looks, transforms) in [(1, false), (1, true), (2, true)] {
            let (arena, database) = arena(product, &items(engine, None)).await;
            let step = if transforms { tagging(&arena, "item", None).await } else { step(&arena, "item").await };
            let keys = sealed(&arena, &step).await.pick(&order(100)).await.unwrap().keys;
            let mut lane = sealed_until(&arena, &step, Arc::new(Looks::new(looks))).await;
            let finished = lane.finish(&keys).await;
            let done =
                ROWS - database.number("select count(*) from item where email not like 'p1.%'").await.unsigned_abs();
            // A transform reads before it writes.
            let written = engine == "myisam" && (looks == 2 || !transforms);
            assert_eq!(done, if written { ROWS } else { 0 }, "{product:?} {engine} {looks} {transforms}");
            match finished {
                Ok(outcome) => assert_eq!((outcome.changed, outcome.gone, outcome.kept), (ROWS, done, 0)),
                Err(fault) => {
                    assert_eq!(fault.class, FaultClass::Blocked(Cause::Fenced), "{fault}");
                    assert_eq!((done, lane.owed()), (0, 0));
                }
            }
        }
    }
}
