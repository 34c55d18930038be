//! Clocks that are wrong: nothing is deleted by them.

use serde_json::{Value, json};

use super::said_stopped;
use crate::harness::{Clock, Output, Policy, Postgres, Process, Program, Server, Session, Sqlite};
use crate::shop;

/// Rows last seen 40 days and 20 days ago.
const DUE: u64 = 100;
const FRESH: u64 = 50;

/// Ten years ahead.
const AHEAD: Clock = Clock::Off("+3652d");

fn call(program: &Program, clock: &Clock, args: &[&str]) -> Output {
    Process::spawn(clock.set(&mut program.command(args))).wait()
}

fn run(program: &Program, clock: &Clock, code: i32) -> Value {
    call(program, clock, &["run", "--json", "--wait", "60s"]).expect(code).lines().remove(0)
}

/// A server whose clock, like the program's, can be set; and its sessions.
struct Shop {
    server: Server,
    program: Program,
}

impl Shop {
    fn new() -> Self {
        let server = Server::new();
        server.start();
        drop(shop::create_on(&server, DUE, FRESH));
        let policy = Policy::new(&server.url()).top("coordination: { lease: 2s }").rule(&shop::rule());
        let program = Program::installed(&policy);
        Self { server, program }
    }

    fn restart(&self, clock: &Clock) {
        self.server.stop();
        self.server.start_at(clock);
    }

    fn rows(&self) -> String {
        Session::open(&self.server.url()).rows("select count(*) from web_session")[0][0].clone().unwrap()
    }
}

/// Every clock is ten years ahead, so nothing but the last run can tell.
#[test]
fn a_cutoff_that_jumps_ten_years_stops_the_run() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    assert_eq!(run(&program, &Clock::Right, 0)["changed"], DUE);
    let report = run(&program, &AHEAD, 4);
    said_stopped(&report, "cutoff_jump");
    let detail = report["detail"].as_str().unwrap();
    assert!(
        detail.contains("days later") && detail.contains("more than 7;") && detail.contains("also whole_table_due"),
        "{detail}"
    );
    assert_eq!(shop::rows(&database), FRESH);
    assert_eq!(run(&program, &Clock::Right, 0)["verdict"], "clean", "with the clock set right it goes on by itself");

    let shop = Shop::new();
    assert_eq!(run(&shop.program, &Clock::Right, 0)["changed"], DUE);
    shop.restart(&AHEAD);
    said_stopped(&run(&shop.program, &AHEAD, 4), "cutoff_jump");
    assert_eq!(shop.rows(), FRESH.to_string());
}

/// No run before it, so the table itself has to tell.
#[test]
fn a_first_run_under_a_wrong_clock_finds_the_whole_table_due_and_stops() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    said_stopped(&run(&program, &AHEAD, 4), "whole_table_due");
    assert_eq!(shop::rows(&database), DUE + FRESH);

    let shop = Shop::new();
    shop.restart(&AHEAD);
    said_stopped(&run(&shop.program, &AHEAD, 4), "whole_table_due");
    assert_eq!(shop.rows(), (DUE + FRESH).to_string());
}

#[test]
fn a_server_whose_clock_is_not_ours_is_named_and_left_alone_if_it_is_far_off() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    for far in [Clock::Off("+2h"), Clock::Off("-2h")] {
        let check = call(&program, &far, &["check", "--connect", "--json"]).expect(4).object();
        assert!(found(&check, "error"), "{check}");
        said_stopped(&run(&program, &far, 4), "clock_skew");
        let approve = call(&program, &far, &["approve", "web-sessions"]).expect(4).stdout;
        assert!(approve.contains("clock_skew"), "{approve}");
        assert_eq!(shop::rows(&database), DUE + FRESH);
    }
    let near = Clock::Off("+5m");
    let check = call(&program, &near, &["check", "--connect", "--json"]).expect(0).object();
    assert!(found(&check, "warning"), "{check}");
    let output = call(&program, &near, &["run", "--json"]).expect(0);
    assert!(output.stderr.contains("clock_skew"), "{}", output.stderr);
    assert_eq!(output.lines()[0]["changed"], json!(DUE));
}

fn found(check: &Value, severity: &str) -> bool {
    let findings = check["findings"].as_array().unwrap();
    findings.iter().any(|finding| finding["id"] == "clock_skew" && finding["severity"] == severity)
}
