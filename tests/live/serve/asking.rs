//! What people type in any pod reaches the holder.

use super::{DUE, FRESH, LEASE, SELDOM, open_shop, serve, shops, status, until_held};
use crate::harness::{Database, Postgres, Program, Rule, every_engine, until};
use crate::shop;

#[test]
fn run_is_done_by_the_holder_and_answered_with_its_verdict() {
    every_engine(|database| {
        let program = open_shop(database, SELDOM);
        let process = serve(&program);
        until_held(&program);
        let answer = program.call(&["run", "--json"]).expect(0);
        let report = &answer.lines()[0];
        assert_eq!((&report["changed"], &report["left"]), (&DUE.into(), &0.into()), "{}", answer.stderr);
        assert_eq!(shop::rows(database), FRESH);
        // Asked once more there is nothing to do, and people read it in words.
        let again = program.call(&["run"]).expect(0);
        assert!(again.stdout.starts_with("web-sessions: clean  0 rows deleted"), "{}", again.stdout);
        assert_eq!(status(&program)["verdict"], "clean");
        process.signal("TERM");
        process.wait().expect(0);
        assert_eq!(program.rows_in_evidence(), DUE, "{}", database.engine());
    });
}

#[test]
fn a_paused_rule_rests_until_it_is_resumed() {
    every_engine(|database| {
        let program = open_shop(database, SELDOM);
        let process = serve(&program);
        until_held(&program);
        program.call(&["pause", "web-sessions", "--reason", "a migration"]).expect(0);
        assert_eq!(status(&program)["paused"]["reason"], "a migration");
        let refused = program.call(&["run", "--json"]).expect(4);
        assert_eq!(refused.lines()[0]["cause"], "paused", "{}", refused.stderr);
        assert_eq!(shop::rows(database), DUE + FRESH, "{}", database.engine());
        let resumed = program.call(&["resume"]).expect(0);
        assert_eq!(resumed.stdout, "web-sessions: resumed\n");
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), FRESH);
        process.signal("TERM");
        process.wait().expect(0);
    });
}

/// Nobody serves: the lease is taken for the moment, and `run` obeys what stands there.
#[test]
fn pausing_works_where_nobody_serves() {
    every_engine(|database| {
        let program = open_shop(database, SELDOM);
        program.call(&["pause"]).expect(0);
        assert_eq!(program.run(4)["cause"], "paused");
        assert_eq!(program.call(&["resume", "web-sessions"]).expect(0).stdout, "web-sessions: resumed\n");
        assert_eq!(program.run(0)["changed"], DUE);
        assert_eq!(shop::rows(database), FRESH, "{}", database.engine());
    });
}

#[test]
fn an_approval_reaches_the_holder() {
    every_engine(|database| {
        shop::create(database, DUE, 0);
        let rule = shop::rule().with(SELDOM);
        let program = Program::installed(&shop::ruled_by(database, LEASE, &rule));
        let process = serve(&program);
        until_held(&program);
        let blocked = program.call(&["run", "--json"]).expect(4);
        assert_eq!(blocked.lines()[0]["cause"], "whole_table_due", "{}", blocked.stderr);
        assert_eq!(status(&program)["blocked"]["cause"], "whole_table_due");
        program.approve("web-sessions");
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), 0, "{}", database.engine());
        assert!(status(&program)["blocked"].is_null());
        process.signal("TERM");
        process.wait().expect(0);
        assert_eq!(program.entries("approval").last().unwrap()["reason"], "a test");
    });
}

/// Two rules are asked for, and while the second one works something else is asked: it goes on, and the first one, which
/// has run, does not run again.
#[test]
fn a_rule_that_ran_does_not_run_again_because_another_one_was_interrupted() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    database.exec("create table lead (id bigint primary key, last_seen_at timestamp not null)");
    database.exec("insert into lead select * from web_session");
    shops::slow(&database, 0.8);
    let leads = Rule::delete("leads", "lead", "{ column: last_seen_at, zone: UTC }").with(SELDOM);
    let policy = shop::ruled_by(&database, LEASE, &leads).rule(&shop::rule().with(SELDOM));
    let program = Program::installed(&policy);
    let process = serve(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the second run is under way", 60, || shops::under_way(&database));
    assert_eq!(database.count("select count(*) from lead"), FRESH, "the first one has run");
    program.call(&["resume"]).expect(0);
    let answer = asked.wait().expect(0);
    let changed = |rule: &str| answer.lines().iter().find(|report| report["rule"] == rule).unwrap()["changed"].clone();
    assert_eq!((changed("leads"), changed("web-sessions")), (DUE.into(), DUE.into()), "{}", answer.stdout);
    process.signal("TERM");
    process.wait().expect(0);
    assert!(program.entries("run.started").iter().any(|entry| entry["resumed"] == true), "it was interrupted");
    assert!(program.entries("heartbeat").is_empty(), "nothing was looked at again");
}
