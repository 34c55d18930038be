//! What foreign keys do to a step. Pure.

use forgetd_connector::{Finding, ForeignKey, Notice, OnDelete, Step, TableRef};

use super::overlap::same_table;
use crate::plan::keepers;
use crate::rules::{Policy, Rule};

/// What is worth knowing about every foreign key that a delete of the step reaches.
pub(super) fn notes(
    step: &Step,
    database: &str,
    policy: &Policy,
    index: &impl Fn(&TableRef, &[String]) -> String,
) -> Vec<Finding> {
    let mut found = vec![];
    // Nobody misses rows that stay.
    if step.rewrite().is_some() {
        return found;
    }
    for key in &step.table.referenced_by {
        let place = place(database, &key.child, &key.child_columns);
        if !key.indexed {
            found.push(Finding::warns(
                Notice::ForeignKeyNotIndexed,
                place.clone(),
                format!(
                    "no index serves {}: every row deleted from {} reads the whole of {}",
                    named(key),
                    key.parent,
                    key.child
                ),
                format!("run `{}`", index(&key.child, &key.child_columns)),
            ));
        }
        match key.on_delete {
            OnDelete::Refuse => found.push(kept(key, place, rule_of(policy, database, &key.child))),
            OnDelete::Set if key.unsettable.is_empty() => found.push(set(key, place, &keepers(step, key))),
            OnDelete::Set => found.push(refused(key, place)),
            // What a cascade may take is the plan's business.
            OnDelete::Cascade => {}
        }
    }
    found
}

/// `database.table.column`; several columns in parentheses.
pub(super) fn place(database: &str, table: &TableRef, columns: &[String]) -> String {
    match columns {
        [column] => format!("{database}.{table}.{column}"),
        columns => format!("{database}.{table}.({})", columns.join(", ")),
    }
}

fn named(key: &ForeignKey) -> String {
    format!("the foreign key {}", key.name)
}

/// The rule that deletes from a table.
pub(super) fn rule_of<'a>(policy: &'a Policy, database: &str, table: &TableRef) -> Option<&'a Rule> {
    policy.rules.iter().find(|rule| rule.runs() && rule.database == database && same_table(&rule.table, table))
}

fn kept(key: &ForeignKey, place: String, rule: Option<&Rule>) -> Finding {
    let fix = match rule {
        _ if key.child == key.parent => "nothing to do: a row goes once the rows that reference it have gone".into(),
        Some(rule) => format!("nothing to do: they go once rule {} has deleted what references them", rule.name),
        None => format!("add a rule for {} if its rows should go too", key.child),
    };
    let message = format!(
        "rows of {} that {} still references ({}) are passed over and counted",
        key.parent,
        key.child,
        named(key)
    );
    Finding::informs(Notice::ReferencesKeepRows, place, message, fix)
}

fn refused(key: &ForeignKey, place: String) -> Finding {
    let columns = key.unsettable.join(", ");
    let message = format!(
        "deleting a row of {} would set {columns} of {} to NULL, which cannot be ({}): rows that are referenced stay",
        key.parent,
        key.child,
        named(key)
    );
    let fix = format!(
        "let {columns} of {} be NULL, or add a rule that deletes its rows first, or change the foreign key's action",
        key.child
    );
    Finding::warns(Notice::ReferencesCannotBeSet, place, message, fix)
}

fn set(key: &ForeignKey, place: String, keepers: &[&str]) -> Finding {
    let columns = key.child_columns.join(", ");
    let message = format!(
        "deleting a row of {} changes {columns} of the rows of {} that reference it ({})",
        key.parent,
        key.child,
        named(key)
    );
    let message = match keepers {
        [] => message,
        [rule] => format!("{message}; while rule {rule} keeps one of those, the row stays"),
        rules => format!("{message}; while one of the rules {} keeps one of those, the row stays", rules.join(", ")),
    };
    let fix = format!(
        "add a rule that deletes rows of {} first, or change the foreign key's action, if that is not meant",
        key.child
    );
    Finding::warns(Notice::ReferencesAreSet, place, message, fix)
}
