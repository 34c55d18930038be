//! Three nodes that all take writes: what is done on one of them goes on on another.

use crate::harness::{Database, Policy, Program, Servers};
use crate::shop::{self, start_with_fault, until_frozen};

const DUE: u64 = 1_000;
const FRESH: u64 = 20;

/// The policy of a database with sessions, by the URL of one of its nodes.
fn policy(url: &str) -> Policy {
    let lease = "coordination: { lease: 2s }";
    Policy::new(url).with("throttle: { batch_rows_max: 100 }").top(lease).rule(&shop::rule())
}

#[test]
fn a_node_that_dies_under_a_run_is_left_for_another() {
    let nodes = Servers::start("galera").unwrap();
    let database = nodes.database();
    shop::create(&database, DUE, FRESH);
    database.exec("set session wsrep_sync_wait = 15");
    let url = |node| nodes.url(node, &database.url());
    let program = Program::installed(&policy(&url(1)));
    let plan = program.call(&["plan", "--json"]).expect(0).object();
    assert_eq!(plan["due"], DUE, "{plan}");

    let held = start_with_fault(&program, &["run", "--json"], "change.before=stop@4");
    until_frozen(&held);
    nodes.kill(1);
    held.signal("CONT");
    let broken = held.wait();
    assert_ne!(broken.code, 0, "{}", broken.stdout);
    let away = program.call(&["run", "--json"]);
    assert_eq!(away.code, 69, "{}\n{}", away.stdout, away.stderr);

    program.policy(&policy(&url(2)));
    let report = program.call(&["run", "--json", "--wait", "60s"]).expect(0).lines()[0].clone();
    assert_eq!((&report["verdict"], &report["changed"]), (&"clean".into(), &DUE.into()), "{report}");
    assert_eq!((shop::rows(&database), program.rows_in_evidence()), (FRESH, DUE));
    let (started, finished) = (program.entries("run.started"), program.entries("run.finished"));
    assert_eq!((finished.len(), &finished[0]["run"]), (1, &started[0]["run"]), "one run");
    assert_eq!(finished[0]["changed"], DUE);
}
