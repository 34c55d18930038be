//! Whole databases, compared row by row.

use std::collections::BTreeMap;

use super::{Database, Rows};

/// Every row of every table but our own, in an order of its own and by the table's name without quotes, as it would be
/// if these statements ran. `compared` are the queries for tables that hold when or by whom a row was written.
pub(crate) fn contents(
    database: &dyn Database,
    statements: &[String],
    compared: &[(&str, &str)],
) -> BTreeMap<String, Rows> {
    let tables = database.tables();
    let plain: Vec<String> = tables.iter().map(|table| table.replace(['"', '`'], "")).collect();
    let query = |(table, plain): (&String, &String)| match compared.iter().find(|(name, _)| name == plain) {
        Some((_, query)) => (*query).to_owned(),
        None => format!("select * from {table}"),
    };
    let queries: Vec<String> = tables.iter().zip(&plain).map(query).collect();
    let sorted = |mut rows: Rows| {
        rows.sort();
        rows
    };
    plain.into_iter().zip(database.supposing(statements, &queries).into_iter().map(sorted)).collect()
}

/// Fails with the first table that differs and its rows, because the whole of it would not be read by anybody.
#[track_caller]
pub(crate) fn assert_same(found: &BTreeMap<String, Rows>, expected: &BTreeMap<String, Rows>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let differs = found.iter().find(|(table, rows)| **rows != expected[*table]);
    if let Some((table, rows)) = differs {
        let expected = &expected[table];
        let more: Vec<_> = rows.iter().filter(|row| !expected.contains(row)).collect();
        let less: Vec<_> = expected.iter().filter(|row| !rows.contains(row)).collect();
        let count = format!("{} rows instead of {}", rows.len(), expected.len());
        panic!("{table}: {count}\nnot expected: {more:#?}\nmissing: {less:#?}");
    }
}
