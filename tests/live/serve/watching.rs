//! What Prometheus, Kubernetes, people and auditors see of it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{DUE, FRESH, LEASE, SELDOM, Watched, open_shop, status, until_held};
use crate::harness::{Database, Policy, Postgres, Program, Sqlite, until};
use crate::shop;

#[test]
fn probes_metrics_page_and_log_tell_of_a_holder_and_its_follower() {
    let database = Postgres::database();
    let program = open_shop(&database, SELDOM);
    let holder = Watched::start(&program);
    until_held(&program);
    let follower = Watched::start(&program);
    until("the second one follows", 30, || follower.board()["role"]["follower"].is_object());
    for watched in [&holder, &follower] {
        for probe in ["/livez", "/readyz", "/startupz"] {
            assert_eq!(watched.get(probe, "*/*").0, 200, "{probe}");
        }
    }
    assert_eq!(holder.metric("forgetd_rule_last_clean_timestamp_seconds{"), Some(0.0), "it never ran");
    program.call(&["run"]).expect(0);
    let clean = holder.metric("forgetd_rule_last_clean_timestamp_seconds{").unwrap();
    assert!(clean > 1.7e9, "{clean}");
    assert_eq!(holder.metric("forgetd_rows_changed_total{"), Some(DUE as f64));
    assert_eq!(holder.metric("forgetd_holder "), Some(1.0));
    // From the first wave on.
    assert_eq!(holder.metric("forgetd_batches_total{database=\"main\",result=\"committed\"}"), Some(10.0));
    let entries = program.evidence().len() as f64;
    assert_eq!(holder.metric("forgetd_evidence_entries_total "), Some(entries));
    let checkpoint = holder.metric("forgetd_evidence_last_checkpoint_timestamp_seconds ").unwrap();
    assert!((checkpoint - clean).abs() < 60.0, "{checkpoint} {clean}");
    let open = |watched: &Watched| watched.metric("forgetd_database_connections{database=\"main\"}").unwrap();
    assert!((1.0..=2.0).contains(&open(&holder)), "between waves: {}", open(&holder));
    assert_eq!(open(&follower), 0.0);
    let info = holder.metrics().unwrap().lines().any(|line| line.contains("engine=\"postgresql\""));
    assert!(info, "the engine by its own word");
    for watched in [&holder, &follower] {
        promtool_has_nothing_to_say(&watched.metrics().unwrap());
    }
    assert_eq!((follower.metric("forgetd_holder "), follower.metric("forgetd_rows_changed_total{")), (Some(0.0), None));
    let board = holder.board();
    assert_eq!(board["rules"]["web-sessions"]["standing"]["last"]["verdict"], "clean", "{board}");
    assert_eq!(board["databases"]["main"]["up"], true);
    let page = holder.get("/status", "text/html").1;
    assert!(page.contains("web-sessions") && page.contains("clean"), "{page}");
    // An auditor needs nobody's configuration, and any process will do.
    let address = format!("http://127.0.0.1:{}/", follower.port);
    let outside = program.call(&["evidence", "verify", &address, "--json"]).expect(0);
    assert_eq!(outside.object()["entries"].as_u64(), Some(program.evidence().len() as u64), "{}", outside.stdout);
    assert_eq!(shop::rows(&database), FRESH);
    for watched in [holder, follower] {
        watched.process.signal("TERM");
        watched.process.wait().expect(0);
    }
}

/// Rows are counted while a run goes on, and once: by the process that changed them, whoever ends the run.
#[test]
fn rows_are_counted_with_each_batch_by_the_process_that_changed_them() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let policy = Policy::new(&database.url())
        .with("throttle: { batch_rows_max: 25, rows_per_second_max: 200 }")
        .top(&format!("coordination: {{ lease: {LEASE} }}"))
        .rule(&shop::rule().with(SELDOM));
    let program = Program::installed(&policy);
    let counted = |watched: &Watched| watched.metric("forgetd_rows_changed_total{").unwrap_or_default();
    let first = Watched::start(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("rows are counted", 60, || counted(&first) >= 100.0);
    assert_eq!(first.metric("forgetd_run_in_progress{"), Some(1.0));
    assert!(shop::rows(&database) > FRESH, "the run goes on");
    first.process.signal("KILL");
    drop(first.process.wait());
    // Nobody has to ask again.
    let second = Watched::start(&program);
    until("the run has ended", 60, || status(&program)["verdict"] == "clean");
    drop(asked);
    let last = status(&program);
    assert_eq!((&last["due"], &last["changed"]), (&DUE.into(), &DUE.into()), "{last}");
    let batches = program.entries("batch");
    let term = |entry: &serde_json::Value| entry["term"].as_u64().unwrap();
    let last = batches.iter().map(term).max().unwrap();
    let own: u64 = batches.iter().filter(|one| term(one) == last).map(|one| one["changed"].as_u64().unwrap()).sum();
    assert!(own < DUE, "{own}");
    assert_eq!(counted(&second), own as f64);
    second.end();
}

/// `./test` fetches it, and counts a skip where it cannot.
#[track_caller]
fn promtool_has_nothing_to_say(metrics: &str) {
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut tool) = tool.stderr(Stdio::piped()).spawn() else { return };
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// A rule that is blocked, and a database that is away: both are seen, with what to do about them.
#[test]
fn what_needs_a_person_is_seen() {
    let database = Sqlite::database();
    shop::create(&database, DUE, 0);
    let program = Program::installed(&shop::ruled_by(&database, super::LEASE, &shop::rule().with(SELDOM)));
    let watched = Watched::start(&program);
    until_held(&program);
    program.call(&["run"]).expect(4);
    let blocked = "forgetd_rule_blocked{cause=\"whole_table_due\",rule=\"web-sessions\"}";
    assert_eq!(watched.metric(blocked), Some(1.0), "{}", watched.get("/metrics", "*/*").1);
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("forgetd approve"), "{page}");
    program.approve("web-sessions");
    program.call(&["run"]).expect(0);
    assert_eq!(watched.metric(blocked), Some(0.0));
    watched.process.signal("TERM");
    watched.process.wait().expect(0);
}

/// A configuration that is refused is seen, and that the one before goes on, until it is mended.
#[test]
fn a_refused_configuration_is_seen() {
    let database = Sqlite::database();
    let program = open_shop(&database, SELDOM);
    let good = std::fs::read_to_string(program.path("forgetd.yaml")).unwrap();
    let watched = Watched::start(&program);
    until_held(&program);
    assert_eq!(watched.metric("forgetd_config_valid "), Some(1.0));
    program.write("forgetd.yaml", "version: 1\nrules: [");
    until("it is refused", 30, || watched.metric("forgetd_config_valid ") == Some(0.0));
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("the ones before go on") && page.contains("forgetd.yaml:2"), "{page}");
    let board = watched.board();
    assert!(!board["config"]["problems"].as_array().unwrap().is_empty(), "{board}");
    assert!(board["role"]["holder"].is_object(), "it acts on: {board}");
    program.write("forgetd.yaml", &good);
    until("it is mended", 30, || watched.metric("forgetd_config_valid ") == Some(1.0));
    watched.process.signal("TERM");
    watched.process.wait().expect(0);
}
