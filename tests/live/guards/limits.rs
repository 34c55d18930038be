//! Limits on what one run deletes.

use serde_json::json;

use super::{said_stopped, stopped};
use crate::harness::{Database, Program, every_engine};
use crate::shop::{self, start_with_fault};

fn guarded(database: &dyn Database, guard: &str) -> Program {
    let rule = shop::rule().with(&format!("guard: {{ {guard}, cool_off: none }}"));
    Program::installed(&shop::ruled_by(database, "5s", &rule))
}

/// Something stops it; a person looks; it goes on once.
#[track_caller]
fn once_approved(database: &dyn Database, program: &Program, cause: &str, due: u64) {
    program.approve("web-sessions");
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(due)), "{cause}: {report}");
    let approval = program.entries("approval").pop().unwrap();
    assert_eq!(approval["causes"], json!([cause]), "{approval}");
    shop::add(database, 100_000, due, 40);
    stopped(database, program, cause);
}

#[test]
fn limits_of_the_policy_stop_a_run_until_somebody_has_looked() {
    every_engine(|database| {
        for (guard, cause, text) in [
            ("rows_max: 99", "guard_rows_max", "100 rows are due, more than guard.rows_max 99"),
            ("share_max: 0.3", "guard_share_max", "100 of 300 rows are due, a share of 0.333"),
        ] {
            shop::create(database, 100, 200);
            let program = guarded(database, guard);
            let detail = stopped(database, &program, cause);
            assert!(detail.contains(text), "{detail}");
            program.call(&["plan"]).expect(4);
            once_approved(database, &program, cause, 100);
            shop::drop_everything(database);
        }
    });
}

#[test]
fn many_times_the_usual_stops_a_run() {
    every_engine(|database| {
        shop::create(database, 60, 500);
        let program = guarded(database, "times_usual: 3");
        for first in [10_000, 20_000] {
            assert_eq!(program.run(0)["verdict"], "clean", "usual, or the first");
            shop::add(database, first, 100, 40);
        }
        assert_eq!(program.run(0)["changed"], 100);
        shop::add(database, 30_000, 301, 40);
        let detail = stopped(database, &program, "guard_times_usual");
        assert_eq!(detail, "301 rows are due, more than 3 times the usual 100");
        once_approved(database, &program, "guard_times_usual", 301);
    });
}

#[test]
fn a_table_that_is_due_whole_is_left_alone() {
    every_engine(|database| {
        shop::create(database, 200, 0);
        let program = Program::installed(&shop::policy(database, "5s"));
        let detail = stopped(database, &program, "whole_table_due");
        assert_eq!(detail, "all 200 rows of the table are due");
        let plan = program.call(&["plan", "--json"]).expect(4).object();
        assert_eq!(plan["guards"][0]["cause"], "whole_table_due", "{plan}");
        once_approved(database, &program, "whole_table_due", 200);
    });
}

#[test]
fn an_approval_for_one_run_reaches_about_as_far_as_what_was_shown() {
    every_engine(|database| {
        shop::create(database, 200, 0);
        let program = Program::installed(&shop::policy(database, "5s"));
        program.approve("web-sessions");
        shop::add(database, 10_000, 121, 40);
        let detail = stopped(database, &program, "whole_table_due");
        assert!(detail.contains("it was given for 200 rows and covers at most 320"), "{detail}");
        program.approve("web-sessions");
        shop::add(database, 20_000, 100, 40);
        assert_eq!(program.run(0)["changed"], 421);
    });
}

/// Before the run is open an approval can get lost, never be used twice; once it is open, the run goes on by itself.
#[test]
fn a_crash_costs_an_approval_or_nothing() {
    every_engine(|database| {
        shop::create(database, 300, 0);
        let program = Program::installed(&shop::policy(database, "1s"));
        let killed = |fault: &str| {
            program.approve("web-sessions");
            let killed = start_with_fault(&program, &["run", "--json", "--wait", "60s"], fault).wait();
            assert_eq!(killed.code, -1, "{fault}: {}", killed.stderr);
            // The dead holder's lease runs out.
            program.call(&["run", "--json", "--wait", "60s"]).lines().remove(0)
        };
        said_stopped(&killed("run.open.before=kill@1"), "whole_table_due");
        assert_eq!(shop::rows(database), 300);
        let resumed = killed("commit.after=kill@1");
        assert_eq!((&resumed["verdict"], &resumed["changed"]), (&json!("clean"), &json!(300)), "{resumed}");
    });
}

#[test]
fn a_rule_that_only_looks_is_stopped_by_nothing() {
    every_engine(|database| {
        shop::create(database, 200, 0);
        let program = Program::installed(&shop::ruled_by(database, "5s", &shop::rule().with("mode: observe")));
        let report = program.run(0);
        assert_eq!((&report["cause"], &report["due"]), (&json!("observe"), &json!(200)), "{report}");
        let plan = program.call(&["plan", "--json"]).expect(0).object();
        let findings = plan["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["id"] == "whole_table_due"), "{plan}");
    });
}
