//! Time that jumps, and a database that goes back in it, under a daemon: nothing goes, and it says why.

use serde_json::Value;

use super::{SELDOM, Watched, until_held};
use crate::harness::{
    Clock, Database, Output, Policy, Postgres, Process, Program, Server, Session, Sqlite, tell, until,
};
use crate::{restore, shop};

const DUE: u64 = 100;
const FRESH: u64 = 50;

/// Ten years.
const DECADE: &str = "+3652d";

fn run(program: &Program, clock: &Clock) -> Output {
    Process::spawn(clock.set(&mut program.command(&["run", "--json"]))).wait()
}

fn cause(output: &Output) -> Value {
    output.lines().remove(0)["cause"].take()
}

fn blocked(cause: &str) -> String {
    format!("forgetd_rule_blocked{{cause=\"{cause}\",rule=\"web-sessions\"}}")
}

/// The server and every process ten years ahead: nobody is there who knows better but the last run.
#[test]
fn ten_years_ahead_no_row_goes() {
    let server = Server::new();
    server.start();
    drop(shop::create_on(&server, DUE, FRESH));
    let policy =
        Policy::new(&server.url()).top("coordination: { lease: 3s }").rule(&shop::rule().with("schedule: \"@daily\""));
    let program = Program::installed(&policy);
    let time = program.path("time");
    let clock = Clock::told_by(time.clone());
    let watched = Watched::start_at(&program, &clock);
    until_held(&program);
    assert_eq!(run(&program, &clock).expect(0).lines()[0]["changed"], DUE);
    server.stop();
    tell(&time, DECADE);
    server.start_at(&Clock::Off(DECADE));
    until_held(&program);
    let stopped = run(&program, &clock).expect(4);
    assert_eq!(cause(&stopped), "cutoff_jump", "{}", stopped.stderr);
    assert_eq!(watched.metric(&blocked("cutoff_jump")), Some(1.0));
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("cutoff_jump") && page.contains("<code>forgetd approve web-sessions</code>"), "{page}");
    let rows = Session::open(&server.url()).rows("select count(*) from web_session");
    assert_eq!(rows, [[Some(FRESH.to_string())]], "zero rows");
    watched.end();
}

/// An older state put back while the daemon serves: it stops, says what to type, and goes on when that was typed.
fn put_back(database: &dyn Database, backup: impl FnOnce() -> Box<dyn FnOnce()>) {
    shop::create(database, DUE, FRESH);
    let program = Program::installed(&shop::ruled_by(database, "60s", &shop::rule().with(SELDOM)));
    let watched = Watched::start(&program);
    until_held(&program);
    program.call(&["run"]).expect(0);
    let put_back = backup();
    shop::add(database, 10_000, 200, 40);
    program.call(&["run"]).expect(0);
    put_back();
    shop::add(database, 20_000, 70, 40);
    let before = shop::rows(database);
    for _ in 0..2 {
        let stopped = run(&program, &Clock::Right).expect(4);
        assert_eq!(cause(&stopped), "restored", "{}", stopped.stderr);
        assert_eq!(watched.metric(&blocked("restored")), Some(1.0), "{}", database.engine());
        assert_eq!(watched.metric("forgetd_evidence_verify_ok "), Some(0.0));
        assert_eq!(shop::rows(database), before, "zero rows");
    }
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("forgetd approve --restored"), "{page}");
    program.call(&["approve", "--restored", "--reason", "the dump of last night"]).expect(0);
    program.call(&["run"]).expect(0);
    assert_eq!(shop::rows(database), FRESH, "{}", database.engine());
    assert_eq!(watched.metric(&blocked("restored")), Some(0.0));
    assert_eq!(watched.metric("forgetd_evidence_verify_ok "), Some(1.0));
    watched.end();
    assert!(program.entries("recovery").iter().any(|entry| entry["reason"] == "the dump of last night"));
}

#[test]
fn an_older_file_put_back_under_the_daemon_is_noticed() {
    let database = Sqlite::database();
    put_back(&database, || restore::file_backup(&database));
}

/// An older file is put back: `away`, for so long that the lease is over, which what the process remembers outlives; or
/// under it.
fn put_back_under_a_short_lease(backup: fn(&Sqlite) -> Box<dyn FnOnce()>, away: bool) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::ruled_by(&database, "2s", &shop::rule().with(SELDOM)));
    let watched = Watched::start(&program);
    until_held(&program);
    program.call(&["run"]).expect(0);
    let put_back = backup(&database);
    shop::add(&database, 10_000, 200, 40);
    program.call(&["run"]).expect(0);
    let (acts, term) = (|| watched.metric("forgetd_holder"), || watched.metric("forgetd_lease_term"));
    let before = term();
    if away {
        std::fs::rename(database.path(), database.path().with_extension("away")).unwrap();
        until("the lease is over", 60, || acts() == Some(0.0));
    }
    put_back();
    until("it acts again", 60, || acts() == Some(1.0) && (!away || term() > before));
    shop::add(&database, 20_000, 70, 40);
    let before = shop::rows(&database);
    let stopped = run(&program, &Clock::Right).expect(4);
    assert_eq!(cause(&stopped), "restored", "{}", stopped.stderr);
    assert_eq!(shop::rows(&database), before, "zero rows");
    watched.end();
}

#[test]
fn an_older_file_put_back_when_the_lease_is_over_is_noticed() {
    put_back_under_a_short_lease(restore::file_backup, true);
}

#[test]
fn an_older_file_copied_over_the_open_one_is_noticed() {
    put_back_under_a_short_lease(restore::copied_over, false);
}

#[test]
fn an_older_dump_put_back_under_the_daemon_is_noticed() {
    let database = Postgres::database();
    put_back(&database, || restore::dump(&database));
}
