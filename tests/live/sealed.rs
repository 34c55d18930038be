//! The sealed lane: control tables in another database. Nothing changes that was not announced, and what a crash or a
//! freeze leaves open is brought to its end by the next holder.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::harness::{Database, Output, Postgres, Process, Program, Rule, Sqlite};
use super::shop::{self, start_with_fault, until_frozen};
use super::two_at_once::ended_fenced;

const DUE: u64 = 500;
const FRESH: u64 = 50;

const LEASE: &str = "2s";
const THREE_LEASES: Duration = Duration::from_secs(6);

/// Runs a test with data and control tables on every engine.
fn every_pair(test: impl Fn(&dyn Database, &dyn Database)) {
    test(&Sqlite::database(), &Sqlite::database());
    test(&Postgres::database(), &Postgres::database());
    test(&Postgres::database(), &Sqlite::database());
}

fn start(database: &dyn Database, control: &dyn Database) -> Program {
    shop::create(database, DUE, FRESH);
    Program::installed(&shop::sealed_policy(database, control, LEASE, &shop::rule()))
}

/// The same policy with a period that keeps every session.
fn keep_all(program: &Program, database: &dyn Database, control: &dyn Database) {
    let rule = shop::rule().with("keep_for: 300d");
    program.policy(&shop::sealed_policy(database, control, LEASE, &rule));
}

fn freeze(program: &Program, fault: &str) -> Process {
    let holder = start_with_fault(program, &["run", "--json"], fault);
    until_frozen(&holder);
    holder
}

#[test]
fn a_run_announces_what_it_changes_and_says_what_became_of_it() {
    every_pair(|database, control| {
        let program = start(database, control);
        let report = program.run(0);
        assert_eq!((&report["changed"], &report["left"]), (&DUE.into(), &0.into()), "{report}");
        assert_eq!(shop::rows(database), FRESH);
        let batches = program.entries("batch");
        assert_eq!(batches.len() as u64, DUE / shop::BATCH_ROWS);
        for batch in &batches {
            assert_eq!(batch["atomicity"], "sealed");
            assert_eq!(batch["database"], "crm");
            let counts = serde_json::json!({ "sealed": 100, "gone": 100, "kept": 0, "adopted": false });
            assert_eq!((&batch["changed"], &batch["sealed"]), (&100.into(), &counts));
        }
        assert_eq!(program.run(0)["changed"], 0, "a second run changes nothing");
        within_bounds(database, &program);
    });
}

#[test]
fn a_kill_between_any_two_steps_loses_nothing_and_needs_nobody() {
    let faults =
        ["pick.after", "seal.before", "seal.after", "finish.before", "finish.after", "unseal.before", "unseal.after"];
    for fault in faults {
        let (database, control) = (Postgres::database(), Postgres::database());
        let program = start(&database, &control);
        let killed = start_with_fault(&program, &["run", "--json"], &format!("{fault}=kill@3")).wait();
        assert_eq!(killed.code, -1, "{fault}: {}", killed.stderr);
        let resumed = program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        assert_eq!(resumed.lines()[0]["left"], 0, "{fault}");
        assert_eq!(shop::rows(&database), FRESH, "{fault}");
        let sealed: u64 = program.entries("batch").iter().map(|entry| number(&entry["sealed"]["gone"])).sum();
        assert_eq!(sealed, DUE, "{fault}: every row stands in one announcement");
        within_bounds(&database, &program);
    }
}

#[test]
fn a_lost_answer_is_found_out() {
    let faults = ["seal.before", "seal.after", "finish.before", "finish.after", "unseal.before", "unseal.after"];
    for fault in faults {
        let (database, control) = (Sqlite::database(), Sqlite::database());
        let program = start(&database, &control);
        let run = start_with_fault(&program, &["run", "--json"], &format!("{fault}=fail@2")).wait().expect(0);
        assert_eq!(run.lines()[0]["left"], 0, "{fault}");
        assert_eq!(shop::rows(&database), FRESH, "{fault}");
        within_bounds(&database, &program);
    }
}

#[test]
fn a_seal_of_before_the_takeover_loses_and_nothing_goes_that_the_new_policy_keeps() {
    every_pair(|database, control| {
        let program = start(database, control);
        let stale = freeze(&program, "seal.before=stop@2");
        assert_eq!(shop::rows(database), DUE + FRESH - shop::BATCH_ROWS);
        keep_all(&program, database, control);
        let successor = program.start(&["run", "--json", "--wait", "60s"]);
        assert_eq!(successor.wait().expect(0).lines()[0]["changed"], 0, "nothing is due any more");

        stale.signal("CONT");
        ended_fenced(&stale.wait());
        assert_eq!(shop::rows(database), DUE + FRESH - shop::BATCH_ROWS, "what the new policy keeps is there");
        assert!(!program.entries("takeover").is_empty(), "the lane was closed against the old holder");
        within_bounds(database, &program);
    });
}

#[test]
fn a_holder_frozen_behind_its_seal_sends_nothing_when_it_wakes() {
    every_pair(|database, control| {
        let program = start(database, control);
        let stale = freeze(&program, "finish.before=stop@2");
        keep_all(&program, database, control);
        let successor = program.start(&["run", "--json", "--wait", "60s"]);
        successor.wait().expect(0);
        let kept = DUE + FRESH - shop::BATCH_ROWS;
        assert_eq!(shop::rows(database), kept, "the successor only looked: its policy keeps the announced rows");

        stale.signal("CONT");
        ended_fenced(&stale.wait());
        program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        assert_eq!(shop::rows(database), kept, "its lease was over when it woke");
        assert_eq!(program.entries("late").len(), 0);
        within_bounds(database, &program);
    });
}

#[test]
fn a_holder_frozen_behind_its_change_says_late_what_it_did() {
    every_pair(|database, control| {
        let program = start(database, control);
        let stale = freeze(&program, "finish.after=stop@2");
        let rest = DUE + FRESH - 2 * shop::BATCH_ROWS;
        assert_eq!(shop::rows(database), rest);
        keep_all(&program, database, control);
        let successor = program.start(&["run", "--json", "--wait", "60s"]);
        successor.wait().expect(0);

        stale.signal("CONT");
        ended_fenced(&stale.wait());
        assert_eq!(shop::rows(database), rest, "nothing went twice");
        // The late entry becomes a leaf with the next run.
        program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        let late = program.entries("late");
        assert_eq!(late.len(), 1, "{late:?}");
        assert_eq!(late[0]["changed"], shop::BATCH_ROWS);
        within_bounds(database, &program);
    });
}

#[test]
fn an_announced_batch_is_repeated_by_a_successor_with_the_same_policy() {
    every_pair(|database, control| {
        let program = start(database, control);
        let stale = freeze(&program, "finish.before=stop@2");
        let successor = program.start(&["run", "--json", "--wait", "60s"]);
        assert_eq!(successor.wait().expect(0).lines()[0]["left"], 0);
        assert_eq!(shop::rows(database), FRESH);
        stale.signal("CONT");
        ended_fenced(&stale.wait());
        program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        assert_eq!(shop::rows(database), FRESH, "nothing else went");
        let adopted = program.entries("batch").iter().filter(|entry| entry["sealed"]["adopted"] == true).count();
        assert_eq!(adopted, 1);
        within_bounds(database, &program);
    });
}

#[test]
fn rows_that_the_application_renewed_behind_the_seal_are_kept() {
    every_pair(|database, control| {
        let program = start(database, control);
        let holder = freeze(&program, "seal.after=stop@1");
        let seen = match database.engine() {
            "postgres" => "timezone('utc', now())",
            _ => "datetime('now')",
        };
        database.exec(&format!("update web_session set last_seen_at = {seen} where id <= 10"));
        sleep(THREE_LEASES);
        holder.signal("CONT");
        holder.wait();
        let done = program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        assert_eq!(done.lines()[0]["left"], 0);
        assert_eq!(shop::rows(database), FRESH + 10, "the ten renewed sessions are kept");
        within_bounds(database, &program);
    });
}

#[test]
fn a_seal_of_a_rule_that_left_the_policy_is_closed_and_its_keys_go() {
    every_pair(|database, control| {
        let program = start(database, control);
        let holder = freeze(&program, "finish.before=stop@2");
        holder.signal("KILL");
        drop(holder.wait());
        let other = Rule::delete("others", "web_session", "{ column: last_seen_at, zone: UTC }").with("keep_for: 300d");
        program.policy(&shop::sealed_policy(database, control, LEASE, &other));
        program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        assert_eq!(shop::rows(database), DUE + FRESH - shop::BATCH_ROWS, "an unknown rule's seal is not applied");
        let open = format!("select count(*) from {} where state = 'sealed'", receipts(control));
        assert_eq!(control.count(&open), 0);
        within_bounds(database, &program);
    });
}

/// The seal stands open when the run gives up; its run goes on with it, so that evidence stays complete.
#[test]
fn a_lock_that_outlasts_all_tries_leaves_the_run_open_and_its_evidence_complete() {
    fn locked(database: &dyn Database, control: &dyn Database, lock: impl FnOnce(), unlock: impl FnOnce()) {
        let program = start(database, control);
        let holder = freeze(&program, "seal.after=stop@2");
        lock();
        holder.signal("CONT");
        let report = holder.wait().expect(3).lines().remove(0);
        assert_eq!((&report["verdict"], &report["cause"]), (&"partial".into(), &"locked".into()), "{report}");
        let open = format!("select count(*) from {} where state = 'sealed'", receipts(control));
        assert_eq!(control.count(&open), 1);
        unlock();
        assert_eq!(program.run(0)["left"], 0);
        assert_eq!(shop::rows(database), FRESH);
        within_bounds(database, &program);
    }
    let (database, control) = (Sqlite::database(), Sqlite::database());
    let writer = database.session();
    let lock = || writer.execute_batch("begin immediate").unwrap();
    locked(&database, &control, lock, || writer.execute_batch("rollback").unwrap());
    let (database, control) = (Postgres::database(), Postgres::database());
    let migration = database.session();
    let lock = || migration.exec("begin; lock table web_session in share mode");
    locked(&database, &control, lock, || migration.exec("rollback"));
}

/// A policy with a second rule on a table of its own, in which two rows are due.
fn with_leads(database: &dyn Database, control: &dyn Database) -> Program {
    database.exec("create table lead (id integer primary key, since bigint not null)");
    database.exec("insert into lead values (1, 1000000000), (2, 1000000000), (3, 9000000000)");
    let leads = Rule::delete("leads", "lead", "{ column: since, as: unix_s }").with("database: crm");
    shop::create(database, DUE, FRESH);
    Program::installed(&shop::sealed_policy(database, control, LEASE, &shop::rule()).rule(&leads))
}

/// What became of each rule, by its name.
fn ends(output: &Output) -> Vec<(String, String, u64)> {
    let end = |report: &Value| {
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        (text("rule"), format!("{} {}", text("verdict"), text("cause")), number(&report["changed"]))
    };
    output.lines().iter().map(end).collect()
}

/// The change is taken back, whoever repeats it: its seal is closed, and the other rules act.
#[test]
fn a_change_that_is_forbidden_stops_its_own_rule_alone() {
    every_pair(|database, control| {
        let program = with_leads(database, control);
        database.exec("create table note (id integer primary key); insert into note values (1)");
        database.exec(match database.engine() {
            "postgres" => {
                "create function more() returns trigger language plpgsql as
                   $$ begin delete from note where id = old.id; return null; end $$;
                 create trigger more after delete on web_session for each row execute function more()"
            }
            _ => "create trigger more after delete on web_session begin delete from note where id = old.id; end",
        });
        for leads in [2, 0] {
            let output = program.call(&["run", "--json"]).expect(4);
            let expected = [
                ("leads".to_owned(), "clean ".to_owned(), leads),
                ("web-sessions".to_owned(), "blocked effect_differs".to_owned(), 0),
            ];
            assert_eq!(ends(&output), expected);
            let open = format!("select count(*) from {} where state = 'sealed'", receipts(control));
            assert_eq!(control.count(&open), 0);
        }
        assert_eq!((shop::rows(database), database.count("select count(*) from note")), (DUE + FRESH, 1));
        let finished = program.entries("run.finished");
        let blocked = finished.iter().filter(|entry| entry["cause"] == "effect_differs");
        assert_eq!(blocked.count(), 2, "every run is closed: {finished:?}");

        database.exec(if database.engine() == "postgres" {
            "drop trigger more on web_session"
        } else {
            "drop trigger more"
        });
        assert_eq!(ends(&program.call(&["run", "--json"]).expect(0))[1].2, DUE);
    });
}

/// A seal whose rows cannot be looked at waits for them; the other rules do not.
#[test]
fn a_seal_that_stays_open_stops_its_own_rule_alone() {
    let (database, control) = (Postgres::database(), Postgres::database());
    let program = with_leads(&database, &control);
    let killed = start_with_fault(&program, &["run", "web-sessions", "--json"], "seal.after=kill@2").wait();
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let migration = database.session();
    migration.exec("begin; lock table web_session in access exclusive mode");
    let output = program.call(&["run", "--json", "--wait", "60s"]).expect(3);
    let expected =
        [("leads".to_owned(), "clean ".to_owned(), 2), ("web-sessions".to_owned(), "partial locked".to_owned(), 0)];
    assert_eq!(ends(&output), expected);
    migration.exec("rollback");
    program.call(&["run", "--json"]).expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    assert_eq!(program.rows_in_evidence(), DUE + 2);
}

fn receipts(control: &dyn Database) -> &'static str {
    if control.engine() == "postgres" { "forgetd.receipt" } else { "forgetd_receipt" }
}

/// What evidence confirms is at most what went, and what went is at most what it allows for.
#[track_caller]
fn within_bounds(database: &dyn Database, program: &Program) {
    let (batches, late) = (program.entries("batch"), program.entries("late"));
    let sum = |entries: &[Value], of: &dyn Fn(&Value) -> u64| entries.iter().map(of).sum::<u64>();
    let late = sum(&late, &|entry| number(&entry["changed"]));
    let confirmed = sum(&batches, &|entry| number(&entry["changed"])) + late;
    let gone = sum(&batches, &|entry| number(&entry["sealed"]["gone"])) + late;
    let truth = DUE + FRESH - shop::rows(database);
    assert!(confirmed <= truth && truth <= gone, "confirmed {confirmed}, gone in truth {truth}, at most {gone}");
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}
