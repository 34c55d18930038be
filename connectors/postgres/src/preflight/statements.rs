//! Statements for the operator: nothing here is ever run by forgetd.

use forgetd_connector::{Step, TableRef};

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

/// What `role` needs on the step's table and on those that are looked into, and not more. Before it skips locked rows
/// PostgreSQL asks for UPDATE on one column, although a delete updates nothing.
pub(crate) fn grants(step: &Step, role: &str) -> String {
    let table = table_name(&step.table.name);
    let quoted = codec::quote(role);
    let mut text = String::new();
    if let Some(schema) = &step.table.name.schema {
        text += &format!("grant usage on schema {} to {quoted};\n", codec::quote(schema));
    }
    if let Some(rewrite) = step.rewrite() {
        let columns: Vec<String> = rewrite.columns().into_iter().map(codec::quote).collect();
        text += &format!("grant select, update ({}) on table {table} to {quoted};\n", columns.join(", "));
    } else {
        text += &format!(
            "grant select, delete on table {table} to {quoted};\n\
             -- asked for by FOR UPDATE SKIP LOCKED; nothing is updated\n\
             {};\n",
            update_grant(step, role)
        );
    }
    let mut looked_into: Vec<&TableRef> = step.others.iter().map(|table| &table.name).collect();
    looked_into.retain(|table| **table != step.table.name);
    for other in looked_into {
        if let Some(schema) = other.schema.as_ref().filter(|schema| Some(*schema) != step.table.name.schema.as_ref()) {
            text += &format!("grant usage on schema {} to {quoted};\n", codec::quote(schema));
        }
        text += &format!("grant select on table {} to {quoted};\n", table_name(other));
    }
    text
}

/// The smallest grant that lets `role` skip locked rows.
pub(super) fn update_grant(step: &Step, role: &str) -> String {
    let first = step.table.columns.first().map_or("", |column| &column.name);
    let column = step.table.key.first().map_or(first, String::as_str);
    format!(
        "grant update ({}) on table {} to {}",
        codec::quote(column),
        table_name(&step.table.name),
        codec::quote(role)
    )
}

/// An index on columns of a table, made without keeping writers out.
pub(crate) fn index(table: &TableRef, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| codec::quote(column)).collect();
    format!("create index concurrently on {} ({})", table_name(table), columns.join(", "))
}
