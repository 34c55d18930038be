//! Whether the server takes the conditions that are written in its own language.

use forgetd_connector::{Cause, Except, Fault, Finding, Step, Terms};
use mongodb::bson::doc;

use super::unless_refused;
use crate::connect::Link;
use crate::query::check_native;

pub(super) async fn check(link: &Link, step: &Step, place: &str) -> Result<Vec<Finding>, Fault> {
    let mut findings = vec![];
    for (rule, terms) in natives(step) {
        let Some(text) = &terms.native else { continue };
        let what = rule.map_or_else(|| "where_native".to_owned(), |rule| format!("where_native of the rule {rule}"));
        let said = match check_native(text) {
            Err(why) => Some(why),
            Ok(filter) => {
                let command = doc! {
                    "explain": { "find": &step.table.name.name, "filter": filter, "limit": 1 }, "verbosity": "queryPlanner",
                };
                let database = link.database_of(&step.table.name);
                let explained = link.call("preflight", place, database.run_command(command)).await;
                let taken = unless_refused(explained)?.is_some();
                (!taken).then(|| "the server does not take it as a filter".into())
            }
        };
        findings.extend(said.map(|why| {
            Finding::blocks(Cause::Native, place, format!("{what}: {why}"))
                .with_fix("write one filter document in extended JSON, as db.collection.find() takes it")
        }));
    }
    Ok(findings)
}

/// Every condition of the kind, with the rule whose it is if it is another one's.
fn natives(step: &Step) -> Vec<(Option<&str>, &Terms)> {
    let mut terms = vec![(None, &step.selection.terms)];
    for except in &step.selection.except {
        if let Except::Kept { rule, terms: kept } = except {
            terms.push((Some(rule.as_str()), kept));
        }
    }
    terms
}
