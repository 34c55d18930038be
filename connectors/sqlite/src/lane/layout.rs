//! How the rows of a table lie, looked at while a lane works: SQLite's statistics do not tell.

use forgetd_connector::layout::{SHARE_MIN, lie_apart, share};
use forgetd_connector::walk::{Peek, Position};
use forgetd_connector::{Key, Value};
use rusqlite::{Connection, params_from_iter};

use crate::query::{Area, Scope};
use crate::walk;

/// After so many batches the first look is taken: runs of some hundred rows are over by then.
pub(super) const FIRST: u32 = 4;

/// How many of the next rows in order of `since` are looked at.
const NEXT: u64 = 500;

/// At how many places of the table, and how many rows at each.
const PLACES: i128 = 8;
const ROWS: u64 = 128;

/// Whether rows that follow each other in order of `since` lie apart, and so many of all rows are due that the table is better
/// read once in the order of its rows. No answer is no.
pub(super) fn suits_rows(connection: &Connection, scope: &Scope, position: &Position) -> rusqlite::Result<bool> {
    let Some(peek @ Peek::Since { .. }) = position.peek() else { return Ok(false) };
    let query = scope.next_row_ids(&peek, NEXT);
    let mut statement = connection.prepare_cached(&query.sql)?;
    let ids = statement.query_map(params_from_iter(&query.values), |row| row.get(0).map(i64::into))?;
    let ids: Vec<i128> = ids.collect::<rusqlite::Result<_>>()?;
    Ok(lie_apart(ids) && share_due(connection, scope)? > SHARE_MIN)
}

/// The share of due rows at some places all over the table.
fn share_due(connection: &Connection, scope: &Scope) -> rusqlite::Result<f64> {
    let query = scope.row_id_bounds();
    let bounds = connection.prepare_cached(&query.sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = bounds else { return Ok(0.0) };
    let (mut rows, mut due) = (0, 0);
    for place in 0..PLACES {
        let ahead = (i128::from(last) - i128::from(first)) * place / PLACES;
        // Between the two by construction.
        let after = i64::try_from(i128::from(first) + ahead).unwrap_or(first);
        let after = Some(Key(vec![Value::Int(after)]));
        // Near its end there are fewer.
        let Some(to) = walk::row_behind(connection, scope, after.as_ref(), ROWS)? else { continue };
        rows += ROWS;
        due += scope.count_in(&Area::Rows { after, to: Some(to) }, ROWS).number(connection)?;
    }
    Ok(share(due, rows))
}
