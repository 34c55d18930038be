//! Statements for the operator: nothing here is ever run by forgetd.

use std::collections::BTreeSet;

use forgetd_connector::{OnDelete, Step, TableRef};

use crate::codec;
use crate::query::table_name;

/// More names than this are counted and not written.
const NAMES_MAX: usize = 10;

/// Names in a sentence.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The columns that an update of the step writes: those of the rule, and those that the engine would move to now and that
/// are set to themselves.
pub(super) fn written(step: &Step) -> Vec<&str> {
    let Some(rewrite) = step.rewrite() else { return vec![] };
    let mut columns = rewrite.columns();
    let touched = step.table.columns.iter().filter(|column| column.fit.touched).map(|column| column.name.as_str());
    for name in touched {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

/// The tables whose rows are deleted, by us, before those that they hang on.
pub(super) fn deleted_with(step: &Step) -> Vec<TableRef> {
    if step.rewrite().is_some() { vec![] } else { step.table.cascades_to() }
}

/// Tables whose rows stay and are changed along: they are locked and counted before.
pub(super) fn changed_with(step: &Step) -> BTreeSet<TableRef> {
    let keys = step.table.referenced_by.iter().filter(|key| key.child != step.table.name);
    let changed = keys.filter(|key| match step.rewrite() {
        None => key.on_delete == OnDelete::Set,
        Some(rewrite) => key.follows && rewrite.follows.contains(&key.child),
    });
    changed.map(|key| key.child.clone()).collect()
}

/// What `role` needs on the step's table, on those that lose rows with it and on those that are looked into, and not more.
pub(crate) fn grants(step: &Step, role: &str) -> String {
    let account = codec::account(role);
    let mut text = format!(
        "-- shows the foreign keys of every table, and no row of any\n\
         grant references on *.* to {account};\n"
    );
    let table = table_name(&step.table.name);
    if step.rewrite().is_some() {
        let columns: Vec<String> = written(step).into_iter().map(codec::quote).collect();
        text += &format!("grant select, update ({}) on {table} to {account};\n", columns.join(", "));
    } else {
        text += &format!("grant select, delete on {table} to {account};\n");
    }
    let children = deleted_with(step);
    for child in &children {
        text += &format!("grant select, delete on {} to {account};\n", table_name(child));
    }
    let changed = changed_with(step);
    if !changed.is_empty() {
        text += "-- to lock rows that foreign keys change; forgetd writes to none of them\n";
    }
    for child in &changed {
        text += &format!("grant select, update on {} to {account};\n", table_name(child));
    }
    text += "-- shows what triggers do; none is made or changed\n";
    for table in std::iter::once(&step.table.name).chain(&children).chain(&changed) {
        text += &format!("grant trigger on {} to {account};\n", table_name(table));
    }
    let mut looked_into: Vec<&TableRef> = step.others.iter().map(|table| &table.name).collect();
    looked_into.retain(|table| **table != step.table.name && !children.contains(table) && !changed.contains(table));
    for other in looked_into {
        text += &format!("grant select on {} to {account};\n", table_name(other));
    }
    text
}

/// An index on columns of a table, made without keeping writers out.
pub(crate) fn index(table: &TableRef, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| codec::quote(column)).collect();
    format!("alter table {} add index ({}), algorithm = inplace, lock = none", table_name(table), columns.join(", "))
}

#[cfg(test)]
mod tests {
    use forgetd_connector::TableRef;

    use super::index;

    #[test]
    fn an_index_keeps_nobody_out() {
        assert_eq!(
            index(&TableRef::parse("d.t"), &["a`b".into()]),
            "alter table `d`.`t` add index (`a``b`), algorithm = inplace, lock = none"
        );
    }
}
