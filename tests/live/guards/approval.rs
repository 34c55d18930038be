//! A rule acts only under a definition that somebody approved, that waited long enough, or that means no more rows.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{said_stopped, stopped};
use crate::harness::{Database, Policy, Process, Program, Rule, Sqlite, every_engine, until};
use crate::shop::{self, start_with_fault, until_frozen};

/// Sessions of 400, 40 and 20 days.
const OLD: u64 = 30;
const DUE: u64 = 200;
const FRESH: u64 = 50;

fn create(database: &dyn Database) {
    shop::create(database, DUE, FRESH);
    shop::add(database, 10_000, OLD, 400);
}

fn policy(database: &dyn Database, keep_for: &str, cool_off: &str) -> Policy {
    let rule = shop::rule().with(&format!("keep_for: {keep_for}"));
    shop::ruled_by(database, "5s", &rule.with(&format!("guard: {{ cool_off: {cool_off} }}")))
}

/// The approvals in the evidence: how, and of which causes.
fn approvals(program: &Program) -> Vec<(String, Value)> {
    let entries = program.entries("approval");
    entries.iter().map(|entry| (entry["how"].as_str().unwrap().to_owned(), entry["causes"].clone())).collect()
}

#[test]
fn a_shorter_period_deletes_nothing_before_somebody_approves_it() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "365d", "none"));
        assert_eq!(program.run(0)["changed"], OLD);
        program.policy(&policy(database, "36d", "24h"));

        let detail = stopped(database, &program, "cool_off");
        for part in ["keep_for: 365d -> 36d", "it waits until 2", "(cool_off 24h)", "`forgetd approve web-sessions`"] {
            assert!(detail.contains(part), "{part} in {detail}");
        }
        let insists = program.call(&["run", "--json", "--yes"]).expect(4);
        said_stopped(&insists.lines()[0], "cool_off");
        let plan = program.call(&["plan", "--json", "--detailed-exitcode"]).expect(2).object();
        assert_eq!((&plan["guards"][0]["cause"], &plan["due"]), (&json!("cool_off"), &json!(DUE)), "{plan}");
        let text = program.call(&["plan"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("nothing yet: the rule changed (keep_for: 365d -> 36d, guard.cool_off: none -> 24h)"),
            "{text}"
        );

        let mut approve = program.command(&["approve", "web-sessions", "--reason", "shorter by law"]);
        let shown = Process::spawn(approve.env("FORGETD_ACTOR", "ann")).wait().expect(0).stdout;
        for part in ["200 of 250 rows", "keep_for: 365d -> 36d", "from now on", "web-sessions: approved by ann"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert_eq!(shop::rows(database), DUE + FRESH, "approving deletes nothing");
        let report = program.run(0);
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(DUE)), "{report}");
        let approval = program.entries("approval").pop().unwrap();
        let started = program.entries("run.started").pop().unwrap();
        for (name, value) in [
            ("how", json!("approved")),
            ("causes", json!(["cool_off"])),
            ("who", json!("ann")),
            ("reason", json!("shorter by law")),
            ("authenticated", json!(false)),
            ("due", json!(DUE)),
            ("rule", json!("web-sessions")),
            ("rule_digest", started["rule_digest"].clone()),
        ] {
            assert_eq!(approval[name], value, "{name} of {approval}");
        }
        program.run(0);
        assert_eq!(approvals(&program).len(), 2, "it is approved for good: {:?}", approvals(&program));
    });
}

#[test]
fn a_rule_that_waited_long_enough_acts_by_itself() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "30d", "2s"));
        said_stopped(&program.run(4), "cool_off");
        until("the wait ends", 60, || program.call(&["run", "--json"]).code == 0);
        assert_eq!(shop::rows(database), FRESH);
        assert_eq!(approvals(&program), [("waited".into(), Value::Null)]);
    });
}

#[test]
fn what_can_only_mean_fewer_rows_acts_at_once_and_everything_else_waits() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "300d", "24h"));
        stopped(database, &program, "cool_off");
        program.approve("web-sessions");
        program.policy(&policy(database, "365d", "24h"));
        assert_eq!(program.run(0)["changed"], OLD, "longer than what is approved");
        program.policy(&policy(database, "365d", "30h"));
        program.run(0);
        let how: Vec<String> = approvals(&program).into_iter().map(|(how, _)| how).collect();
        assert_eq!(how, ["approved", "narrower", "narrower"]);
        program.policy(&policy(database, "300d", "24h"));
        stopped(database, &program, "cool_off");
        // Back to what is approved: it acts, and what waited waits anew if it comes back.
        program.policy(&policy(database, "365d", "30h"));
        assert_eq!(program.run(0)["verdict"], "clean");
    });
}

#[test]
fn a_rule_that_was_withdrawn_waits_anew() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "30d", "24h"));
        program.approve("web-sessions");
        let observing = shop::rule().with("mode: observe").with("guard: { cool_off: 24h }");
        program.policy(&shop::ruled_by(database, "5s", &observing));
        assert_eq!(program.run(0)["cause"], "observe");
        program.policy(&policy(database, "30d", "24h"));
        stopped(database, &program, "cool_off");
        program.approve("web-sessions");
        assert_eq!(program.run(0)["verdict"], "clean");
    });
}

#[test]
fn an_approved_rule_goes_on_while_another_one_waits() {
    every_engine(|database| {
        create(database);
        let guarded = |rule: Rule| rule.with("guard: { cool_off: 24h }");
        let other = Rule::delete("old-sessions", "web_session", "{ column: last_seen_at, zone: UTC }");
        let other = guarded(other.with("keep_for: 365d"));
        let program = Program::installed(&shop::ruled_by(database, "5s", &other));
        // Before any run.
        program.approve("old-sessions");
        program.policy(&shop::ruled_by(database, "5s", &other).rule(&guarded(shop::rule())));

        let reports = program.call(&["run", "--json"]).expect(4).lines();
        let ended = |name: &str| reports.iter().find(|report| report["rule"] == name).unwrap();
        assert_eq!((&ended("old-sessions")["verdict"], shop::rows(database)), (&json!("clean"), DUE + FRESH));
        said_stopped(ended("web-sessions"), "cool_off");

        // Without a name: every rule that something stops, and no other.
        program.call(&["approve"]).expect(0);
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), FRESH);
        let approved: Vec<Value> = program.entries("approval").iter().map(|entry| entry["rule"].clone()).collect();
        assert_eq!(approved, ["old-sessions", "web-sessions"]);
        let said = program.call(&["approve"]).expect(0).stdout;
        assert!(said.contains("there is nothing to approve"), "{said}");
    });
}

/// Deleting a lead deletes its calls: as many as the rule on calls lets go, so that rule must be approved as well.
#[test]
fn rows_go_along_only_under_an_approved_rule_of_their_own() {
    every_engine(|database| {
        database.exec("create table contact (id integer primary key, at integer not null)");
        database.exec(
            "create table talk (id integer primary key, at integer not null, \
             contact integer not null references contact (id) on delete cascade)",
        );
        database.exec("insert into contact values (1, 1000000000), (2, 1000000000), (3, 2000000000)");
        let now = match database.engine() {
            "postgres" => database.count("select extract(epoch from now())::int"),
            "sqlite" => database.count("select unixepoch()"),
            _ => database.count("select unix_timestamp()"),
        };
        let recently = now - 10 * 86_400;
        database.exec(&format!("insert into talk values (1, 1000000000, 1), (2, {recently}, 2), (3, {now}, 3)"));
        let rules = |calls: &str| {
            let rule = |name: &str, table: &str, keep_for: &str| {
                Rule::delete(name, table, "{ column: at, as: unix_s }")
                    .with(&format!("keep_for: {keep_for}"))
                    .with("guard: { cool_off: 24h }")
            };
            Policy::new(&database.url()).rule(&rule("calls", "talk", calls)).rule(&rule("leads", "contact", "300d"))
        };
        let program = Program::installed(&rules("30d"));
        program.call(&["approve"]).expect(0);
        program.policy(&rules("3d"));
        let report = program.call(&["run", "leads", "--json"]).expect(4).lines().remove(0);
        said_stopped(&report, "cool_off");
        let detail = report["detail"].as_str().unwrap();
        assert!(detail.starts_with("rows of rule calls would go along: the rule changed"), "{detail}");
        let said = program.approve("leads").stdout;
        assert!(said.contains("not this rule is what waits"), "{said}");
        assert_eq!(database.count("select count(*) from contact"), 3);
        program.approve("calls");
        program.call(&["run", "leads"]).expect(0);
        assert_eq!(database.rows("select id from talk"), [[Some("3".to_owned())]]);
    });
}

#[test]
fn an_approval_that_a_crash_kept_from_the_rulebook_approves_nothing() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "30d", "24h"));
        let killed = start_with_fault(&program, &["approve", "web-sessions"], "rulebook.keep.before=kill@1").wait();
        assert_eq!(killed.code, -1, "{}", killed.stderr);
        let report = program.call(&["run", "--json", "--wait", "60s"]).expect(4).lines().remove(0);
        said_stopped(&report, "cool_off");
        assert_eq!(approvals(&program).len(), 1, "it was said and not done");
        program.approve("web-sessions");
        assert_eq!(program.run(0)["changed"], OLD + DUE);
    });
}

#[test]
fn approving_needs_the_lease_and_waits_for_nobody() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "30d", "none"));
        let working = start_with_fault(&program, &["run", "--json"], "run.recheck.before=stop@1");
        until_frozen(&working);
        program.policy(&policy(database, "10d", "24h"));
        program.call(&["approve", "web-sessions"]).expect(75);
        working.signal("CONT");
        assert_eq!(working.wait().expect(0).lines()[0]["changed"], OLD + DUE);
        program.approve("web-sessions");
        assert_eq!(program.run(0)["changed"], FRESH);
    });
}

/// Answers a program that runs on a terminal of its own.
fn at_a_terminal(program: &Program, command: &str, answer: &str) -> i32 {
    let line =
        format!("{} {command} --config {}", env!("CARGO_BIN_EXE_forgetd"), program.path("forgetd.yaml").display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = script.spawn().unwrap();
    // What asks nothing may be gone before it is answered.
    drop(child.stdin.take().unwrap().write_all(format!("{answer}\n").as_bytes()));
    child.wait().unwrap().code().unwrap()
}

#[test]
fn on_a_terminal_somebody_is_asked_first() {
    let database = Sqlite::database();
    create(&database);
    let program = Program::installed(&policy(&database, "30d", "24h"));
    assert_eq!(at_a_terminal(&program, "approve web-sessions", "n"), 1);
    said_stopped(&program.run(4), "cool_off");
    assert_eq!(at_a_terminal(&program, "approve web-sessions", "y"), 0);
    assert_eq!(at_a_terminal(&program, "run", ""), 1);
    assert_eq!(shop::rows(&database), OLD + DUE + FRESH);
    assert_eq!(at_a_terminal(&program, "run --yes", "n"), 0);
    assert_eq!(shop::rows(&database), FRESH);
}

#[test]
fn what_nobody_can_approve_is_said() {
    every_engine(|database| {
        create(database);
        let program = Program::installed(&policy(database, "30d", "24h"));
        program.call(&["approve", "unheard-of"]).expect(64);
        program.policy(&shop::ruled_by(database, "5s", &shop::rule().with("mode: observe")));
        program.call(&["approve", "web-sessions"]).expect(0);
        program.policy(&shop::ruled_by(database, "5s", &shop::rule().with("table: web_sessions")));
        let said = program.call(&["approve"]).expect(4).stdout;
        assert!(said.contains("table_missing") && said.contains("no approval helps against this"), "{said}");
    });
}
