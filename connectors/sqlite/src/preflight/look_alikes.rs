//! Columns elsewhere that are called like references to the table and are none.

use forgetd_connector::{ColumnKind, Finding, Notice, Step, reference_names};
use rusqlite::Connection;

use super::statements::quoted;
use crate::catalog;

/// More columns than this are not named.
const FOUND_MAX: usize = 10;

/// One finding for each such column, of the same kind of type as the key.
pub(super) fn check(connection: &Connection, step: &Step, database: &str) -> rusqlite::Result<Vec<Finding>> {
    let table = &step.table;
    let [key] = table.key.as_slice() else { return Ok(vec![]) };
    let kind = table.column(key).map(|column| column.kind);
    let names = reference_names(&table.name.name, key);
    let mut statement = connection.prepare_cached(
        "select t.name, c.name, c.type from pragma_table_list t, pragma_table_xinfo(t.name) c \
         where t.schema = 'main' and t.type = 'table' and t.name <> ?1 and c.hidden <> 1 and not exists ( \
           select 1 from pragma_foreign_key_list(t.name) f where lower(f.\"from\") = lower(c.name)) \
         order by t.name, c.cid",
    )?;
    let mut rows = statement.query([&table.name.name])?;
    let mut findings = vec![];
    while let Some(row) = rows.next()? {
        let (child, column, declared): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let alike = names.contains(&column.to_lowercase()) && same_kind(kind, catalog::column_kind(&declared));
        if alike && findings.len() < FOUND_MAX {
            let message = format!(
                "{child}.{column} looks like a reference to {} and is no foreign key: such rows stay when what they \
                 reference goes",
                table.name
            );
            let fix = format!(
                "see that a rule deletes from {child}; or give it `foreign key ({}) references {} ({})` when it is next made anew",
                quoted(&column),
                quoted(&table.name.name),
                quoted(key)
            );
            findings.push(Finding::informs(
                Notice::ReferenceWithoutKey,
                format!("{database}.{child}.{column}"),
                message,
                fix,
            ));
        }
    }
    Ok(findings)
}

/// SQLite itself compares any two; what was declared tells what was meant.
fn same_kind(key: Option<ColumnKind>, column: ColumnKind) -> bool {
    use ColumnKind::{Integer, Number, Text};
    match (key, column) {
        (Some(Integer | Number), Integer | Number) | (Some(Text), Text) => true,
        (key, column) => key == Some(column),
    }
}
