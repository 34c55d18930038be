//! Indexes that serve no walk, and what is not known about the table.

use forgetd_connector::{Finding, Notice, Step};
use rusqlite::Connection;

use crate::query::{Scope, Walk};

/// From how many rows on counting them is felt.
const BIG_TABLE_ROWS: u64 = 100_000;

/// Findings of severity info.
pub(super) fn check(
    connection: &Connection,
    step: &Step,
    scope: &Scope,
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let mut findings = vec![];
    if scope.walk() != Walk::Since {
        findings.extend(unusable(connection, step, place)?);
    }
    findings.extend(uncounted(connection, step, scope, place)?);
    Ok(findings)
}

/// Indexes that begin with the column and do not hold every row, or sort it otherwise.
fn unusable(connection: &Connection, step: &Step, place: &str) -> rusqlite::Result<Vec<Finding>> {
    let Some(since) = step.lead() else { return Ok(vec![]) };
    let mut statement = connection.prepare_cached(
        "select i.name, i.partial from pragma_index_list(?1) i, pragma_index_xinfo(i.name) c \
         where c.seqno = 0 and c.name = ?2 order by i.name",
    )?;
    let rows = statement.query_map([&step.table.name.name, &since.column], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
    })?;
    let mut findings = vec![];
    for row in rows {
        let (name, partial) = row?;
        let why = if partial { "does not hold every row" } else { "does not sort it as the column itself does" };
        let column = &since.column;
        findings.push(Finding::informs(
            Notice::IndexUnusable,
            format!("{place}.{column}"),
            format!("the index {name} begins with {column} and {why}, so no batch can walk along it"),
            "make one of every row, see since_not_indexed",
        ));
    }
    Ok(findings)
}

/// Without ANALYZE rows are counted whenever somebody asks how many there are.
fn uncounted(connection: &Connection, step: &Step, scope: &Scope, place: &str) -> rusqlite::Result<Option<Finding>> {
    if step.table.rows_estimate.is_some() || scope.total(Some(BIG_TABLE_ROWS)).number(connection)? <= BIG_TABLE_ROWS {
        return Ok(None);
    }
    let message = "the table is large and was never analyzed: its rows are counted where an estimate would do";
    Ok(Some(Finding::informs(Notice::StatisticsMissing, place, message, "run `analyze` once in a while")))
}
