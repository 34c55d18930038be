//! Several nodes that all take writes: a lock fences nothing there, a write does.

use std::sync::Arc;

use forgetd_connector::{
    Acquired, Action, AtomicLane, Atomicity, Cause, Commit, Connector, FenceKind, FenceRaise, Installed, Lane,
    LaneClaim, LeaseClaim, Receipt, ReceiptKey, Settled, Step, Untouched,
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
    let table = connector.describe(&[selection.table.clone()]).await.unwrap().tables.remove(0);
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

#[tokio::test]
async fn a_batch_of_an_old_term_never_commits_on_another_node() {
    let nodes = keep("galera").expect("the cluster");
    let mut session = nodes[0].session(None).await;
    session.query_drop(format!("create database {NAME}")).await.unwrap();
    session.query_drop(format!("create table {NAME}.item (id int primary key, at date)")).await.unwrap();
    let rows = format!("use {NAME}; insert into item select seq, '2024-01-01' from seq_1_to_200");
    session.query_drop(rows).await.unwrap();
    assert_eq!(count(&nodes[1], "item").await, 200);
    let (first, second) = (connect(&nodes[0]).await, connect(&nodes[1]).await);
    assert_eq!(first.capabilities().fence, FenceKind::Write);
    assert_eq!(first.facts().identity, second.facts().identity, "the nodes share their data");
    let Installed::Created(generation) = first.control().install().await.unwrap() else { panic!("not fresh") };
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 600_000 };
    let Acquired::Held { mut term } = first.control().acquire(&claim, false).await.unwrap() else { panic!("taken") };
    let mut sequence = 1;
    for round in 0..20 {
        assert_eq!(first.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
        // The second node may not have seen it yet.
        let claim = LaneClaim { generation: generation.clone(), term, lane: "0".into(), idle_ms_max: 60_000 };
        let mut lane = lane(&*second, &claim).await;
        let changed = loop {
            match lane.change(&order(5)).await {
                Ok(effect) => break effect.changed,
                Err(fault) => assert_eq!(fault.cause(), Cause::Fenced, "{fault}"),
            }
        };
        let key = ReceiptKey { generation: generation.clone(), rule: RULE.into(), lane: "0".into(), sequence };
        let receipt =
            Receipt { key, run: "01RUN".into(), term, body: vec![1], mac: [2; 32], rows: None, cursor: None.into() };
        let before = count(&nodes[0], "item").await;
        if round % 2 == 0 {
            assert_eq!(lane.commit(&receipt).await, Commit::Committed);
            assert_eq!(second.control().settle(&receipt.key).await, Settled::Present);
            assert_eq!(count(&nodes[0], "item").await, before - changed);
            sequence += 1;
        } else {
            assert_eq!(first.control().raise_fence(term + 1).await.unwrap(), FenceRaise::Raised);
            let commit = lane.commit(&receipt).await;
            assert!(matches!(commit, Commit::RolledBack(_) | Commit::Fenced), "{commit:?}");
            assert_eq!(second.control().settle(&receipt.key).await, Settled::Absent);
            assert_eq!(count(&nodes[0], "item").await, before);
            term += 1;
        }
        term += 1;
    }
    assert_eq!(count(&nodes[2], "it_galera_forgetd.receipt").await, sequence - 1);
    assert_eq!(count(&nodes[2], "item").await, 200 - 5 * (sequence - 1));
}
