use forgetd_connector::{Cause, Count, Finding, Measure, Statements};

use super::{Args, RulePlan, exit_code, text};
use crate::{cli::report::WIDTH, guard, plan::testing::rule, rules::Mode};

fn planned(due: Count, total: Count) -> RulePlan {
    let statements = Statements {
        predicate: "\"closed_at\" < $1 and \"status\" = $2".into(),
        walk: "since".into(),
        peek: "select \"closed_at\" from \"public\".\"lead\" where \"closed_at\" < $1 order by \"closed_at\" limit 1"
            .into(),
        change: "delete from \"public\".\"lead\"\nwhere \"closed_at\" < $1".into(),
        count: "select count(*) from \"public\".\"lead\" where \"closed_at\" < $1".into(),
    };
    let oldest = "2025-01-01T00:00:00Z".parse().ok();
    RulePlan {
        rule: rule("leads", "lead"),
        batch_rows_max: 1000,
        cutoff: "2026-05-31T12:00:00Z".parse().ok(),
        measure: Some(Measure { due, oldest, total }),
        statements: Some(statements),
        guard: None,
        findings: vec![],
        unreachable: false,
        blind: false,
    }
}

const ARGS: Args = Args { rule: None, json: false, exact: false, detailed_exitcode: true };

#[test]
fn a_plan_reads_well_within_the_width() {
    let mut plan = planned(Count::Exact(12_345), Count::Exact(100_000));
    plan.findings.push(Finding::blocks(Cause::NoKey, "crm.lead", "a ".repeat(90)));
    let shown = text(&[plan.clone(), plan]);
    assert!(shown.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{shown}");
    let plan = planned(Count::Exact(12_345), Count::Exact(100_000));
    let shown = text(&[plan]);
    for part in [
        "leads: delete from crm.lead (enforce)",
        "due        12,345 of 100,000 rows (12.3%), the oldest of 2025-01-01T00:00:00Z",
        "would      delete 12,345 rows in 13 batches of at most 1,000",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn what_would_happen_is_said_in_the_rules_mode() {
    let outlook = |plan: &RulePlan| plan.outlook().1;
    let mut plan = planned(Count::Capped(5000), Count::Exact(9000));
    assert_eq!(outlook(&plan), "delete at least 5,000 rows in 5 batches of at most 1,000");
    plan.rule.mode = Mode::Observe;
    assert!(outlook(&plan).starts_with("only look; with `mode: enforce` it would delete"));
    plan.rule.mode = Mode::Enforce;
    plan.rule.cap.rows_per_run = Some(1500);
    assert_eq!(outlook(&plan), "delete 1,500 rows in 2 batches of at most 1,000, then stop at cap.rows_per_run");
    plan.rule.guard.rows_max = Some(10);
    plan.guard = plan.measure.as_ref().and_then(|measure| guard::check(&plan.rule, measure));
    assert!(outlook(&plan).starts_with("nothing: guard_rows_max: at least 5000 rows"), "{}", outlook(&plan));
    assert_eq!(outlook(&planned(Count::Exact(0), Count::Exact(9))), "find nothing to do");
}

#[test]
fn json_holds_what_scripts_are_promised() {
    let json: serde_json::Value = serde_json::from_str(&planned(Count::Exact(1), Count::Exact(8)).json()).unwrap();
    for key in
        ["rule", "cutoff", "due", "due_exact", "oldest", "held", "skipped", "predicate", "statements", "findings"]
    {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!(
        (json["due"].as_u64(), json["due_exact"].as_bool(), json["share"].as_f64()),
        (Some(1), Some(true), Some(0.125))
    );
    let json: serde_json::Value = serde_json::from_str(&planned(Count::Capped(5), Count::Exact(8)).json()).unwrap();
    assert_eq!(json["due_exact"], serde_json::json!(false));
}

#[test]
fn the_worst_decides_the_exit_code() {
    let due = planned(Count::Exact(1), Count::Exact(8));
    let none = planned(Count::Exact(0), Count::Exact(8));
    let blocked = RulePlan { findings: vec![Finding::blocks(Cause::NoKey, "p", "m")], ..due.clone() };
    let blind = RulePlan { blind: true, ..due.clone() };
    let gone = RulePlan { unreachable: true, ..due.clone() };
    for (plans, code) in [
        (vec![none.clone()], 0),
        (vec![none.clone(), due.clone()], 2),
        (vec![due.clone(), blocked.clone()], 4),
        (vec![blocked.clone(), blind.clone()], 5),
        (vec![blind, gone, none], 69),
    ] {
        assert_eq!(exit_code(&plans, &ARGS), code);
    }
    assert_eq!(exit_code(&[due], &Args { detailed_exitcode: false, ..ARGS }), 0);
}
