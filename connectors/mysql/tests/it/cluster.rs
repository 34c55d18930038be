//! Several nodes that all take writes: a lock fences nothing there, a write does.

use std::sync::Arc;

use forgetd_connector::{
    Acquired, Action, AtomicLane, Atomicity, Cause, Commit, ConnectContext, Connector, Endless, FaultClass, FenceKind,
    FenceRaise, Generation, Installed, Lane, LaneClaim, LeaseClaim, Receipt, ReceiptKey, RequestState, Settled,
    StandingRow, Step, Untouched,
};
use forgetd_testkit::{HOLDER, RULE};
use mysql_async::prelude::Queryable as _;

use crate::fixture::{context, order, selection};
use crate::nodes::{Cluster, Nodes};
use crate::server::Server;

/// What is worked on, and under which name everything stands.
const NAME: &str = "it_cluster";

/// A thousand rows that are due, and what a node can be made to lag by.
const TABLES: &str = "create table item (id int primary key, at date, doc longtext); \
    insert into item with recursive n as (select 1 as id union all select id + 1 from n where id < 1000) \
      select id, '2024-01-01', 'x' from n; \
    create table digit (id int primary key); insert into digit values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); \
    create table much (id int primary key, n int); \
    insert into much select 10000 * e.id + 1000 * d.id + 100 * c.id + 10 * b.id + a.id, 0 \
      from digit a, digit b, digit c, digit d, digit e where e.id < 6";

/// A cluster with its tables, on whose first node somebody holds the lease.
struct Held {
    nodes: Nodes,
    first: Box<dyn Connector>,
    second: Box<dyn Connector>,
    generation: Generation,
    term: u64,
}

/// A batch of this lane, and the receipt that would be its own.
struct Batch {
    lane: Box<dyn AtomicLane>,
    changed: u64,
    receipt: Receipt,
}

async fn connect(node: &Server, call_timeout_ms: u64) -> Box<dyn Connector> {
    let config = forgetd_mysql::Config { url: node.url(NAME).into(), password: None };
    let context = ConnectContext { call_timeout_ms, ..context("conformance", "it_cluster_forgetd") };
    forgetd_mysql::connect(config, context).await.unwrap()
}

/// Each of the clusters that are there, in turn.
async fn held(cluster: Cluster, call_timeout_ms: u64) -> Option<Held> {
    let nodes = cluster.nodes().await?;
    nodes.database(NAME, TABLES).await;
    assert_eq!(nodes.count(1, NAME, "item").await, 1_000);
    let (first, second) = (connect(nodes.node(0), 20_000).await, connect(nodes.node(1), call_timeout_ms).await);
    assert_eq!(first.capabilities().fence, FenceKind::Write);
    assert_eq!(first.facts().identity, second.facts().identity, "the nodes share their data");
    let Installed::Created(generation) = first.control().install().await.unwrap() else { panic!("not fresh") };
    let claim = LeaseClaim { holder: HOLDER.into(), duration_ms: 600_000 };
    let Acquired::Held { term } = first.control().acquire(&claim, false).await.unwrap() else { panic!("taken") };
    assert_eq!(first.control().raise_fence(term).await.unwrap(), FenceRaise::Raised);
    assert_eq!(nodes.count(1, "it_cluster_forgetd", "fence").await, 1, "the other node has it");
    Some(Held { nodes, first, second, generation, term })
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

/// Begins a batch; absent: the node knows already that another term stands.
async fn begin(node: &dyn Connector, generation: &Generation, term: u64, sequence: u64) -> Option<Batch> {
    let claim = LaneClaim {
        until: None,
        generation: generation.clone(),
        term,
        lane: "0".into(),
        idle_ms_max: 60_000,
        deadline: Arc::new(Endless),
    };
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

impl Held {
    /// Rows and receipts, as they are on every node in the end.
    async fn counts(&self) -> (u64, u64) {
        let (items, receipts) =
            (self.nodes.count(0, NAME, "item").await, self.nodes.count(0, "it_cluster_forgetd", "receipt").await);
        for number in 1..3 {
            assert_eq!(self.nodes.count(number, NAME, "item").await, items);
            assert_eq!(self.nodes.count(number, "it_cluster_forgetd", "receipt").await, receipts);
        }
        (items, receipts)
    }

    async fn begin_on_the_second(&self, sequence: u64) -> Batch {
        begin(&*self.second, &self.generation, self.term, sequence).await.expect("the term stands")
    }
}

/// Each time the other node has much to apply before it sees the new term.
async fn an_old_term_never_commits(cluster: Cluster) {
    let Some(mut held) = held(cluster, 20_000).await else { return };
    let (mut sequence, mut met) = (1, 0);
    for _ in 0..30 {
        let mut batch = held.begin_on_the_second(sequence).await;
        assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed);
        assert_eq!(held.second.control().settle(&batch.receipt.key).await, Settled::Present);
        let before = 1_000 - 5 * sequence;
        assert_eq!((batch.changed, held.nodes.count(0, NAME, "item").await), (5, before));
        sequence += 1;
        let mut lag = Some(held.nodes.lag(1, NAME).await);
        assert_eq!(held.first.control().raise_fence(held.term + 1).await.unwrap(), FenceRaise::Raised);
        let batch = begin(&*held.second, &held.generation, held.term, sequence).await;
        if let Some(mut batch) = batch {
            met += 1;
            let sent = held.nodes.sent(1).await;
            let mut commit = batch.lane.commit(&batch.receipt);
            // A node of MariaDB answers only once it has applied what was first.
            let commit = tokio::select! {
                commit = &mut commit => commit,
                () = held.nodes.sends_more(1, sent) => {
                    lag = None;
                    commit.await
                }
            };
            assert!(matches!(commit, Commit::RolledBack(_) | Commit::Fenced), "{commit:?}");
            drop(lag);
            assert_eq!(held.second.control().settle(&batch.receipt.key).await, Settled::Absent);
            assert_eq!(held.nodes.count(0, NAME, "item").await, before);
        }
        held.term += 2;
        assert_eq!(held.first.control().raise_fence(held.term).await.unwrap(), FenceRaise::Raised);
        held.nodes.count(1, NAME, "item").await;
        if met == 5 {
            break;
        }
    }
    assert!(met > 0, "the node never lagged");
    assert_eq!(held.counts().await, (1_000 - 5 * (sequence - 1), sequence - 1));
}

/// The node on which it was committed has it, and the one that is asked does not know of it yet.
async fn a_batch_on_its_way_is_not_taken_for_undone(cluster: Cluster) {
    let Some(held) = held(cluster, 20_000).await else { return };
    let mut batch = held.begin_on_the_second(1).await;
    let hasty = connect(held.nodes.node(2), 2_000).await;
    let lag = held.nodes.lag(2, NAME).await;
    assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed);
    assert_eq!(hasty.control().settle(&batch.receipt.key).await, Settled::Unsettled);
    drop(lag);
    assert_eq!(held.counts().await, (995, 1));
    assert_eq!(hasty.control().settle(&batch.receipt.key).await, Settled::Present);
}

/// The node on which it is written has not applied the new term yet.
async fn an_old_term_writes_nothing_of_the_holders(cluster: Cluster) {
    let Some(held) = held(cluster, 20_000).await else { return };
    let (first, second) = (held.first.control(), held.second.control());
    let row = |body: &str| StandingRow { rule: RULE.into(), body: body.into() };
    assert_eq!(second.keep_standing(&row("[1]"), held.term).await, Commit::Committed);
    second.post("01ASKED", "{}").await.unwrap();
    let (stale, mut term) = (row("[2]"), held.term);
    for round in 0..3 {
        let mut lag = Some(held.nodes.lag(1, NAME).await);
        assert_eq!(first.raise_fence(term + 1).await.unwrap(), FenceRaise::Raised);
        let sent = held.nodes.sent(1).await;
        let mut write = match round {
            0 => second.keep_standing(&stale, term),
            1 => second.drop_standing(RULE, term),
            _ => second.answer("01ASKED", RequestState::Done, "{}", term),
        };
        // A node of MariaDB answers only once it has applied what was first.
        let commit = tokio::select! {
            commit = &mut write => commit,
            () = held.nodes.sends_more(1, sent) => {
                lag = None;
                write.await
            }
        };
        assert!(matches!(commit, Commit::RolledBack(_) | Commit::Fenced), "{round}: {commit:?}");
        drop(lag);
        held.nodes.count(1, NAME, "item").await;
        term += 1;
    }
    assert_eq!(first.standings().await.unwrap(), [row("[1]")]);
    assert_eq!(first.request("01ASKED").await.unwrap().map(|request| request.state), Some(RequestState::Open));
    assert_eq!(second.answer("01ASKED", RequestState::Done, "{}", term).await, Commit::Committed);
    assert_eq!(second.drop_standing(RULE, term).await, Commit::Committed);
    assert_eq!(held.nodes.count(0, "it_cluster_forgetd", "standing").await, 0);
    assert_eq!(held.nodes.count(0, "it_cluster_forgetd", "request where state = 'done'").await, 1);
}

#[tokio::test]
async fn what_the_holder_alone_writes_is_not_written_under_an_old_term_on_a_node_that_lags() {
    an_old_term_writes_nothing_of_the_holders(Cluster::Galera).await;
}

#[tokio::test]
async fn a_batch_that_another_node_has_not_seen_yet_is_not_taken_for_undone() {
    a_batch_on_its_way_is_not_taken_for_undone(Cluster::Galera).await;
}

#[tokio::test]
async fn a_batch_of_an_old_term_never_commits_on_a_node_that_lags() {
    an_old_term_never_commits(Cluster::Galera).await;
}

mod group {
    use super::*;

    #[tokio::test]
    async fn what_the_holder_alone_writes_is_not_written_under_an_old_term_on_a_member_that_lags() {
        an_old_term_writes_nothing_of_the_holders(Cluster::Group).await;
    }

    #[tokio::test]
    async fn a_batch_of_an_old_term_never_commits_on_a_member_that_lags() {
        an_old_term_never_commits(Cluster::Group).await;
    }

    /// What another node changed first is seen when the two are compared: nothing of the batch stays, and it can be begun again.
    #[tokio::test]
    async fn a_batch_that_comes_second_is_rolled_back_and_begun_again() {
        let Some(held) = held(Cluster::Group, 20_000).await else { return };
        let lag = held.nodes.lag(1, NAME).await;
        let kept = "update item set at = '2030-01-01' where id = 3";
        held.nodes.node(0).session(Some(NAME)).await.query_drop(kept).await.unwrap();
        let mut batch = held.begin_on_the_second(1).await;
        assert_eq!(batch.changed, 5);
        let Commit::RolledBack(fault) = batch.lane.commit(&batch.receipt).await else { panic!("no conflict") };
        assert_eq!((fault.class, fault.code.as_deref()), (FaultClass::Transient, Some("3101 40000")));
        drop(lag);
        assert_eq!(held.counts().await, (1_000, 0));
        assert_eq!(batch.lane.change(&order(5)).await.unwrap().changed, 5, "from the fence on");
        assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed);
        assert_eq!(held.counts().await, (995, 1));
        assert_eq!(held.nodes.count(2, NAME, "item where id = 3").await, 1, "it is not due any more");
    }

    #[tokio::test]
    async fn a_batch_that_another_member_has_not_seen_yet_is_not_taken_for_undone() {
        a_batch_on_its_way_is_not_taken_for_undone(Cluster::Group).await;
    }

    /// The commit is on its way to a node that stands still; whoever settles it elsewhere decides.
    #[tokio::test]
    async fn a_commit_that_was_settled_on_another_node_does_not_happen_later() {
        let Some(held) = held(Cluster::Group, 1_000).await else { return };
        let mut batch = held.begin_on_the_second(1).await;
        let frozen = held.nodes.freeze(1).await;
        let Commit::Unknown(fault) = batch.lane.commit(&batch.receipt).await else { panic!("who answered?") };
        assert_eq!((fault.class, fault.detail.as_deref()), (FaultClass::Disconnected, Some("no answer in 1000 ms")));
        assert_eq!(held.first.control().settle(&batch.receipt.key).await, Settled::Absent);
        drop(frozen);
        assert_eq!(held.second.control().settle(&batch.receipt.key).await, Settled::Absent);
        assert_eq!(held.counts().await, (1_000, 0));
        let mut batch = held.begin_on_the_second(1).await;
        assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed);
        assert_eq!(held.counts().await, (995, 1));
    }

    /// Reads go on where the majority is gone, and writes wait for ever: whoever has no patience of his own never hears of it.
    #[tokio::test]
    async fn a_lost_majority_is_no_answer_and_nothing_is_guessed() {
        let Some(held) = held(Cluster::Group, 2_000).await else { return };
        let mut batch = held.begin_on_the_second(1).await;
        let gone = (held.nodes.freeze(0).await, held.nodes.freeze(2).await);
        let Commit::Unknown(fault) = batch.lane.commit(&batch.receipt).await else { panic!("who agreed?") };
        assert_eq!((fault.class, fault.detail.as_deref()), (FaultClass::Disconnected, Some("no answer in 2000 ms")));
        let settled = held.second.control().settle(&batch.receipt.key).await;
        assert_eq!(settled, Settled::Unsettled);
        drop(gone);
        let settled = held.second.control().settle(&batch.receipt.key).await;
        let expected = match settled {
            Settled::Present => (995, 1),
            Settled::Absent => (1_000, 0),
            Settled::Foreign | Settled::Unsettled => panic!("the majority is there"),
        };
        assert_eq!(held.counts().await, expected);
        let sequence = expected.1 + 1;
        let mut batch = held.begin_on_the_second(sequence).await;
        assert_eq!(batch.lane.commit(&batch.receipt).await, Commit::Committed, "it goes on");
        assert_eq!(held.counts().await, (expected.0 - 5, sequence));
    }

    /// A member that left the group takes no writes, nor does one that its administrator told so.
    #[tokio::test]
    async fn a_member_that_reads_only_says_so() {
        let Some(held) = held(Cluster::Group, 20_000).await else { return };
        let mut batch = held.begin_on_the_second(1).await;
        batch.lane.undo().await.unwrap();
        let mut administrator = held.nodes.node(1).session(None).await;
        administrator.query_drop("set global super_read_only = 1").await.unwrap();
        let met = batch.lane.change(&order(5)).await.map(|effect| effect.changed);
        let looked = connect(held.nodes.node(1), 20_000).await;
        let found = looked.preflight(&step(&*looked).await).await.unwrap();
        administrator.query_drop("set global super_read_only = 0; set global read_only = 0").await.unwrap();
        let fault = met.unwrap_err();
        assert_eq!((fault.class, fault.code.as_deref()), (FaultClass::Blocked(Cause::ReadOnly), Some("1290 HY000")));
        assert_eq!(found.iter().find_map(|finding| finding.blocking_cause()), Some(Cause::ReadOnly));
        assert_eq!(batch.lane.change(&order(5)).await.unwrap().changed, 5);
        batch.lane.undo().await.unwrap();
    }

    /// A group takes no larger transaction, and says no more than that something went wrong.
    #[tokio::test]
    async fn a_transaction_too_large_for_the_group_is_a_matter_of_rows() {
        let Some(held) = held(Cluster::Group, 20_000).await else { return };
        let mut administrator = held.nodes.node(1).session(Some(NAME)).await;
        administrator.query_drop("update item set doc = repeat('x', 10000)").await.unwrap();
        administrator.query_drop("set global group_replication_transaction_size_limit = 35000").await.unwrap();
        let mut batch = held.begin_on_the_second(1).await;
        let commit = batch.lane.commit(&batch.receipt).await;
        let half = batch.lane.change(&order(2)).await.map(|effect| effect.changed);
        let halved = batch.lane.commit(&batch.receipt).await;
        administrator.query_drop("set global group_replication_transaction_size_limit = default").await.unwrap();
        let Commit::RolledBack(fault) = commit else { panic!("{commit:?}") };
        assert_eq!((fault.class, fault.code.as_deref()), (FaultClass::Row(Cause::Size), Some("3100 HY000")));
        assert_eq!((half.unwrap(), halved), (2, Commit::Committed));
        assert_eq!(held.counts().await, (998, 1));
    }
}
