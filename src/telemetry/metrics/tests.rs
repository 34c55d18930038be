use forgetd_connector::{Cause, FaultClass};
use jiff::Timestamp;

use super::*;
use crate::board::DatabaseState;
use crate::rules::Mode;
use crate::run::Skipped;
use crate::run::standing::Standing;

fn rule() -> RuleState {
    RuleState {
        database: "crm".into(),
        engine: "postgresql".into(),
        table: "public.lead".into(),
        action: "delete",
        mode: Mode::Enforce,
        keep_for: "30d".into(),
        schedule: None,
        interval_secs: None,
        next: None,
        running: None,
        standing: Standing::default(),
        drained: None,
    }
}

fn board(rules: &[&str]) -> Board {
    Board {
        role: Role::Holder { term: 3, since: Timestamp::UNIX_EPOCH },
        rules: rules.iter().map(|name| ((*name).to_owned(), rule())).collect(),
        databases: [("crm".to_owned(), DatabaseState::default())].into(),
        ..Board::default()
    }
}

fn report(run: &str, verdict: Verdict, cause: Option<Cause>, changed: u64) -> Report {
    let rule = crate::rules::testing::rule("leads", "lead");
    let mut report = Report::new(&rule, run.into()).ended(verdict, cause, None);
    report.changed = changed;
    report
}

/// The value of a series, by its name and labels as they are written.
fn value(text: &str, series: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(Into::into))
}

#[test]
fn a_resumed_run_counts_its_rows_once() {
    let metrics = Metrics::new().unwrap();
    for (run, verdict, changed) in [
        ("A", Verdict::Partial, 500),
        ("A", Verdict::Failed, 500),
        ("A", Verdict::Failed, 0),
        ("A", Verdict::Clean, 1_200),
        ("B", Verdict::Clean, 30),
    ] {
        metrics.ran(&report(run, verdict, None, changed));
    }
    let text = metrics.render(&board(&["leads"])).unwrap();
    for (series, expected) in [
        (r#"forgetd_rows_changed_total{action="delete",rule="leads"}"#, "1230"),
        (r#"forgetd_runs_total{rule="leads",verdict="clean"}"#, "2"),
        (r#"forgetd_runs_total{rule="leads",verdict="failed"}"#, "2"),
        (r#"forgetd_runs_total{rule="leads",verdict="partial"}"#, "1"),
        (r#"forgetd_runs_total{rule="leads",verdict="blind"}"#, "0"),
    ] {
        assert_eq!(value(&text, series).as_deref(), Some(expected), "{series}\n{text}");
    }
}

#[test]
fn rows_count_with_their_batch_and_where_they_were_changed() {
    let metrics = Metrics::new().unwrap();
    let board = board(&["leads"]);
    let counts = |rows: &str| {
        let text = metrics.render(&board).unwrap();
        let series = r#"forgetd_rows_changed_total{action="delete",rule="leads"}"#;
        assert_eq!(value(&text, series).as_deref(), Some(rows), "{text}");
    };
    metrics.begun("leads", "A", 0);
    for rows in ["25", "50"] {
        metrics.changed("leads", "delete", 25);
        counts(rows);
    }
    metrics.ran(&report("A", Verdict::Partial, Some(Cause::Interrupted), 50));
    counts("50");
    // It goes on; a batch came to its end whose answer was lost.
    metrics.begun("leads", "A", 60);
    metrics.changed("leads", "delete", 25);
    metrics.ran(&report("A", Verdict::Clean, None, 85));
    counts("85");
    // Another process began this one, and left a batch open that was adopted.
    metrics.changed("leads", "delete", 5);
    metrics.begun("leads", "B", 400);
    metrics.changed("leads", "delete", 10);
    metrics.ran(&report("B", Verdict::Clean, None, 410));
    counts("100");
}

#[test]
fn everything_that_is_told_is_counted() {
    let metrics = Metrics::new().unwrap();
    metrics.ran(&report("A", Verdict::Blocked, Some(Cause::RowsMax), 0));
    metrics.ran(&report("B", Verdict::Blocked, Some(Cause::ReadOnly), 0));
    let mut passed = report("C", Verdict::Partial, Some(Cause::ForeignKey), 1);
    passed.skipped = vec![Skipped { cause: Cause::ForeignKey, n: 12 }, Skipped { cause: Cause::Internal, n: 1 }];
    metrics.ran(&passed);
    metrics.skipped("leads", Cause::Unreachable);
    metrics.batch("crm", Some(0.004), BatchResult::Committed);
    metrics.batch("crm", Some(20.0), BatchResult::Committed);
    metrics.batch("crm", None, BatchResult::RolledBack);
    metrics.paused("crm", Pause::EvidenceBacklog, 1.5);
    metrics.paused("crm", Pause::EvidenceBacklog, -1.0);
    metrics.rested("crm", 0.25);
    metrics.database_error("crm", FaultClass::Blocked(Cause::ReadOnly));
    metrics.appended(5);
    metrics.append_failed();
    let (_one, _two) = (metrics.connections("crm").one(None), metrics.connections("crm").one(None));
    let text = metrics.render(&board(&["leads"])).unwrap();
    for (series, expected) in [
        (r#"forgetd_guard_trips_total{guard="guard_rows_max",rule="leads"}"#, "1"),
        (r#"forgetd_rows_skipped_total{cause="foreign_key",rule="leads"}"#, "12"),
        (r#"forgetd_rows_skipped_total{cause="internal",rule="leads"}"#, "1"),
        (r#"forgetd_runs_skipped_total{cause="unreachable",rule="leads"}"#, "1"),
        (r#"forgetd_batches_total{database="crm",result="committed"}"#, "2"),
        (r#"forgetd_batches_total{database="crm",result="rolled_back"}"#, "1"),
        (r#"forgetd_batches_total{database="crm",result="unknown"}"#, "0"),
        (r#"forgetd_batch_duration_seconds_bucket{database="crm",le="0.002"}"#, "0"),
        (r#"forgetd_batch_duration_seconds_bucket{database="crm",le="0.005"}"#, "1"),
        (r#"forgetd_batch_duration_seconds_bucket{database="crm",le="10"}"#, "1"),
        (r#"forgetd_batch_duration_seconds_bucket{database="crm",le="+Inf"}"#, "2"),
        (r#"forgetd_pause_seconds_total{database="crm",reason="evidence_backlog"}"#, "1.5"),
        (r#"forgetd_rest_seconds_total{database="crm"}"#, "0.25"),
        (r#"forgetd_database_errors_total{class="blocked",database="crm"}"#, "1"),
        (r#"forgetd_database_connections{database="crm"}"#, "2"),
        ("forgetd_evidence_entries_total", "5"),
        ("forgetd_evidence_append_failures_total", "1"),
        // Nobody asked yet.
        (r#"forgetd_database_up{database="crm"}"#, "NaN"),
        (r#"forgetd_replica_lag_seconds{database="crm"}"#, "NaN"),
        ("forgetd_evidence_verify_ok", "NaN"),
    ] {
        assert_eq!(value(&text, series).as_deref(), Some(expected), "{series}\n{text}");
    }
    assert_eq!(text.matches("forgetd_guard_trips_total{").count(), GUARDS.len());
}

#[test]
fn what_left_the_configuration_leaves_the_metrics() {
    let metrics = Metrics::new().unwrap();
    for name in ["leads", "carts"] {
        metrics.ran(&Report { rule: name.into(), ..report("A", Verdict::Clean, None, 7) });
    }
    metrics.batch("old", Some(0.1), BatchResult::Committed);
    let text = metrics.render(&board(&["leads"])).unwrap();
    assert!(text.contains("rule=\"leads\""), "{text}");
    assert!(!text.contains("rule=\"carts\"") && !text.contains("database=\"old\""), "{text}");
    // It counts from the beginning when it comes back, and a rule that stayed goes on.
    let text = metrics.render(&board(&["carts", "leads"])).unwrap();
    for (rule, changed) in [("carts", "0"), ("leads", "7")] {
        let series = format!(r#"forgetd_rows_changed_total{{action="delete",rule="{rule}"}}"#);
        assert_eq!(value(&text, &series).as_deref(), Some(changed), "{text}");
    }
}

#[test]
fn a_process_that_does_not_act_has_no_series_of_rules() {
    let metrics = Metrics::new().unwrap();
    metrics.ran(&report("A", Verdict::Clean, None, 7));
    let follower = Role::Follower { holder: "other".into(), term: 9 };
    for (role, holder, term) in [(follower, "0", "9"), (Role::Starting, "0", "0")] {
        let text = metrics.render(&Board { role, ..board(&["leads"]) }).unwrap();
        assert!(!text.contains("rule="), "{text}");
        assert_eq!(value(&text, "forgetd_holder").as_deref(), Some(holder));
        assert_eq!(value(&text, "forgetd_lease_term").as_deref(), Some(term));
    }
    assert!(metrics.render(&Board { role: Role::Observer, ..board(&["leads"]) }).unwrap().contains("rule=\"leads\""));
}

#[test]
fn guards_are_what_the_guards_can_say() {
    let says = |cause: &Cause| {
        let name = format!("Cause::{cause:?}");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guard");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut texts = files.filter(|path| !path.ends_with("tests.rs") && !path.ends_with("book.rs"));
        texts.any(|path| std::fs::read_to_string(path).unwrap().contains(&name))
    };
    let missing: Vec<_> = Cause::ALL.iter().filter(|cause| says(cause) != GUARDS.contains(cause)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
