//! What the described tables alone say about a step: nothing here stops it. Pure.

use forgetd_connector::{Finding, Notice, Path, Severity, Since, Step, Table, TableRef, Undone, WhenNull};

use super::references;
use crate::rules::{Mode, Policy, Rule};

/// Tables with fewer rows are read through in a moment, with an index or without.
const UNINDEXED_ROWS_MAX: u64 = 100_000;

/// What makes the step slower, or changes more or less than people may expect. `index` gives the engine's statement for
/// an index on columns of a table.
pub fn notes(
    rule: &Rule,
    step: &Step,
    database: &str,
    policy: &Policy,
    index: impl Fn(&TableRef, &[String]) -> String,
) -> Vec<Finding> {
    let place = step.place(database);
    let mut notes = vec![];
    notes.extend(lead_not_indexed(step, &place, &index));
    notes.extend(activity_not_indexed(step, database, &index));
    notes.extend(references::notes(step, database, policy, &index));
    notes.extend(marker_not_compared(step, &place));
    if step.selection.terms.when_null == WhenNull::Delete {
        let at = step.lead().map_or(place.clone(), |since| format!("{place}.{}", since.column));
        let message = format!("rows that have no moment in {} are due at once", step.selection.terms.since);
        notes.push(Finding::informs(Notice::NullIsDue, at, message, "write `when_null: keep` if they should stay"));
    }
    if rule.mode == Mode::Observe {
        notes.push(Finding::informs(
            Notice::Observes,
            place,
            format!("rule {} looks and reports, and changes nothing", rule.name),
            "write `mode: enforce` to let it act",
        ));
    }
    notes
}

/// Nothing tells that a row which is marked was used again, where what was written into it shows nothing either.
fn marker_not_compared(step: &Step, place: &str) -> Option<Finding> {
    let rewrite = step.rewrite()?;
    let marker = &rewrite.marker.as_ref()?.column;
    let undone = &step.selection.undone;
    if undone.iter().any(|sign| matches!(sign, Undone::MarkedBefore { .. })) {
        return None;
    }
    let shows =
        |path: &Path| undone.iter().any(|sign| matches!(sign, Undone::Other { path: shown, .. } if shown == path));
    let silent: Vec<String> =
        rewrite.places.iter().filter(|place| !shows(&place.path)).map(|place| place.path.to_string()).collect();
    let first = silent.first()?;
    Some(Finding::warns(
        Notice::MarkerNotCompared,
        format!("{place}.{first}"),
        format!(
            "what the application writes into {} of a row that is done stays: its marker {marker} cannot be compared with {}",
            silent.join(", "),
            step.selection.terms.since
        ),
        "let the application set the marker to NULL when it uses a row again, or count from one column and use a marker of its type",
    ))
}

/// The table is walked in no order of its own.
fn lead_not_indexed(step: &Step, place: &str, index: &impl Fn(&TableRef, &[String]) -> String) -> Option<Finding> {
    let since = &step.lead().filter(|since| !step.table.leads_index(&since.column))?.column;
    let table = &step.table;
    let message = format!("no index of {} begins with {since}: every run reads the whole table", table.name);
    let fix = format!("run `{}`", index(&table.name, std::slice::from_ref(since)));
    Some(by_size(Finding::warns(Notice::SinceNotIndexed, format!("{place}.{since}"), message, fix), table))
}

/// The activity of every row is looked for in another table.
fn activity_not_indexed(
    step: &Step,
    database: &str,
    index: &impl Fn(&TableRef, &[String]) -> String,
) -> Option<Finding> {
    let Since::Latest(latest) = &step.selection.terms.since else { return None };
    let other = step.others.iter().find(|table| table.name.is(&latest.table))?;
    let columns: Vec<String> = latest.on.iter().map(|joined| joined.other.clone()).collect();
    // A key is found by itself where it is SQLite's number of the row, which no index holds.
    if columns.iter().any(|column| other.leads_index(column) || other.key.first() == Some(column)) {
        return None;
    }
    let place = references::place(database, &other.name, &columns);
    let message = format!(
        "no index of {} begins with {}: every row of {} that may be due reads the whole of it",
        other.name,
        columns.join(", "),
        step.table.name
    );
    let fix = format!("run `{}`", index(&other.name, &columns));
    Some(by_size(Finding::warns(Notice::SinceNotIndexed, place, message, fix), other))
}

/// The same as good to know, where the table is known to be small.
fn by_size(finding: Finding, table: &Table) -> Finding {
    match table.rows_estimate {
        Some(rows) if rows <= UNINDEXED_ROWS_MAX => Finding {
            severity: Severity::Info,
            fix: format!("nothing to do while the table is small; later, {}", finding.fix),
            ..finding
        },
        _ => finding,
    }
}
