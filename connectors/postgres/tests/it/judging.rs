//! Rows whose fate hangs on other rows: locked first, judged after, by what is there then.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Commit, Compare, FaultClass, Lane, LockWait, Next, Order, Step, Untouched, WhenNull,
};
use forgetd_testkit::{Arena, TestDatabase as _};
use tokio_postgres::Client;

use crate::fixture::{Database, arena, attempt, context, due, order};
use crate::since::{counted_from, latest};
use crate::transaction::counted;

/// Twenty customers without an order since 2024.
const ITEM: &str = "create table item (id int primary key, note text);
  create table orders (item int, made timestamptz not null); create index on orders (item, made);
  insert into item select n from generate_series(1, 20) n; insert into orders select n, '2024-01-01' from generate_series(1, 20) n;";

/// The same arena, whose lanes wait long for a lock.
async fn patient(arena: Arena, database: &Database) -> Arena {
    let config = forgetd_postgres::Config { url: database.url.clone().into(), password: None };
    let context = forgetd_connector::ConnectContext { lock_wait_ms: 15_000, ..context("conformance") };
    Arena { connector: forgetd_postgres::connect(config, context).await.unwrap(), ..arena }
}

async fn inactive(arena: &Arena) -> Step {
    arena.step(counted_from(latest(None), WhenNull::Keep)).await
}

/// Waits until some session waits for a lock of another.
async fn until_somebody_waits(database: &Database) {
    let waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())
      or not granted and locktype = 'transactionid'";
    for _ in 0..10_000 {
        if database.number(waiting).await > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody waits for a lock");
}

/// An application's transaction, left open behind these statements.
async fn application(database: &Database, statements: &str) -> Client {
    let client = database.session().await;
    client.batch_execute(&format!("begin; {statements}")).await.unwrap();
    client
}

async fn ids(database: &Database) -> Vec<String> {
    database.texts("select id::text from item order by id").await
}

#[tokio::test]
async fn what_came_while_a_lock_was_waited_for_counts() {
    let (arena, database) = arena(ITEM).await;
    let arena = patient(arena, &database).await;
    let step = inactive(&arena).await;
    assert_eq!(due(&arena, step.clone()).await.unwrap().len(), 20);
    // One customer orders again, another is only touched: its row lies elsewhere afterwards.
    let statements = "update item set note = 'x' where id in (3, 4); insert into orders values (3, now())";
    let application = application(&database, statements).await;
    let mut lane = arena.lane(&step).await;
    let order = order(100);
    let commits = async {
        until_somebody_waits(&database).await;
        application.batch_execute("commit").await.unwrap();
    };
    let (effect, ()) = tokio::join!(lane.change(&order), commits);
    assert_eq!(effect.unwrap().changed, 19);
    assert_eq!(lane.commit(&arena.receipt("0", 1, None)).await, Commit::Committed);
    assert_eq!(ids(&database).await, ["3"]);
}

#[tokio::test]
async fn a_sealed_batch_judges_again_too() {
    let (arena, database) = arena(ITEM).await;
    let arena = patient(arena, &database).await;
    let step = Step { atomicity: Atomicity::Sealed, ..inactive(&arena).await };
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("sealed")
    };
    let keys = lane.pick(&order(100)).await.unwrap().keys;
    assert_eq!(keys.len(), 20);
    database.sql("insert into orders values (9, now())").await;
    let statements = "update item set note = 'x' where id in (3, 4); insert into orders values (3, now())";
    let application = application(&database, statements).await;
    let commits = async {
        until_somebody_waits(&database).await;
        application.batch_execute("commit").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(lane.finish(&keys), commits);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.changed, outcome.gone, outcome.kept), (18, 20, 0));
    assert_eq!(ids(&database).await, ["3", "9"]);
}

/// What is begun behind a commit only locks; it is judged when it is asked for.
#[tokio::test]
async fn what_is_begun_ahead_is_judged_when_it_is_asked_for() {
    let (arena, database) = arena(&format!("{ITEM} alter table item set (autovacuum_enabled = off);")).await;
    database.sql("insert into item select n from generate_series(21, 3000) n").await;
    database.sql("insert into orders select n, '2024-01-01' from generate_series(21, 3000) n; analyze item").await;
    let step = inactive(&arena).await;
    let mut lane = arena.lane(&step).await;
    let first = lane.change(&order(500)).await.unwrap();
    let next = Order { from: first.next.cursor().cloned(), ..order(500) };
    let receipt = arena.receipt("0", 1, next.from.clone());
    assert_eq!(lane.commit_then(&receipt, &next).await, Commit::Committed);
    let ahead =
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'";
    assert_eq!(database.number(ahead).await, 1, "something is begun ahead");
    database.sql("insert into orders select id, now() from item").await;
    let second = lane.change(&next).await.unwrap();
    assert_eq!((second.changed, first.changed > 0), (0, true));
    lane.undo().await.unwrap();
    assert_eq!(database.number("select count(*) from item").await, 3000 - first.changed as i64);
}

#[tokio::test]
async fn a_judged_batch_takes_one_turn_more() {
    let (arena, database) = arena(&format!(
        "{ITEM} insert into item select n from generate_series(21, 20000) n; analyze item;
         insert into orders select n, '2024-01-01' from generate_series(21, 20000) n; analyze orders"
    ))
    .await;
    let (arena, proxy) = counted(arena, &database).await;
    let step = inactive(&arena).await;
    let before = proxy.busiest();
    let done = arena.drain(&step, 1_000).await;
    let turns = proxy.busiest() - before;
    assert_eq!((done.changed, done.passed, done.locked), (20_000, 0, 0));
    assert!(done.batches >= 20 && done.batch_rows_max <= 1_000, "{done:?}");
    assert!(turns <= done.batches * 2 + 12, "{turns} turns for {} batches", done.batches);
}

#[tokio::test]
async fn others_locks_are_passed_and_counted() {
    let (arena, database) = arena(ITEM).await;
    let step = inactive(&arena).await;
    let held = database.hold("item", "id in (3, 4)").await;
    let fault = attempt(&arena, &step, &order(100)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Locked);
    let drained = arena.drain(&step, 7).await;
    assert_eq!((drained.changed, drained.locked, drained.waited), (18, 2, true));
    held.release().await;
    assert_eq!(ids(&database).await, ["3", "4"]);
}

/// More locked rows than a batch may change are none that it changed.
#[tokio::test]
async fn no_batch_is_larger_than_it_may_be() {
    for rows_max in [1, 6, 19] {
        let (arena, _) = arena(&format!("{ITEM} alter table item drop constraint item_pkey")).await;
        let step = inactive(&arena).await;
        let mut lane = arena.lane(&step).await;
        let mut order = Order { compare: Compare::All, ..order(rows_max) };
        let mut changed = 0;
        loop {
            let effect = lane.change(&order).await.unwrap();
            assert!(effect.changed <= u64::from(rows_max), "{effect:?}");
            changed += effect.changed;
            let receipt = arena.receipt("0", changed + 1, effect.next.cursor().cloned());
            assert_eq!(lane.commit(&receipt).await, Commit::Committed);
            match effect.next {
                Next::At(cursor) => order.from = Some(cursor),
                Next::End => break,
            }
        }
        assert_eq!((changed, arena.count("item").await), (20, 0));
    }
}

#[tokio::test]
async fn a_trigger_that_cancels_is_noticed_here_too() {
    let trigger = |condition: &str| {
        format!(
            "{ITEM} create function f() returns trigger language plpgsql as $$ begin if {condition} then return null; end if; return old; end $$;
             create trigger f before delete on item for each row execute function f()"
        )
    };
    for (condition, class) in [
        ("old.id = 7", FaultClass::Row(forgetd_connector::Cause::TriggerCancels)),
        ("true", FaultClass::Blocked(forgetd_connector::Cause::TriggerCancels)),
    ] {
        let (arena, database) = arena(&trigger(condition)).await;
        let step = inactive(&arena).await;
        assert_eq!(attempt(&arena, &step, &order(100)).await.unwrap_err().class, class, "{condition}");
        assert_eq!(ids(&database).await.len(), 20);
        let skip = Order { locks: LockWait::Skip, want_keys: true, ..order(100) };
        let effect = attempt(&arena, &step, &skip).await.unwrap();
        assert_eq!(effect.keys.unwrap().len() as u64, effect.changed);
    }
}

/// Lanes that look elsewhere show both of their statements, and both hold the predicate.
#[tokio::test]
async fn both_statements_are_shown() {
    let (arena, _) = arena(ITEM).await;
    let step = inactive(&arena).await;
    let shown = arena.connector.statements(&step).unwrap();
    assert_eq!(shown.change.matches(&shown.predicate).count(), 2, "{}", shown.change);
    assert!(shown.count.contains(&shown.predicate) && shown.peek.contains(&shown.predicate));
    assert_eq!(shown.walk, "physical");
}
