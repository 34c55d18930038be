//! What is noticed about the columns that a period counts from.

use forgetd_connector::{Finding, Notice};
use rusqlite::Connection;

use crate::query::Sample;

/// Values that are no time are kept for ever; somebody should know.
pub(super) fn unreadable(
    connection: &Connection,
    samples: &[Sample],
    database: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    for Sample { table, column, queries } in samples {
        let mut rows: u64 = 0;
        for query in queries {
            // Both ends of a short index are the same rows.
            rows = rows.max(query.number(connection)?);
        }
        if rows > 0 {
            findings.push(Finding::warns(
                Notice::SinceUnreadable,
                format!("{database}.{table}.{column}"),
                format!("at least {rows} rows hold something in {column} that is no time in this form; they are kept"),
                "mend the values, or name the form with `as:`",
            ));
        }
    }
    Ok(findings)
}
