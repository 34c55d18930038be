//! Lost answers and kills, in processes of their own: fault points are armed by the environment.

use std::process::{Command, Stdio};

use forgetd_connector::{Commit, Endless, FaultClass, SealEnd, Settled};

use crate::fixture::{File, dated, ids, installed, order};

/// Set in the child: the name of the scene it plays.
const SCENE: &str = "FORGETD_TEST_SCENE";

const THREE: &str = "create table item (id integer primary key, at date);
  insert into item (at) values ('2024-01-01'), ('2024-01-02'), ('2024-01-03')";

/// Plays `test` again in a process of its own with a fault armed; true when it was the child that ran.
fn in_child(test: &str, fault: &str, killed: bool) -> bool {
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
    assert_eq!(status.success(), !killed, "{test} under {fault}: {status}");
    false
}

fn three() -> File {
    let file = File::new();
    file.open().execute_batch(THREE).unwrap();
    file
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_found() {
    if !in_child("a_commit_without_an_answer_is_unknown_and_found", "commit.after=fail", false) {
        return;
    }
    let file = three();
    let arena = installed(&file).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(2)).await.unwrap();
    let receipt = arena.receipt("0", 1, None);
    let Commit::Unknown(fault) = lane.commit(&receipt).await else { panic!("the answer arrived") };
    assert_eq!(fault.class, FaultClass::Disconnected);
    assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Present);
    assert_eq!(ids(&file, "item"), [3]);
    assert_eq!(lane.change(&order(2)).await.unwrap().changed, 1, "the lane goes on");
}

#[tokio::test]
async fn every_failure_before_the_commit_leaves_nothing() {
    let fault = "change.before=fail,change.after=fail@2,receipt.before=fail,receipt.after=fail@2,commit.before=fail";
    if !in_child("every_failure_before_the_commit_leaves_nothing", fault, false) {
        return;
    }
    let file = three();
    let arena = installed(&file).await;
    let step = dated(&arena, "item").await;
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
                Commit::RolledBack(fault) => fault.operation,
                other => panic!("{other:?}"),
            },
        };
        met.push(failed);
        assert_eq!(ids(&file, "item"), [1, 2, 3]);
        assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Absent);
    }
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, ["change", "commit", "receipt"], "{met:?}");
    assert_eq!(ids(&file, "item"), [0; 0]);
}

#[tokio::test]
async fn a_lost_answer_to_unseal_is_asked_again() {
    if !in_child(
        "a_lost_answer_to_unseal_is_asked_again",
        "seal.after=fail,unseal.after=fail,run.open.after=fail",
        false,
    ) {
        return;
    }
    let file = three();
    let arena = installed(&file).await;
    let control = arena.connector.control();
    let receipt = arena.receipt("0", 1, None);
    assert!(matches!(control.seal(&receipt, &[], &Endless).await, Commit::Unknown(_)));
    assert_eq!(control.settle(&receipt.key).await, Settled::Present);
    assert!(matches!(control.unseal(&receipt).await, SealEnd::Failed(_)));
    assert_eq!(control.unseal(&receipt).await, SealEnd::Done);
    assert_eq!(control.pending_count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_kill_in_the_open_transaction_leaves_the_file_as_it_was() {
    // The parent looks at the file; the child dies in it.
    let folder = std::env::var_os("FORGETD_TEST_FILE");
    if let Some(path) = folder {
        let connector = crate::fixture::connect(std::path::Path::new(&path), "conformance").await;
        let step_on = forgetd_testkit::Arena {
            database: Box::new(File::new()),
            generation: serde_generation(&*connector).await,
            connector,
            term: 1,
        };
        let step = dated(&step_on, "item").await;
        let mut lane = step_on.lane(&step).await;
        lane.change(&order(2)).await.unwrap();
        lane.commit(&step_on.receipt("0", 1, None)).await;
        unreachable!("killed before the commit");
    }
    for fault in ["change.after=kill", "receipt.after=kill", "commit.before=kill"] {
        let file = three();
        let arena = installed(&file).await;
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::a_kill_in_the_open_transaction_leaves_the_file_as_it_was", "--nocapture"])
            .env("FORGETD_TEST_FILE", file.path())
            .env("FORGETD_FAULT", fault)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{fault}");
        assert_eq!(ids(&file, "item"), [1, 2, 3], "{fault}");
        assert_eq!(arena.connector.control().settle(&arena.receipt("0", 1, None).key).await, Settled::Absent);
        let step = dated(&arena, "item").await;
        assert_eq!(arena.drain(&step, 2).await.changed, 3, "nothing is in the way of the next one");
    }
}

async fn serde_generation(connector: &dyn forgetd_connector::Connector) -> forgetd_connector::Generation {
    match connector.control().inspect().await.unwrap() {
        forgetd_connector::ControlState::Ready(generation) => generation,
        other => panic!("{other:?}"),
    }
}
