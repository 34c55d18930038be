//! Lost answers, in processes of their own: fault points are armed by the environment.

use std::process::{Command, Stdio};

use forgetd_connector::{Acquired, Commit, Endless, FaultClass, FenceRaise, LeaseClaim, RunRow, SealEnd, Settled};

use crate::fixture::{arena, order, step};

/// Set in the child: the name of the scene it plays.
const SCENE: &str = "FORGETD_TEST_SCENE";

const THREE: &str = "create table item (id int primary key, at date);
  insert into item values (1, '2024-01-01'), (2, '2024-01-02'), (3, '2024-01-03')";

/// Plays `test` again in a process of its own with faults armed; true when it was the child that ran.
fn in_child(test: &str, fault: &str) -> bool {
    if std::env::var_os(SCENE).is_some() {
        return true;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("faults::{test}"), "--nocapture"])
        .env(SCENE, test)
        .env("FORGETD_FAULT", fault)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{test} under {fault}: {status}");
    false
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_found() {
    if !in_child("a_commit_without_an_answer_is_unknown_and_found", "commit.after=fail") {
        return;
    }
    let (arena, database) = arena(THREE).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(2)).await.unwrap();
    let receipt = arena.receipt("0", 1, None);
    let Commit::Unknown(fault) = lane.commit(&receipt).await else { panic!("the answer arrived") };
    assert_eq!(fault.class, FaultClass::Disconnected);
    assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Present);
    assert_eq!(database.texts("select id::text from item").await, ["3"]);
    assert_eq!(lane.change(&order(2)).await.unwrap().changed, 1, "the lane goes on");
}

/// The batch behind it may hold the fence by then: a receipt that can be seen needs none.
#[tokio::test]
async fn a_commit_without_an_answer_is_found_although_the_next_batch_was_begun() {
    if !in_child("a_commit_without_an_answer_is_found_although_the_next_batch_was_begun", "commit.after=fail") {
        return;
    }
    let many = "create table item (id int primary key, at date);
      create index on item (at); insert into item select n, date '2020-01-01' + n from generate_series(1, 300) n";
    let (arena, _) = arena(many).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&order(100)).await.unwrap();
    let from = effect.next.cursor().cloned();
    let next = forgetd_connector::Order { from: from.clone(), ..order(100) };
    let receipt = arena.receipt("0", 1, from);
    let Commit::Unknown(_) = lane.commit_then(&receipt, &next).await else { panic!("the answer arrived") };
    assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Present);
    assert_eq!(lane.change(&next).await.unwrap().changed, effect.changed, "the lane goes on");
}

#[tokio::test]
async fn every_failure_before_the_commit_leaves_nothing() {
    let fault = "change.before=fail,change.after=fail@2,receipt.before=fail,commit.before=fail@1";
    if !in_child("every_failure_before_the_commit_leaves_nothing", fault) {
        return;
    }
    let (arena, _) = arena(THREE).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let receipt = arena.receipt("0", 1, None);
    let mut met = vec![];
    for _ in 0..10 {
        let failed = match lane.change(&order(3)).await {
            Err(fault) => fault.operation,
            Ok(effect) => match lane.commit(&receipt).await {
                Commit::Committed => {
                    assert_eq!(effect.changed, 3);
                    break;
                }
                Commit::Unknown(fault) => fault.operation,
                other => panic!("{other:?}"),
            },
        };
        met.push(failed);
        assert_eq!(arena.count("item").await, 3);
        assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Absent);
    }
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, ["change", "commit", "receipt"]);
    assert_eq!(arena.count("item").await, 0);
}

#[tokio::test]
async fn lost_answers_of_the_control_tables_are_asked_again() {
    let fault = "lease.acquire.after=fail@2,fence.raise.after=fail@2,run.open.after=fail,seal.after=fail,unseal.after=fail,\
                 run.close.after=fail";
    if !in_child("lost_answers_of_the_control_tables_are_asked_again", fault) {
        return;
    }
    let (arena, _) = arena(THREE).await;
    let control = arena.connector.control();
    let claim = LeaseClaim { holder: "second".into(), duration_ms: 60_000 };
    control.acquire(&claim, true).await.unwrap_err();
    let Acquired::Held { term } = control.acquire(&claim, false).await.unwrap() else { panic!("it is ours already") };
    control.raise_fence(term).await.unwrap_err();
    assert_eq!(control.raise_fence(term).await.unwrap(), FenceRaise::Raised);
    let stamp = |mut receipt: forgetd_connector::Receipt| {
        receipt.term = term;
        receipt
    };
    let mut row = RunRow {
        run: "01RUN".into(),
        rule: "conformance".into(),
        cutoff: "2024-12-31T23:00:00.123456Z".parse().unwrap(),
        rule_digest: "a".into(),
        catalog_digest: "b".into(),
        started_at: "2025-01-01T00:00:00Z".parse().unwrap(),
        result: None,
    };
    let opened = stamp(arena.receipt("-", 1, None));
    assert!(matches!(control.open(&row, &opened).await, Commit::Unknown(_)));
    assert_eq!(control.settle(&opened.key).await, Settled::Present);
    assert_eq!(control.unfinished().await.unwrap(), [row.clone()]);
    let sealed = stamp(arena.receipt("0", 1, None));
    assert!(matches!(control.seal(&sealed, &[], &Endless).await, Commit::Unknown(_)));
    assert_eq!(control.settle(&sealed.key).await, Settled::Present);
    assert!(matches!(control.unseal(&sealed).await, SealEnd::Failed(_)));
    assert_eq!(control.unseal(&sealed).await, SealEnd::Done);
    row.result = Some("{}".into());
    let closed = stamp(arena.receipt("-", 2, None));
    assert!(matches!(control.close(&row, &closed).await, Commit::Unknown(_)));
    assert_eq!(control.settle(&closed.key).await, Settled::Present);
    assert_eq!(control.last("conformance").await.unwrap(), Some(row));
}
