use forgetd_connector::{Cause, Count, Finding, KeptRows, KeptWhy, Measure, Month, Outside, Profile, Statements};

use super::{Args, RulePlan, exit_code, markdown, text};
use crate::{cli::report::WIDTH, plan::testing::rule, rules::Mode};

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
        cutoff: "2026-05-31T12:00:00Z".parse().ok(),
        measure: Some(Measure { due, oldest, total, outside: Outside::Rows }),
        statements: Some(statements),
        ..RulePlan::new(&rule("leads", "lead"), 1000)
    }
}

const ARGS: Args = Args { rule: None, json: false, md: false, diff: vec![], exact: false, detailed_exitcode: true };

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
        "would      delete 12,345 rows in at least 13 batches of at most 1,000",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn what_would_happen_is_said_in_the_rules_mode() {
    let outlook = |plan: &RulePlan| plan.outlook().1;
    let mut plan = planned(Count::Capped(5000), Count::Exact(9000));
    assert_eq!(outlook(&plan), "delete at least 5,000 rows in at least 5 batches of at most 1,000");
    plan.rule.mode = Mode::Observe;
    assert!(outlook(&plan).starts_with("only look; with `mode: enforce` it would delete"));
    plan.rule.mode = Mode::Enforce;
    plan.rule.cap.rows_per_run = Some(1500);
    assert_eq!(
        outlook(&plan),
        "delete 1,500 rows in at least 2 batches of at most 1,000, then stop at cap.rows_per_run"
    );
    plan.guards = vec![(Cause::CoolOff, "it waits".into())];
    assert!(outlook(&plan).starts_with("nothing yet: it waits; then delete 1,500 rows"), "{}", outlook(&plan));
    plan.guards.push((Cause::RowsMax, "at least 5000 rows are due".into()));
    assert_eq!(outlook(&plan), "nothing: cool_off: it waits");
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
fn the_spread_and_what_is_kept_are_shown() {
    let mut plan = planned(Count::Exact(30), Count::Exact(100));
    let month = |month: &str, rows| Month { month: Some(month.into()), rows };
    let kept = |why, rows| KeptRows { why, rows: Count::Exact(rows) };
    plan.profile = Some(Profile {
        months: vec![month("2024-01", 20), month("2024-02", 10)],
        complete: true,
        kept: vec![kept(KeptWhy::Null, 3), kept(KeptWhy::Future, 0), kept(KeptWhy::Rule("won".into()), 1_234)],
    });
    plan.speed = Some(0.1);
    let shown = plan.text();
    for part in [
        "by month   2024-01            20  ##############################",
        "           2024-02            10  ###############",
        "kept       3 have no moment to count from",
        "           1,234 are kept by rule won",
        "takes      about 5 minutes at the speed of the last runs",
        "index      none finds rows that are due",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains("future"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&plan.json()).unwrap();
    assert_eq!(json["held"], 1_234);
    assert_eq!(json["months"][1], serde_json::json!({ "month": "2024-02", "rows": 10 }));
    assert_eq!(json["kept"][0], serde_json::json!({ "why": "null", "name": null, "rows": 3, "rows_exact": true }));
}

#[test]
fn markdown_cannot_be_broken_by_names() {
    let mut plan = planned(Count::Exact(30), Count::Exact(100));
    plan.rule.table.name = "le|ad<b>".into();
    plan.findings.push(Finding::blocks(Cause::NoKey, "crm.le|ad", "a `name` with *stars*"));
    let shown = markdown(&[plan]);
    let row = shown.lines().find(|line| line.starts_with("| leads")).unwrap();
    assert_eq!(row, r"| leads | enforce | crm.le\|ad\<b\> | 30 | 2025-01-01 | be blocked |");
    assert!(shown.contains("<summary>leads: delete from crm.le|ad&lt;b&gt; (enforce)</summary>"), "{shown}");
    assert!(shown.contains(r"- **error** `no_key` crm.le\|ad: a \`name\` with \*stars\*"), "{shown}");
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
        (vec![RulePlan { guards: vec![(Cause::CoolOff, "m".into())], ..due.clone() }], 2),
        (vec![RulePlan { guards: vec![(Cause::WholeTableDue, "m".into())], ..due.clone() }], 4),
        (vec![blocked.clone(), blind.clone()], 5),
        (vec![blind, gone, none], 69),
    ] {
        assert_eq!(exit_code(&plans, &ARGS), code);
    }
    assert_eq!(exit_code(&[due], &Args { detailed_exitcode: false, ..ARGS }), 0);
}
