//! What stops a run with zero rows changed, and who may let it go on.

mod approval;
mod catalog;
mod clocks;
mod limits;
mod typos;

use serde_json::Value;

use crate::harness::{Database, Program};
use crate::shop;

/// The rule's only run must be stopped for `cause`, and nothing may have changed; its detail.
#[track_caller]
fn stopped(database: &dyn Database, program: &Program, cause: &str) -> String {
    let before = shop::rows(database);
    let report = program.run(4);
    said_stopped(&report, cause);
    assert!(report["due"].is_u64() && report["cutoff"].is_string(), "what was found is said: {report}");
    assert_eq!(shop::rows(database), before, "zero rows changed");
    let skipped = program.entries("run.skipped");
    assert_eq!(skipped.last().expect("an entry")["cause"], cause, "the evidence says so too");
    report["detail"].as_str().expect("what and why").to_owned()
}

#[track_caller]
fn said_stopped(report: &Value, cause: &str) {
    let said = (report["verdict"].as_str(), report["cause"].as_str(), report["changed"].as_u64());
    assert_eq!(said, (Some("blocked"), Some(cause), Some(0)), "{report}");
}
