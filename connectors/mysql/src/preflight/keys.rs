//! Foreign keys that are none, and those that change rows past their triggers. Pure.

use forgetd_connector::{Cause, Fault, Finding, Notice, OnDelete, Step, TableRef};
use mysql_async::Row;

use super::looked::Looked;
use super::statements::listed;
use super::triggers::Event;
use crate::answer::get;
use crate::codec;
use crate::query::table_name;

/// A column that looks like a reference and is none.
pub(super) fn look_alike(row: &Row, step: &Step, database: &str) -> Result<Finding, Fault> {
    let table = &step.table;
    let child = TableRef { schema: table.name.schema.clone(), name: get(row, 0, database)? };
    let column: String = get(row, 1, database)?;
    let message = format!(
        "{child}.{column} looks like a reference to {} and is no foreign key: such rows stay when what they reference goes",
        table.name
    );
    let key = table.key.iter().map(|column| codec::quote(column)).collect::<Vec<_>>().join(", ");
    let fix = format!(
        "see that a rule deletes from {child}; or run `alter table {} add foreign key ({}) references {} ({key})`",
        table_name(&child),
        codec::quote(&column),
        table_name(&table.name)
    );
    Ok(Finding::informs(Notice::ReferenceWithoutKey, format!("{database}.{child}.{column}"), message, fix))
}

/// Rows that the engine changes along with the step's, and whose triggers it does not fire.
pub(super) fn past_triggers(step: &Step, looked: &Looked, database: &str) -> Vec<Finding> {
    let deletes = step.rewrite().is_none();
    let changed = step.table.referenced_by.iter().filter(|key| match step.rewrite() {
        None => key.on_delete == OnDelete::Set,
        Some(rewrite) => key.follows && rewrite.follows.contains(&key.child),
    });
    let mut findings = vec![];
    for key in changed {
        let names: Vec<String> = looked
            .triggers_of(&key.child)
            .filter(|trigger| trigger.fires == Event::Update)
            .map(|trigger| trigger.name().to_owned())
            .collect();
        if names.is_empty() {
            continue;
        }
        let what = if deletes { "ON DELETE SET NULL" } else { "ON UPDATE CASCADE" };
        let message = format!(
            "the foreign key {} changes rows of {} by {what}, which fires none of their triggers ({})",
            key.name,
            key.child,
            listed(&names)
        );
        let fix = "see that nothing depends on those triggers, or give the foreign key the action NO ACTION";
        findings.push(Finding::warns(Notice::CascadePastTriggers, format!("{database}.{}", key.child), message, fix));
    }
    findings
}

/// Foreign keys of tables that the account sees nothing of are not shown to it, and act all the same.
pub(super) fn unseen(step: &Step, looked: &Looked, database: &str) -> Option<Finding> {
    let keyed = |name: &str| step.table.indexes.iter().any(|index| index.columns.iter().any(|column| column == name));
    let concerns = step.rewrite().is_none_or(|rewrite| rewrite.columns().into_iter().any(keyed));
    if looked.rights.sees_all_tables() || !concerns {
        return None;
    }
    let message = format!(
        "the account {} sees the foreign keys of some tables only: another one could take or change rows along",
        looked.role
    );
    let fix = format!(
        "run `grant references on *.* to {}`, which shows the definition of every table and no row of any",
        looked.role
    );
    Some(Finding::blocks(Cause::Privilege, database, message).with_fix(fix))
}
