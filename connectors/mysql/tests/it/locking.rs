//! Locks: the application never waits for a batch, and a batch waits for nobody.

use forgetd_connector::{
    Commit, FaultClass, Joined, Latest, LockWait, Order, Since, SinceColumn, Step, TableRef, WhenNull,
};
use forgetd_testkit::{Arena, TestDatabase as _};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::fixture::{Database, arena, order, selection, step};
use crate::server::Product;
use crate::steps::sealed;

/// Every fifth row is live.
const MIXED: &str = "create table item (id int primary key, at datetime not null, state varchar(9) not null, note int, \
   key (at), key (state)); insert into item select n, '2020-01-01' + interval n second, \
   if(n % 5 = 0, 'open', 'closed'), 0 from (select a.n + 10 * b.n + 100 * c.n as n from ten a, ten b, ten c) as s";

const TEN: &str =
    "create table ten (n int primary key); insert into ten values (0),(1),(2),(3),(4),(5),(6),(7),(8),(9); ";

/// An application's session that waits for no lock longer than it must.
async fn application(database: &Database, statements: &[&str]) -> Conn {
    let mut session = database.session().await;
    session.query_drop("set session innodb_lock_wait_timeout = 1").await.unwrap();
    session.query_drop("begin").await.unwrap();
    for statement in statements {
        session.query_drop(*statement).await.unwrap();
    }
    session
}

async fn closed(arena: &Arena) -> Step {
    let mut selection = selection("item");
    selection.terms.predicate =
        forgetd_connector::Predicate::equal("state", forgetd_connector::Value::Text("closed".into()));
    arena.step(selection).await
}

/// Live rows inside the span of an open batch are updated and others come in, by whatever index.
#[tokio::test]
async fn live_rows_are_free_while_a_batch_is_open() {
    for product in Product::each() {
        let (arena, database) = arena(product, &format!("{TEN}{MIXED}")).await;
        let plain = closed(&arena).await;
        let mut native = plain.clone();
        native.selection.terms.native = Some("note = 0".into());
        for (step, want_keys) in [(&plain, false), (&plain, true), (&native, false)] {
            let mut lane = arena.lane(step).await;
            let effect = lane.change(&Order { want_keys, ..order(500) }).await.unwrap();
            assert_eq!(effect.changed, 400);
            let others = application(
                &database,
                &[
                    "update item set note = 1 where id = 15",
                    "update item set note = 1 where at = '2020-01-01 00:00:20'",
                    "update item set at = '2020-01-01 00:00:03' where id = 25",
                    "insert into item values (5000, '2020-01-01 00:00:07', 'closed', 0)",
                    "delete from item where id = 35",
                ],
            )
            .await;
            drop(others);
            lane.undo().await.unwrap();
        }
    }
}

/// Whoever waits for one of our rows gets it when the batch ends, and is not the victim of a deadlock.
#[tokio::test]
async fn whoever_waits_for_a_batch_goes_on_behind_it() {
    for product in Product::each() {
        let (arena, database) = arena(product, &format!("{TEN}{MIXED}")).await;
        let step = closed(&arena).await;
        let mut lane = arena.lane(&step).await;
        lane.change(&order(500)).await.unwrap();
        let mut other = application(&database, &["set session innodb_lock_wait_timeout = 20"]).await;
        let waits = async {
            other.query_drop("update item set note = 1 where id in (1, 5)").await.unwrap();
            let seen: Option<u64> = other.query_first("select count(*) from item where id in (1, 5)").await.unwrap();
            other.query_drop("commit").await.unwrap();
            seen
        };
        let receipt = arena.receipt("0", 1, None);
        let (seen, committed) = tokio::join!(waits, lane.commit(&receipt));
        assert_eq!((seen, committed), (Some(1), Commit::Committed));
    }
}

/// A child that somebody else has locked costs its parent and no other row.
#[tokio::test]
async fn a_locked_child_costs_its_parent() {
    for product in Product::each() {
        let (arena, database) = arena(
            product,
            &format!(
                "{TEN}create table item (id int primary key, at datetime not null); \
                 create table child (id int primary key, item int not null, foreign key (item) references item (id) \
                 on delete cascade); insert into item select n, '2020-01-01' from ten; \
                 insert into child select a.n * 10 + b.n, a.n from ten a, ten b where b.n < 5"
            ),
        )
        .await;
        let mut step = step(&arena, "item").await;
        step.may_cascade = step.table.cascades_to();
        let held = database.hold("child", "id = 42").await;
        let done = arena.drain(&step, 10).await;
        assert_eq!((done.changed, done.passed), (9, 1), "{product:?}");
        assert_eq!(database.texts("select id from item").await, ["4"]);
        assert_eq!(arena.count("child").await, 5);
        held.release().await;
        let mut lane = arena.lane(&step).await;
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!((effect.changed, effect.cascaded.values().sum::<u64>()), (1, 5));
        lane.undo().await.unwrap();
    }
}

/// A table that somebody keeps is no row that somebody keeps.
#[tokio::test]
async fn a_table_that_is_kept_is_said() {
    for product in Product::each() {
        let (arena, database) = arena(product, &format!("{TEN}{MIXED}")).await;
        let step = closed(&arena).await;
        let mut lane = arena.lane(&step).await;
        let mut keeper = database.session().await;
        keeper.query_drop("lock tables item write").await.unwrap();
        for locks in [LockWait::Wait, LockWait::Skip] {
            let fault = lane.change(&Order { locks, ..order(10) }).await.unwrap_err();
            assert_eq!(fault.class, FaultClass::LockedWhole, "{fault}");
        }
        keeper.query_drop("unlock tables").await.unwrap();
        assert_eq!(lane.change(&order(1_000)).await.unwrap().changed, 800);
        lane.undo().await.unwrap();
    }
}

fn inactive() -> Since {
    Since::Latest(Box::new(Latest {
        table: TableRef::parse("orders"),
        at: SinceColumn { column: "made".into(), zone: Some(jiff::tz::TimeZone::UTC), form: None },
        on: vec![Joined { other: "item".into(), own: "id".into() }],
        or: None,
    }))
}

/// What is begun behind a commit only locks; it is judged when it is asked for.
#[tokio::test]
async fn what_is_begun_ahead_is_judged_when_it_is_asked_for() {
    for product in Product::each() {
        let (arena, database) = arena(
            product,
            &format!(
                "{TEN}create table item (id int primary key, note int); create table orders (item int, \
                 made datetime not null, key (item, made)); insert into item select a.n + 10 * b.n + 100 * c.n, 0 \
                 from ten a, ten b, ten c; insert into orders select id, '2020-01-01' from item"
            ),
        )
        .await;
        let mut selection = selection("item");
        selection.terms.since = inactive();
        selection.terms.when_null = WhenNull::Keep;
        let step = arena.step(selection).await;
        let mut lane = arena.lane(&step).await;
        let first = lane.change(&order(300)).await.unwrap();
        assert!(first.changed > 0);
        let next = Order { from: first.next.cursor().cloned(), ..order(300) };
        assert_eq!(lane.commit_then(&arena.receipt("0", 1, next.from.clone()), &next).await, Commit::Committed);
        database.sql("insert into orders select id, '2026-01-01' from item").await;
        assert_eq!(lane.change(&next).await.unwrap().changed, 0, "{product:?}");
        lane.undo().await.unwrap();
        // And a sealed batch judges what was picked before.
        database.sql("delete from orders where made = '2026-01-01' and item <> 999").await;
        let mut lane = sealed(&arena, &step).await;
        let keys = lane.pick(&order(1_000)).await.unwrap().keys;
        assert_eq!(keys.len() as u64, 999 - first.changed);
        database.sql("insert into orders values (998, '2026-01-01')").await;
        let outcome = lane.finish(&keys).await.unwrap();
        assert_eq!((outcome.changed, outcome.kept), (keys.len() as u64 - 1, 0));
        assert_eq!(database.texts("select id from item order by id").await, ["998", "999"]);
    }
}

/// Waits until this session waits for a lock.
async fn until_it_waits(database: &Database, id: u32) {
    let waiting = format!(
        "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT' and trx_mysql_thread_id = {id}"
    );
    for _ in 0..300 {
        if database.number(&waiting).await > 0 {
            return;
        }
        // The engine shows what it showed before, unless nobody looked for a tenth of a second.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    panic!("it does not wait");
}

/// An index entry that somebody has locked, while waiting for the row that we have, is not waited for: that would be a
/// deadlock, and the application its victim.
#[tokio::test]
async fn a_deadlock_is_not_entered() {
    // The other product can only be told to wait a second, and finds the deadlock at once.
    let product = Product::MariaDb;
    let (arena, database) = arena(product, &format!("{TEN}{MIXED}")).await;
    let mut step = closed(&arena).await;
    step.selection.terms.native = Some("note = 0".into());
    let mut lane = arena.lane(&step).await;
    let first = lane.change(&order(300)).await.unwrap();
    let next = Order { from: first.next.cursor().cloned(), ..order(300) };
    // Locks rows, and nothing else.
    assert_eq!(lane.commit_then(&arena.receipt("0", 1, next.from.clone()), &next).await, Commit::Committed);
    let mut other = application(&database, &["set session innodb_lock_wait_timeout = 60"]).await;
    let id = other.id();
    let update = tokio::spawn(async move {
        other.query_drop("update item force index (state) set note = 1 where state = 'closed'").await
    });
    until_it_waits(&database, id).await;
    let fault = lane.change(&next).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Locked, "{fault}");
    update.await.unwrap().unwrap();
}
