//! The metrics are a promise: these names, documented, there before anything happened, and read by Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use forgetd::board::{Board, Pause};
use forgetd::run::Verdict;
use forgetd::telemetry::metrics::{ALL, BatchResult, GUARDS, Kind, Metrics};
use forgetd_connector::Cause;

use crate::web::boards;

/// Every name that was promised. One that goes from here breaks somebody's alert.
const PROMISED: &[&str] = &[
    "forgetd_build_info",
    "forgetd_config_valid",
    "forgetd_config_last_reload_success_timestamp_seconds",
    "forgetd_policy_info",
    "forgetd_policy_split",
    "forgetd_holder",
    "forgetd_lease_term",
    "forgetd_rule_info",
    "forgetd_rule_schedule_interval_seconds",
    "forgetd_rule_next_run_timestamp_seconds",
    "forgetd_rule_oldest_due_timestamp_seconds",
    "forgetd_rule_due_rows",
    "forgetd_rule_due_rows_capped",
    "forgetd_rule_measured_timestamp_seconds",
    "forgetd_rule_last_run_timestamp_seconds",
    "forgetd_rule_last_clean_timestamp_seconds",
    "forgetd_rule_last_run_seconds",
    "forgetd_rule_last_verdict",
    "forgetd_rule_blocked",
    "forgetd_rule_blocked_since_timestamp_seconds",
    "forgetd_runs_total",
    "forgetd_runs_skipped_total",
    "forgetd_run_in_progress",
    "forgetd_rows_changed_total",
    "forgetd_rows_skipped_total",
    "forgetd_rows_held",
    "forgetd_batches_total",
    "forgetd_batch_duration_seconds",
    "forgetd_guard_trips_total",
    "forgetd_paused",
    "forgetd_pause_seconds_total",
    "forgetd_rest_seconds_total",
    "forgetd_database_up",
    "forgetd_database_errors_total",
    "forgetd_replica_lag_seconds",
    "forgetd_database_connections",
    "forgetd_evidence_entries_total",
    "forgetd_evidence_append_failures_total",
    "forgetd_evidence_pending_receipts",
    "forgetd_evidence_last_checkpoint_timestamp_seconds",
    "forgetd_evidence_verify_ok",
    "forgetd_evidence_last_verify_timestamp_seconds",
];

/// One line that is a sample.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn render(board: &Board) -> String {
    Metrics::new().unwrap().render(board).unwrap()
}

/// Reads the text format, word by word, and refuses what Prometheus would: a sample without its type, a family in two
/// places, the same series twice.
fn parse(text: &str) -> Vec<Sample> {
    let (mut families, mut seen, mut samples) = (vec![], BTreeSet::new(), vec![]);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(!families.contains(&(name.to_owned(), kind.to_owned())), "{name} comes twice");
            families.push((name.into(), kind.into()));
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "{series} comes twice");
            let (family, kind) = families.last().expect("a type before its samples");
            let name = series.split('{').next().unwrap();
            let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{name} stands below {family}"));
            let histogram = kind == "histogram" && ["_bucket", "_sum", "_count"].contains(&suffix);
            assert!(suffix.is_empty() || histogram, "{series}");
            samples.push(Sample { name: family.clone(), labels: labels(series), value: value.parse().unwrap() });
        }
    }
    samples
}

fn labels(series: &str) -> BTreeMap<String, String> {
    let Some((_, rest)) = series.split_once('{') else { return BTreeMap::new() };
    let pairs = rest.strip_suffix("\"}").unwrap().split("\",");
    pairs.map(|pair| pair.split_once("=\"").unwrap()).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn every_promised_metric_is_there_before_anything_happened() {
    let known: Vec<_> = ALL.iter().map(|about| about.name).collect();
    assert_eq!(known, PROMISED);
    let board = boards::one();
    let text = render(&board);
    let samples = parse(&text);
    for about in ALL {
        let of: Vec<_> = samples.iter().filter(|sample| sample.name == about.name).collect();
        assert!(!of.is_empty(), "{} is missing\n{text}", about.name);
        assert!(text.contains(&format!("# HELP {} {}\n", about.name, about.help)), "{}", about.name);
        assert!(text.contains(&format!("# TYPE {} {}\n", about.name, about.kind.word())), "{}", about.name);
        for sample in of {
            let mut labels: BTreeSet<_> = sample.labels.keys().map(String::as_str).collect();
            labels.remove("le");
            assert_eq!(labels, about.labels.iter().copied().collect(), "{}", about.name);
        }
        assert_eq!(about.name.ends_with("_total"), about.kind == Kind::Counter, "{}", about.name);
    }
    let families: BTreeSet<_> = samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(families, PROMISED.iter().copied().collect());
}

#[test]
fn closed_sets_are_complete_and_one_of_a_state_is_on() {
    let board = boards::blocked();
    let samples = parse(&render(&board));
    let count = |name: &str| samples.iter().filter(|sample| sample.name == name).count();
    let (rules, databases) = (board.rules.len(), board.databases.len());
    for (name, n) in [
        ("forgetd_rule_last_verdict", rules * Verdict::ALL.len()),
        ("forgetd_runs_total", rules * Verdict::ALL.len()),
        ("forgetd_rule_blocked", rules * Cause::ALL.len()),
        ("forgetd_guard_trips_total", rules * GUARDS.len()),
        ("forgetd_paused", databases * Pause::ALL.len()),
        ("forgetd_pause_seconds_total", databases * Pause::ALL.len()),
        ("forgetd_rest_seconds_total", databases),
        ("forgetd_batches_total", databases * BatchResult::ALL.len()),
        ("forgetd_rule_due_rows", rules),
        ("forgetd_rows_changed_total", rules),
    ] {
        assert_eq!(count(name), n, "{name}");
    }
    let on = |name: &str, label: &str| -> BTreeMap<String, String> {
        let of = samples.iter().filter(|sample| sample.name == name && sample.value == 1.0);
        of.map(|sample| (sample.labels["rule"].clone(), sample.labels[label].clone())).collect()
    };
    assert_eq!(on("forgetd_rule_last_verdict", "verdict").len(), rules);
    let blocked = on("forgetd_rule_blocked", "cause");
    let expected = [("audit-log", "cool_off"), ("carts", "cool_off"), ("customers", "row_security")];
    assert_eq!(blocked, expected.map(|(rule, cause)| (rule.to_owned(), cause.to_owned())).into());
}

#[test]
fn moments_are_unix_seconds_and_none_is_zero() {
    let board = boards::blocked();
    let samples = parse(&render(&board));
    let of = |name: &str, rule: &str| {
        let is = |sample: &&Sample| sample.name == name && sample.labels.get("rule").is_some_and(|found| found == rule);
        samples.iter().find(is).unwrap().value
    };
    let oldest = board.rules["carts"].standing.measured.unwrap().oldest.unwrap();
    assert!((of("forgetd_rule_oldest_due_timestamp_seconds", "carts") - oldest.as_second() as f64).abs() <= 1.0);
    assert_eq!(of("forgetd_rule_oldest_due_timestamp_seconds", "web-sessions"), 0.0);
    assert_eq!(of("forgetd_rule_due_rows", "carts"), 41_870.0);
    assert_eq!(of("forgetd_rule_schedule_interval_seconds", "carts"), 86_400.0);
    assert_eq!(of("forgetd_rule_blocked_since_timestamp_seconds", "web-sessions"), 0.0);
}

#[test]
fn nothing_of_the_board_but_names_is_a_label() {
    let known: BTreeSet<_> =
        "action cause class database engine guard mode reason result rule sha256 table verdict version"
            .split(' ')
            .collect();
    let used: BTreeSet<_> = ALL.iter().flat_map(|about| about.labels.iter().copied()).collect();
    assert_eq!(used, known);
}

#[test]
fn promtool_has_nothing_to_say() {
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    // `./test` fetches it, and counts a skip where it cannot; our own reader above stands there.
    let Ok(mut tool) = tool.stderr(Stdio::piped()).spawn() else { return };
    tool.stdin.take().unwrap().write_all(render(&boards::blocked()).as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The table of `docs/metrics.md` is written from the code: `UPDATE=1` does it.
#[test]
fn the_documentation_lists_them_all() {
    const TABLE: &str = "| metric | kind | labels | says |\n|---|---|---|---|\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (prose, found) = text.split_once(TABLE).expect("the table's head");
    let table: String = ALL.iter().map(|about| about.row() + "\n").collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{prose}{TABLE}{table}")).unwrap();
    } else {
        assert_eq!(found, table, "run UPDATE=1 cargo test --test it documentation");
    }
}
