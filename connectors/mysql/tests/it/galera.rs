//! Several nodes that all take writes: a lock fences nothing there, a write does.

use std::sync::Arc;

use forgetd_connector::{
    Acquired, Action, AtomicLane, Atomicity, Cause, Commit, Connector, FenceKind, FenceRaise, Generation, Installed,
    Lane, LaneClaim, LeaseClaim, Receipt, ReceiptKey, Settled, Step, Untouched,
};
use forgetd_testkit::{HOLDER, RULE};
use mysql_async::prelude::Queryable as _;

use crate::fixture::{context, order, selection};
use crate::server::{Server, keep};

/// What is worked on, and under which name everything stands.
const NAME: &str = "it_galera";

async fn connect(node: &Server) -> Box<dyn Connector> {
    let config = forgetd_mysql::Config { url: node.url(NAME).into(), password: None };
    forgetd_mysql::connect(config, context("conformance", "it_galera_forgetd")).await.unwrap()
}

async fn step(connector: &dyn Connector) -> Step {
    let selection = selection("item");
    let table = connector.describe(std::slice::from_ref(&selection.table)).await.unwrap().tables.remove(0);
    Step {
        rule: RULE.into(),
        selection,
        table,
        others: vec![],
        action: Action::Delete,
        atomicity: Atomicity::Atomic,
        may_cascade: vec![],
    }
}

async fn lane(connector: &dyn Connector, claim: &LaneClaim) -> Box<dyn AtomicLane> {
    match connector.lane(&step(connector).await, claim, Arc::new(Untouched)).await.unwrap() {
        Lane::Atomic(lane) => lane,
        Lane::Sealed(_) => panic!("an atomic step opened a sealed lane"),
    }
}

async fn count(node: &Server, table: &str) -> u64 {
    let text = format!("set session wsrep_sync_wait = 1; select count(*) from {table}");
    let mut session = node.session(Some(NAME)).await;
    let mut results = session.query_iter(text).await.unwrap();
    drop(results.collect::<u64>().await.unwrap());
    results.collect::<u64>().await.unwrap()[0]
}

/// A batch of this lane, and the receipt that would be its own.
struct Batch {
    lane: Box<dyn AtomicLane>,
    changed: u64,
    receipt: Receipt,
}

/// Begins a batch; absent: the node knows already that another term stands.
async fn begin(node: &dyn Connector, generation: &Generation, term: u64, sequence: u64) -> Option<Batch> {
    let claim = LaneClaim { generation: generation.clone(), term, lane: "0".into(), idle_ms_max: 60_000 };
    let mut lane = lane(node, &claim).await;
    let changed = match lane.change(&order(5)).await {
        Ok(effect) => effect.changed,
        Err(fault) => {
            assert_eq!(fault.cause(), Cause::Fenced, "{fault}");
            return None;
        }
    };
    let key = ReceiptKey { generation: generation.clone(), rule: RULE.into(), lane: "0".into(), sequence };
    let run = "01RUN".into();
    let receipt = Receipt { key, run, term, body: vec![1], mac: [2; 32], rows: None, cursor: None.into() };
    Some(Batch { lane, changed, receipt })
}

/// Each time the other node has much to apply before it sees the new term.
#[tokio::test]
async fn a_batch_of_an_old_term_never_commits_on_a_node_that_lags() {
    let nodes = keep("galera").expect("the cluster");
    let mut session = nodes[0].session(None).await;
    let made = format!(
        "create database {NAME}; use {NAME}; create table item (id int primary key, at date); \
         insert into item select seq, '2024-01-01' from seq_1_to_1000; \
         create table much (id int primary key, n int); insert into much select seq, 0 from seq_1_to_60000"
    );
    session.query_drop(made).await.unwrap();
    assert_eq!(count(&nodes[1], "item").await, 1_000);
    let (first, second) = (connect(&nodes[0]).await, connect(&nodes[1]).await);
    assert_eq!(first.capabilities().fence, FenceKind::Write);
    assert_eq!(first.facts().identity, second.facts().identity, "the nodes share their data");
    let Installed::Created(generation) = first.control().install().await.unwrap() else { panic!("not fresh") };
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 600_000 };
    let Acquired::Held { mut term } = first.control().acquire(&claim, false).await.unwrap() else { panic!("taken") };
    let (mut sequence, mut met) = (1, 0);
    for _ in 0..30 {
        assert_eq!(first.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
        let before = count(&nodes[1], "item").await;
        let mut batch = begin(&*second, &generation, term, sequence).await.expect("the term stands");
        assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed);
        assert_eq!(second.control().settle(&batch.receipt.key).await, Settled::Present);
        assert_eq!(count(&nodes[0], "item").await, before - batch.changed);
        sequence += 1;
        session.query_drop("update much set n = n + 1").await.unwrap();
        assert_eq!(first.control().raise_fence(term + 1).await.unwrap(), FenceRaise::Raised);
        if let Some(mut batch) = begin(&*second, &generation, term, sequence).await {
            met += 1;
            let commit = batch.lane.commit(&batch.receipt).await;
            assert!(matches!(commit, Commit::RolledBack(_) | Commit::Fenced), "{commit:?}");
            assert_eq!(second.control().settle(&batch.receipt.key).await, Settled::Absent);
            assert_eq!(count(&nodes[0], "item").await, before - 5);
        }
        term += 2;
        if met == 5 {
            break;
        }
    }
    assert!(met > 0, "the node never lagged");
    assert_eq!(count(&nodes[2], "it_galera_forgetd.receipt").await, sequence - 1);
    assert_eq!(count(&nodes[2], "item").await, 1_000 - 5 * (sequence - 1));
}
