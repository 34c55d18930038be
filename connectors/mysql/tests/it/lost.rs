//! Lost answers and lost sessions: what was done is found out, and the next call has a session again.

use std::time::Duration;

use forgetd_connector::{
    Append, Cause, Commit, FaultClass, FenceRaise, Head, Order, Predicate, Published, Settled, Value,
};
use forgetd_testkit::proxy::{Link, Proxy};
use forgetd_testkit::{Arena, TestDatabase as _};
use mysql_async::prelude::Queryable as _;

use crate::fixture::{Database, arena, installed, order, selection};
use crate::server::Product;

/// A database, and an arena whose connector works through a proxy.
async fn through_a_proxy(product: Product) -> (Arena, Database, Proxy) {
    let database = Database::new(product).await;
    let server = product.server();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let arena = installed(&database, &server.url_at(proxy.address(), &database.name.text)).await;
    (arena, database, proxy)
}

/// Ends every session of the connectors of this database, and of nobody else.
async fn end_sessions(database: &Database) {
    let mut session = database.session().await;
    let own: u64 = session.query_first("select connection_id()").await.unwrap().unwrap();
    let list =
        format!("select id from information_schema.processlist where db = '{}' and id <> {own}", database.name.text);
    let ids: Vec<u64> = session.query(list).await.unwrap();
    assert!(!ids.is_empty());
    for id in ids {
        session.query_drop(format!("kill {id}")).await.unwrap();
    }
}

#[tokio::test]
async fn a_receipt_whose_answer_was_lost_is_found() {
    for product in Product::each() {
        let (arena, _, proxy) = through_a_proxy(product).await;
        let control = arena.connector.control();
        let receipt = arena.receipt("-", 1, None);
        proxy.set(Link::AnswersLost);
        let Commit::Unknown(fault) = control.append(&receipt).await else { panic!("the answer arrived") };
        assert_eq!(fault.class, FaultClass::Disconnected);
        proxy.set(Link::Up);
        assert_eq!(control.settle(&receipt.key).await, Settled::Present);
        assert_eq!(control.append(&receipt).await, Commit::Fenced, "it has its sequence");
        assert_eq!(control.append(&arena.receipt("-", 2, None)).await, Commit::Committed, "by a new session");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_is_made_anew() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let control = arena.connector.control();
        let receipt = arena.receipt("-", 1, None);
        end_sessions(&database).await;
        let Commit::Unknown(fault) = control.append(&receipt).await else { panic!("the session lives") };
        assert_eq!(fault.class, FaultClass::Disconnected);
        assert_eq!(control.settle(&receipt.key).await, Settled::Absent);
        assert_eq!(control.append(&receipt).await, Commit::Committed);
        end_sessions(&database).await;
        assert_eq!(control.pending_count().await.unwrap_err().class, FaultClass::Disconnected);
        assert_eq!(control.pending_count().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_and_the_session_ended() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let mut context = database.context("conformance");
        context.call_timeout_ms = 300;
        let config = forgetd_mysql::Config { url: database.url.as_str().into(), password: None };
        let hasty = forgetd_mysql::connect(config, context).await.unwrap();
        let control = hasty.control();
        assert_eq!(control.pending_count().await.unwrap(), 0);
        let mut locker = database.session().await;
        locker.query_drop(format!("lock tables {}.receipt write", database.control())).await.unwrap();
        let receipt = arena.receipt("-", 1, None);
        let Commit::Unknown(fault) = control.append(&receipt).await else { panic!("nobody was in the way") };
        assert_eq!((fault.class, fault.detail.as_deref()), (FaultClass::Disconnected, Some("no answer in 300 ms")));
        let waiting =
            "select count(*) from information_schema.processlist where info like '%receipt%' and id <> connection_id()";
        for _ in 0..200 {
            if locker.query_first::<u64, _>(waiting).await.unwrap() == Some(0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        locker.query_drop("unlock tables").await.unwrap();
        assert_eq!(control.settle(&receipt.key).await, Settled::Absent);
        assert_eq!(control.append(&receipt).await, Commit::Committed);
        assert_eq!(database.number(&format!("select count(*) from {}.receipt", database.control())).await, 1);
    }
}

#[tokio::test]
async fn what_waits_for_a_row_is_told_apart_from_what_is_lost() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let mut locker = database.session().await;
        locker.query_drop("begin").await.unwrap();
        locker.query_drop(format!("select * from {}.fence for update", database.control())).await.unwrap();
        let control = arena.connector.control();
        let receipt = arena.receipt("-", 1, None);
        let Commit::RolledBack(fault) = control.append(&receipt).await else { panic!("the fence was free") };
        assert_eq!((fault.class, fault.code.as_deref()), (FaultClass::Transient, Some("1205 HY000")));
        locker.query_drop("rollback").await.unwrap();
        assert_eq!(control.append(&receipt).await, Commit::Committed);
    }
}

#[tokio::test]
async fn a_receipt_too_large_for_a_packet_is_refused_and_not_sent() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let allowed = database.number("select @@max_allowed_packet").await;
        let control = arena.connector.control();
        let mut receipt = arena.receipt("-", 1, None);
        let body = std::mem::replace(&mut receipt.body, vec![b'x'; usize::try_from(allowed / 2).unwrap()]);
        let Commit::RolledBack(fault) = control.append(&receipt).await else { panic!("it fits") };
        assert_eq!((fault.class, fault.detail.as_deref()), (FaultClass::Internal, Some("max_allowed_packet")));
        receipt.body = body;
        assert_eq!(control.append(&receipt).await, Commit::Committed);
    }
}

/// Nor is that of a batch: what the batch did is rolled back, and a smaller one is tried. One that fits by itself goes
/// without the batch behind it.
#[tokio::test]
async fn a_receipt_of_a_batch_that_is_too_large_costs_no_session() {
    const ITEM: &str = "create table item (id int primary key, at date not null, state longtext, key (at)); \
        insert into item values (1, '2020-01-01', 'x'), (2, '2020-01-02', 'x'), (3, '2020-01-03', 'x')";
    for product in Product::each() {
        let (arena, database) = arena(product, ITEM).await;
        let allowed = usize::try_from(database.number("select @@max_allowed_packet").await).unwrap();
        let mut selection = selection("item");
        let wide = Value::Text("y".repeat(100_000));
        selection.terms.predicate = Predicate::one_of("state", vec![Value::Text("x".into()), wide]);
        let mut lane = arena.lane(&arena.step(selection).await).await;
        let mut receipt = arena.receipt("0", 1, None);
        assert_eq!(lane.change(&order(1)).await.unwrap().changed, 1);
        receipt.body = vec![b'x'; allowed / 2];
        let Commit::RolledBack(fault) = lane.commit(&receipt).await else { panic!("it fits") };
        assert_eq!(fault.class, FaultClass::Row(Cause::Size), "{fault}");
        assert_eq!(arena.count("item").await, 3);
        let effect = lane.change(&order(1)).await.unwrap();
        receipt.body = vec![b'x'; (allowed - 100_000) / 2];
        let next = Order { from: effect.next.cursor().cloned(), ..order(1) };
        assert_eq!(lane.commit_then(&receipt, &next).await, Commit::Committed, "{product:?}");
        assert_eq!(lane.change(&next).await.unwrap().changed, 1);
        lane.undo().await.unwrap();
        assert_eq!(arena.count("item").await, 2);
    }
}

/// A step of the log takes two turns. A holder that is frozen between them is ended by the next.
#[tokio::test]
async fn a_holder_that_is_frozen_while_it_publishes_is_passed() {
    for product in Product::each() {
        let (arena, database, proxy) = through_a_proxy(product).await;
        let next = Head { origin: "example.org/frozen".into(), size: 1, root: [1; 32] };
        let append = Append { expected: None, next, objects: vec![], superseded: vec![], leaves: vec![] };
        let control = arena.connector.control();
        // The first time its session is announced.
        assert_eq!(control.publish(&append, arena.term).await, Published::Done);
        let next = Head { size: 2, ..append.next.clone() };
        let append = Append { expected: Some(append.next), next, ..append };
        proxy.set(Link::AnswersHeld);
        let mut publish = std::pin::pin!(control.publish(&append, arena.term));
        // Its first turn takes the fence. What the server shows of transactions it keeps for a while.
        let fence = format!("select term from {}.fence for update nowait", database.control());
        let mut session = database.session().await;
        let mut frozen = false;
        for _ in 0..1_000 {
            frozen = tokio::select! {
                published = &mut publish => panic!("{published:?}"),
                free = session.query_drop(&fence) => free.is_err(),
            };
            if frozen {
                break;
            }
        }
        assert!(frozen, "{product:?}: it was sent");
        // From here on nobody looks after it, its timeouts included.
        let successor = database.connect("conformance").await;
        let raised = successor.control().raise_fence(arena.term + 1).await;
        assert_eq!(raised.unwrap(), FenceRaise::Raised, "{product:?}");
        let state = successor.control().head(&append.next.origin).await.unwrap();
        assert_eq!(state.map(|state| state.head.size), Some(1), "{product:?}");
    }
}
