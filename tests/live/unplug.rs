//! Sessions ended, servers stopped, processes killed, rows written by strangers: a run recovers by itself or says what is
//! wrong, and never reports success over it.

use serde_json::Value;

use super::harness::{Database, Policy, Postgres, Program, Server, Session, Sqlite, every_engine};
use super::shop::{self, start_with_fault, until_frozen};

const DUE: u64 = 1_000;
const FRESH: u64 = 20;

/// One run, however often it was broken off: one id, one cutoff, and totals that are the sum of its batches.
#[track_caller]
fn one_run(program: &Program) {
    let (started, finished) = (program.entries("run.started"), program.entries("run.finished"));
    let same = |name: &str| started.iter().chain(&finished).all(|entry| entry[name] == started[0][name]);
    assert!(same("run") && same("cutoff"), "{started:#?}\n{finished:#?}");
    assert_eq!(finished.len(), 1, "{finished:#?}");
    let batches = program.entries("batch");
    let sum: u64 = batches.iter().map(|entry| entry["changed"].as_u64().unwrap()).sum();
    assert!(batches.iter().all(|entry| entry["run"] == started[0]["run"]));
    assert_eq!(finished[0]["changed"], sum, "the run's total is the sum of its batches");
    assert_eq!(finished[0]["batches"], batches.len());
    assert_eq!(sum, DUE);
}

#[test]
fn a_killed_run_is_resumed_with_its_id_and_cutoff() {
    every_engine(|database| {
        shop::create(database, DUE, FRESH);
        let program = Program::installed(&shop::policy(database, "1s"));
        for at in ["change.after=kill@3", "receipt.after=kill@2", "commit.after=kill@2"] {
            let killed = start_with_fault(&program, &["run", "--json", "--wait", "60s"], at).wait();
            assert_eq!(killed.code, -1, "{at}: {}", killed.stderr);
        }
        // Due since the first start only: the frozen cutoff leaves it for the next run.
        let report = program.call(&["run", "--json", "--wait", "60s"]).expect(0).lines()[0].clone();
        let all = (&report["due"], &report["changed"], &report["left"]);
        assert_eq!(all, (&DUE.into(), &DUE.into(), &0.into()), "{report}");
        assert_eq!(shop::rows(database), FRESH);
        one_run(&program);
    });
}

#[test]
fn a_run_whose_sessions_are_ended_recovers_by_itself() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "60s"));
    for at in ["change.before=stop@2", "change.after=stop@4", "receipt.before=stop@5", "commit.after=stop@6"] {
        let held = start_with_fault(&program, &["run", "--json"], at);
        until_frozen(&held);
        database.exec(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()",
        );
        held.signal("CONT");
        let done = held.wait().expect(0);
        assert_eq!(done.lines()[0]["verdict"], "clean", "{at}: {}", done.stdout);
        assert_eq!(shop::rows(&database), FRESH, "{at}");
        shop::add(&database, 1, DUE, 40);
    }
    program.run(0);
    assert_eq!(program.rows_in_evidence(), DUE * 5, "rows gone are rows in evidence");
}

#[test]
fn a_server_that_stops_under_a_run_ends_it_and_the_next_run_resumes() {
    let server = Server::new();
    server.start();
    let url = server.url();
    let session = Session::open(&url);
    session.exec("create table web_session (id bigint primary key, last_seen_at timestamp not null)");
    session.exec(&format!(
        "insert into web_session select n, timezone('utc', now()) - interval '40 days' from generate_series(1, {DUE}) n"
    ));
    session.exec("insert into web_session values (1000000, timezone('utc', now()))");
    drop(session);
    let policy = Policy::new(&url)
        .with("throttle: { batch_rows_max: 100 }")
        .top("coordination: { lease: 2s }")
        .rule(&shop::rule());
    let program = Program::installed(&policy);
    let held = start_with_fault(&program, &["run", "--json"], "change.after=stop@4");
    until_frozen(&held);
    server.stop();
    held.signal("CONT");
    let broken = held.wait();
    assert_ne!(broken.code, 0, "{}", broken.stdout);
    let away = program.call(&["run", "--json"]);
    assert_eq!(away.code, 69, "{}\n{}", away.stdout, away.stderr);

    server.start();
    let report = program.call(&["run", "--json", "--wait", "60s"]).expect(0).lines()[0].clone();
    assert_eq!((&report["verdict"], &report["changed"]), (&"clean".into(), &DUE.into()), "{report}");
    one_run(&program);
}

#[test]
fn a_receipt_that_somebody_changed_is_named_and_nothing_succeeds() {
    every_engine(|database| {
        let receipt = database.control_table("receipt");
        let strange = match database.engine() {
            "postgres" => "decode(repeat('7b', 32), 'hex')",
            "sqlite" => "zeroblob(32)",
            _ => "unhex(repeat('7b', 32))",
        };
        for column in ["mac", "body"] {
            shop::create(database, DUE, FRESH);
            let program = Program::installed(&shop::policy(database, "1s"));
            // The receipts of a killed run wait for the relay.
            let killed = start_with_fault(&program, &["run", "--json"], "commit.after=kill@3").wait();
            assert_eq!(killed.code, -1, "{}", killed.stderr);
            database.exec(&format!("update {receipt} set {column} = {strange} where lane = '0' and sequence = 2"));
            let before = shop::rows(database);
            let run = program.call(&["run", "--json", "--wait", "60s"]);
            assert!([1, 3, 4].contains(&run.code), "{column}: {}\n{}\n{}", run.code, run.stdout, run.stderr);
            let report = &run.lines()[0];
            assert_ne!(report["verdict"], "clean", "{report}");
            assert_eq!(report["cause"], "evidence", "{report}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains("web-sessions/0/2"), "the receipt is named: {said}");
            assert!(shop::rows(database) <= before);
            shop::drop_everything(database);
        }
    });
}

#[test]
fn nonsense_in_the_control_tables_is_no_success_and_no_panic() {
    let nonsense = [
        ("cursor", "update forgetd_cursor set position = '}{nonsense'"),
        ("term", "update forgetd_lease set term = 9223372036854775807, expires_at_ms = 0"),
        ("head", "update forgetd_log_head set size = 4000000000"),
        ("root", "update forgetd_log_head set root = zeroblob(32)"),
        ("objects", "update forgetd_log_object set bytes = x'ff'"),
        ("run", "update forgetd_run set cutoff = 'never', rule_digest = 'x' where result is null"),
    ];
    for (what, sql) in nonsense {
        let database = Sqlite::database();
        shop::create(&database, DUE, FRESH);
        let program = Program::installed(&shop::policy(&database, "1s"));
        program.run(0);
        shop::add(&database, 5_000, DUE, 40);
        let killed = start_with_fault(&program, &["run", "--json", "--wait", "60s"], "commit.after=kill@3").wait();
        assert_eq!(killed.code, -1, "{what}: {}", killed.stderr);
        database.exec(sql);
        let run = program.call(&["run", "--json", "--wait", "60s"]);
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
        // Either it was overcome, and then everything agrees, or it is said.
        if run.code == 0 {
            assert_eq!(shop::rows(&database), FRESH, "{what}");
            program.run(0);
            assert_eq!(program.rows_in_evidence(), 2 * DUE, "{what}");
        } else {
            assert!([1, 3, 4, 75].contains(&run.code), "{what}: {}\n{}\n{}", run.code, run.stdout, run.stderr);
            let verdicts: Vec<Value> = run.lines().iter().map(|line| line["verdict"].clone()).collect();
            assert!(!verdicts.contains(&"clean".into()), "{what}: {}", run.stdout);
        }
    }
}

#[test]
fn a_run_that_is_asked_to_stop_ends_at_a_batch_and_the_next_goes_on() {
    every_engine(|database| {
        shop::create(database, DUE, FRESH);
        let program = Program::installed(&shop::policy(database, "60s"));
        let held = start_with_fault(&program, &["run", "--json"], "commit.after=stop@3");
        until_frozen(&held);
        held.signal("TERM");
        held.signal("CONT");
        let stopped = held.wait().expect(3);
        assert_eq!(stopped.lines()[0]["cause"], "interrupted");
        let report = program.run(0);
        assert_eq!(report["changed"], DUE, "{report}");
        one_run(&program);
    });
}

/// An evidence log that takes nothing: what one run left waiting keeps the next one from beginning a batch, and all goes
/// on when the log does.
#[test]
fn receipts_that_wait_from_an_earlier_run_count_against_the_most_that_may() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s").evidence("receipts_pending_max: 2"));
    database.exec("create trigger full before insert on forgetd_log_leaf begin select raise(abort, 'disk full'); end");
    let first = program.run(3);
    let changed = first["changed"].as_u64().unwrap();
    assert!(first["cause"] == "evidence_backlog" && changed > 0 && changed <= 3 * shop::BATCH_ROWS, "{first}");
    let second = program.run(3);
    assert_eq!((&second["cause"], &second["changed"]), (&"evidence_backlog".into(), &0.into()), "{second}");
    database.exec("drop trigger full");
    program.policy(&shop::policy(&database, "5s"));
    assert_eq!(program.run(0)["verdict"], "clean");
    assert_eq!((shop::rows(&database), program.rows_in_evidence()), (FRESH, DUE));
}
