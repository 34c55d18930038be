//! Whether SQLite takes the conditions that are written in its own language.

use forgetd_connector::{Cause, Finding, Step};
use rusqlite::Connection;

use crate::effect::Recorder;
use crate::error;
use crate::query::{REFUSED_FUNCTIONS, natives};

/// One finding for each condition that it does not take, or that would say something else each time.
pub(super) fn check(connection: &Connection, recorder: &Recorder, step: &Step, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    for (rule, sql) in natives(step) {
        let what = rule.map_or_else(|| "where_native".to_owned(), |rule| format!("where_native of the rule {rule}"));
        let message = match recorder.reach(connection, &sql) {
            Ok(reach) => {
                let refused = |name: &&&str| reach.functions.iter().any(|called| called.eq_ignore_ascii_case(name));
                let Some(name) = REFUSED_FUNCTIONS.iter().find(refused) else { continue };
                format!("{what} calls {name}(), whose answer is not the row's own")
            }
            Err(error) => {
                let why = error::missing(&error).unwrap_or_else(|| "it is no expression of SQLite".into());
                format!("SQLite does not take {what}: {why}")
            }
        };
        findings.push(Finding::blocks(Cause::Native, place, message));
    }
    findings
}
