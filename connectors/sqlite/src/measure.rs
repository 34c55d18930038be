//! How much is due, by the predicate that the lanes use.

use forgetd_connector::{Count, Fault, Measure, Outside, RowCap};
use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};

use crate::query::{Scope, earliest};
use crate::session::Session;

/// Counts in one snapshot, so that the numbers fit each other.
pub(crate) fn measure(
    session: &mut Session,
    scope: &Scope,
    estimate: Option<u64>,
    cap: RowCap,
) -> Result<Measure, Fault> {
    let measured = session.snapshot("measure", |connection| {
        let due = capped(scope.count(cap.0).number(connection)?, cap);
        let total = match (capped(scope.total(cap.0).number(connection)?, cap), estimate) {
            (Count::Capped(rows), Some(estimate)) => Count::Estimate(estimate.max(rows)),
            (count, _) => count,
        };
        let oldest = if due.rows() == Some(0) { None } else { oldest(connection, scope)? };
        let outside = match Outside::by_counts(due, total) {
            Some(outside) => outside,
            None if scope.outside_by_since().number(connection)? > 0 => Outside::Rows,
            None => Outside::found(scope.outside().number(connection)? > 0),
        };
        Ok(Measure { due, oldest, total, outside })
    });
    measured.map_err(|fault| scope.blamed(fault))
}

/// Counts all that is due and nothing else.
pub(crate) fn survivors(session: &mut Session, scope: &Scope) -> Result<Count, Fault> {
    let counted = session.snapshot("count survivors", |connection| scope.count(None).number(connection));
    counted.map(Count::Exact).map_err(|fault| scope.blamed(fault))
}

fn capped(rows: u64, cap: RowCap) -> Count {
    match cap.0 {
        Some(cap) if rows > cap => Count::Capped(cap),
        _ => Count::Exact(rows),
    }
}

fn oldest(connection: &Connection, scope: &Scope) -> rusqlite::Result<Option<Timestamp>> {
    let mut oldest = None;
    let instead: &[bool] = if scope.moments().reads_another() { &[false, true] } else { &[false] };
    for instead in instead {
        let query = scope.oldest(*instead);
        let mut statement = connection.prepare_cached(&query.sql)?;
        let mut rows = statement.query(params_from_iter(&query.values))?;
        while let Some(row) = rows.next()? {
            oldest = earliest(oldest, scope.moments().read(row, 0)?.at());
        }
    }
    Ok(oldest)
}
