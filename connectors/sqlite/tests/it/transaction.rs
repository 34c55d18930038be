//! Transactions: who holds one, how long, and what is left of it.

use std::sync::Arc;
use std::time::Duration;

use forgetd_connector::{Cause, Commit, FaultClass, Lane, LaneClaim, LeaseClaim, Untouched};
use forgetd_testkit::HOLDER;

use crate::fixture::{arena, connect, dated, ids, order};

const THREE: &str = "create table item (id integer primary key, at date);
  insert into item (at) values ('2024-01-01'), ('2024-01-02'), ('2024-01-03')";

/// Whether another connection gets the write lock at once.
fn free(file: &crate::fixture::File) -> bool {
    let other = file.open();
    other.busy_timeout(Duration::from_millis(0)).unwrap();
    other.execute_batch("begin immediate; rollback").is_ok()
}

async fn becomes_free(file: &crate::fixture::File) {
    for _ in 0..1_000 {
        if free(file) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the transaction stays open");
}

#[tokio::test]
async fn a_dropped_future_rolls_back() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    for polls in 0..20 {
        {
            let order = order(10);
            let mut change = lane.change(&order);
            // The job is sent by the first poll; some rounds drop before it, some while it runs, some behind it.
            for _ in 0..polls {
                if futures_poll(&mut change).await {
                    break;
                }
            }
        }
        if polls % 2 == 0 {
            tokio::time::sleep(Duration::from_micros(200 * polls)).await;
        }
        lane.undo().await.unwrap();
        assert_eq!(ids(&file, "item").len(), 3);
    }
    let order = order(10);
    let change = lane.change(&order);
    drop(tokio::time::timeout(Duration::ZERO, change).await);
    drop(lane);
    becomes_free(&file).await;
    assert_eq!(ids(&file, "item").len(), 3);
}

/// Polls once; true when the future is done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let mut done = false;
    std::future::poll_fn(|context| {
        done = std::pin::Pin::new(&mut *future).poll(context).is_ready();
        std::task::Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
    done
}

#[tokio::test]
async fn a_dropped_lane_frees_the_lock() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(10)).await.unwrap().changed, 3);
    assert!(!free(&file));
    drop(lane);
    becomes_free(&file).await;
    assert_eq!(ids(&file, "item").len(), 3);
}

#[tokio::test]
async fn a_transaction_left_idle_is_rolled_back() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let claim = LaneClaim { idle_ms_max: 30, ..arena.claim() };
    let Lane::Atomic(mut lane) = arena.connector.lane(&step, &claim, Arc::new(Untouched)).await.unwrap() else {
        panic!("sealed")
    };
    assert_eq!(lane.change(&order(10)).await.unwrap().changed, 3);
    becomes_free(&file).await;
    let Commit::RolledBack(fault) = lane.commit(&arena.receipt("0", 1, None)).await else { panic!("committed") };
    assert_eq!(fault.class, FaultClass::Transient);
    assert_eq!(ids(&file, "item").len(), 3);
    assert_eq!(arena.connector.control().pending_count().await.unwrap(), 0);
}

#[tokio::test]
async fn two_lanes_of_one_connector_do_not_mix() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut first = arena.lane(&step).await;
    let mut second = arena.lane(&step).await;
    assert_eq!(first.change(&order(1)).await.unwrap().changed, 1);
    assert_eq!(second.change(&order(10)).await.unwrap_err().class, FaultClass::Locked);
    second.undo().await.unwrap();
    drop(second);
    assert_eq!(first.commit(&arena.receipt("0", 1, None)).await, Commit::Committed);
    assert_eq!(ids(&file, "item"), [2, 3]);
}

#[tokio::test]
async fn a_renewal_lands_outside_the_open_batch() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(10)).await.unwrap();
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 60_000 };
    let control = arena.connector.control();
    let (renewed, ()) = tokio::join!(control.renew(&claim, arena.term), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        lane.undo().await.unwrap();
    });
    assert!(renewed.unwrap(), "the renewal waited for the batch");
    assert_eq!(ids(&file, "item").len(), 3);
    let lease = control.lease().await.unwrap().unwrap();
    assert!(lease.left_ms <= 60_000, "the batch's rollback took the renewal along");
}

#[tokio::test]
async fn a_changed_generation_stops_the_lane() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    arena.connector.control().new_generation().await.unwrap();
    assert_eq!(lane.change(&order(10)).await.unwrap_err().class, FaultClass::Blocked(Cause::Restored));
    assert_eq!(ids(&file, "item").len(), 3);
}

#[tokio::test]
async fn dropped_control_tables_stop_the_lane() {
    let (arena, file) = arena(THREE).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    for sql in ["delete from forgetd_fence", "drop table forgetd_fence", "drop table forgetd_control"] {
        file.open().execute_batch(sql).unwrap();
        assert_eq!(
            lane.change(&order(10)).await.unwrap_err().class,
            FaultClass::Blocked(Cause::ControlTables),
            "{sql}"
        );
    }
    assert_eq!(ids(&file, "item").len(), 3);
    let second = connect(&file.path(), "conformance").await;
    let fault = second.control().next_sequence("r", "0").await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ControlTables));
}

#[tokio::test]
async fn a_busy_lane_lets_the_lease_be_renewed() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at date);
         insert into item (at) with recursive s (n) as (select 1 union all select n + 1 from s where n < 20000)
         select '2024-01-01' from s",
    )
    .await;
    let step = dated(&arena, "item").await;
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 60_000 };
    let renewals = async {
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            let since = std::time::Instant::now();
            assert!(arena.connector.control().renew(&claim, arena.term).await.unwrap());
            longest = longest.max(since.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        longest
    };
    let (done, longest) = tokio::join!(arena.drain(&step, 100), renewals);
    assert_eq!(done.changed, 20_000);
    assert!(longest < Duration::from_secs(2), "a renewal waited {longest:?}");
}

#[tokio::test]
async fn a_statement_ends_at_the_call_timeout_and_leaves_nothing() {
    let (arena, file) = arena(&format!(
        "{THREE};
         create table endless (id integer primary key, n int);
         create trigger slow before delete on item begin
           update endless set n = (with recursive s (n) as (select 1 union all select n + 1 from s)
                                   select count(*) from s);
         end;
         insert into endless values (1, 1)"
    ))
    .await;
    let step = dated(&arena, "item").await;
    let mut context = crate::fixture::context("conformance");
    context.call_timeout_ms = 300;
    let impatient = forgetd_sqlite::connect(forgetd_sqlite::Config { path: file.path() }, context).await.unwrap();
    let Lane::Atomic(mut lane) = impatient.lane(&step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("sealed")
    };
    let since = std::time::Instant::now();
    assert_eq!(lane.change(&order(10)).await.unwrap_err().class, FaultClass::Timeout);
    assert!(since.elapsed() < Duration::from_secs(5));
    becomes_free(&file).await;
    assert_eq!(ids(&file, "item"), [1, 2, 3]);
}
