//! One acts; when it goes away, however, another one does.

use std::time::{Duration, Instant};

use super::{DUE, FRESH, SELDOM, open_shop, serve, until_held};
use crate::harness::{Database, Mysql, Postgres, Process, Product, Program, until};
use crate::shop;

/// Longer than a lease and its spread, and long enough for a busy machine.
const SOON: u64 = 30;

fn holder(program: &Program) -> String {
    let status = program.call(&["status"]).stdout;
    status.lines().next().unwrap_or_default().to_owned()
}

fn pid(process: &Process) -> String {
    format!("/{}/", process.pid())
}

/// Waits until the lease is in the hands of this process.
fn until_holds(program: &Program, process: &Process) {
    until("it holds the lease", SOON, || {
        let holder = holder(program);
        holder.contains(&pid(process)) && holder.contains(" acts")
    });
}

fn each(test: impl Fn(&dyn Database)) {
    test(&Postgres::database());
    for product in Product::there() {
        test(&Mysql::on(product));
    }
}

#[test]
fn a_holder_that_is_told_to_end_hands_over_at_once() {
    each(|database| {
        let program = open_shop(database, SELDOM);
        let first = serve(&program);
        until_held(&program);
        let second = serve(&program);
        let asked = Instant::now();
        first.signal("TERM");
        first.wait().expect(0);
        assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to end", asked.elapsed());
        until_holds(&program, &second);
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), FRESH, "{}", database.engine());
    });
}

#[test]
fn a_killed_holder_is_followed_and_its_run_goes_on() {
    each(|database| {
        let program = open_shop(database, SELDOM);
        let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
        let first = Process::spawn(command.env("FORGETD_FAULT", "receipt.before=kill@4"));
        until_held(&program);
        let second = serve(&program);
        let asked = program.start(&["run", "--json"]);
        until_holds(&program, &second);
        assert_eq!(first.wait().code, -1, "it was killed in the middle of its run");
        // The request is still there: the second process goes on with the run and answers.
        let answer = asked.wait().expect(0);
        assert_eq!(answer.lines()[0]["changed"], DUE, "{}", answer.stderr);
        assert_eq!((shop::rows(database), program.rows_in_evidence()), (FRESH, DUE), "{}", database.engine());
    });
}

/// Nothing is due for years, and nobody asks for anything.
#[test]
fn what_a_killed_run_left_is_in_the_log_before_anything_is_due() {
    each(|database| {
        let program = open_shop(database, SELDOM);
        let mut command = program.command(&["run"]);
        let killed = Process::spawn(command.env("FORGETD_FAULT", "commit.after=kill@3")).wait();
        assert_eq!(killed.code, -1, "it was killed in the middle of its run");
        let gone = DUE + FRESH - shop::rows(database);
        assert!(gone > program.rows_in_evidence(), "{}", database.engine());
        let _process = serve(&program);
        until("every row that is gone is in the log", SOON, || program.rows_in_evidence() == gone);
        assert_eq!(shop::rows(database), DUE + FRESH - gone, "{}", database.engine());
    });
}

/// Frozen inside an open transaction, three leases long; when it wakes it is nobody any more.
#[test]
fn a_frozen_holder_is_passed_and_follows_when_it_wakes() {
    each(|database| {
        let program = open_shop(database, SELDOM);
        let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
        let first = Process::spawn(command.env("FORGETD_FAULT", "change.after=stop@4"));
        until_held(&program);
        let second = serve(&program);
        let asked = program.start(&["run", "--json"]);
        shop::until_frozen(&first);
        until_holds(&program, &second);
        asked.wait().expect(0);
        assert_eq!((shop::rows(database), program.rows_in_evidence()), (FRESH, DUE), "{}", database.engine());
        first.signal("CONT");
        // It is fenced, and looks at the lease again: the second one still has it.
        shop::add(database, DUE + FRESH + 1, 10, 40);
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), FRESH);
        second.signal("TERM");
        second.wait().expect(0);
        until_holds(&program, &first);
        first.signal("TERM");
        let ended = first.wait().expect(0);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(program.rows_in_evidence(), DUE + 10);
    });
}
