//! Full-text tables over the step's table: they hold the words of its rows, and nothing but a trigger takes them out.

use forgetd_connector::{Finding, Notice, Step};

use super::statements::quoted;
use crate::effect::Reach;

/// One finding for each full-text table that no trigger keeps up with changes.
pub(super) fn check(step: &Step, reach: &Reach, full_text: &[String], database: &str) -> Vec<Finding> {
    let table = &step.table.name;
    let kept_up = |name: &String| reach.writes.contains(name) || reach.deletes.contains(name);
    let left = full_text.iter().filter(|name| !kept_up(name));
    left.map(|name| {
        let gone = if step.rewrite().is_some() { "words that are written over" } else { "the words of deleted rows" };
        let message = format!("the full-text table indexes {table}, and no trigger takes {gone} out of it");
        let fix = format!(
            "add the trigger that SQLite's manual of fts5 shows, or run `insert into {0} ({0}) values ('rebuild')` after \
             each run",
            quoted(name)
        );
        Finding::warns(Notice::FullTextStays, format!("{database}.{name}"), message, fix)
    })
    .collect()
}
