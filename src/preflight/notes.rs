//! What the described tables alone say about a step: nothing here stops it. Pure.

use forgetd_connector::{Finding, ForeignKey, OnDelete, Severity, Step, TableRef, WhenNull};

use crate::rules::{Mode, Rule};

/// What makes the step slower, or changes more than people may expect.
pub(super) fn notes(rule: &Rule, step: &Step, database: &str) -> Vec<Finding> {
    let place = step.place(database);
    let mut notes = vec![];
    let lead = step.lead().map(|since| since.column.as_str());
    if let Some(since) = lead.filter(|since| !step.table.leads_index(since)) {
        notes.push(Finding {
            id: "since_not_indexed".into(),
            severity: Severity::Warning,
            place: format!("{place}.{since}"),
            message: format!(
                "no index of {} leads with {since}: finding rows that are due reads the table",
                rule.table
            ),
            fix: format!("create an index on {since} if the table is large"),
        });
    }
    for key in step.table.referenced_by.iter().filter(|key| key.parent == step.table.name) {
        notes.extend(reference(key, &step.table.name, &place));
    }
    if step.selection.terms.when_null == WhenNull::Delete {
        notes.push(Finding {
            id: "null_is_due".into(),
            severity: Severity::Info,
            place: lead.map_or(place.clone(), |since| format!("{place}.{since}")),
            message: format!("rows that have no moment in {} are due at once", step.selection.terms.since),
            fix: "write `when_null: keep` if they should stay".into(),
        });
    }
    if rule.mode == Mode::Observe {
        notes.push(Finding {
            id: "observes".into(),
            severity: Severity::Info,
            place,
            message: format!("rule {} looks and reports, and deletes nothing", rule.name),
            fix: "write `mode: enforce` to let it act".into(),
        });
    }
    notes
}

fn reference(key: &ForeignKey, table: &TableRef, place: &str) -> Vec<Finding> {
    let child = &key.child;
    let columns = key.child_columns.join(", ");
    let finding = |id: &str, severity, message, fix: &str| Finding {
        id: id.into(),
        severity,
        place: format!("{place}.{}", key.name),
        message,
        fix: fix.into(),
    };
    let mut found = vec![];
    if !key.indexed {
        let message = format!("no index of {child} leads with {columns}: every deleted row reads that table");
        found.push(finding("foreign_key_not_indexed", Severity::Warning, message, "create an index on these columns"));
    }
    match key.on_delete {
        OnDelete::Refuse => {
            let message = format!("rows of {table} that {child} still references are passed over and counted");
            found.push(finding("references_keep_rows", Severity::Info, message, "add a rule for that table"));
        }
        OnDelete::Set => {
            let message = format!("deleting a row changes {columns} of the rows of {child} that reference it");
            let fix = "delete those rows first, or change the foreign key's action, if that is not meant";
            found.push(finding("references_are_set", Severity::Warning, message, fix));
        }
        OnDelete::Cascade => {}
    }
    found
}
