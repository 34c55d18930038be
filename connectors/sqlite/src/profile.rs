//! How rows are spread and which of them stay, in one snapshot.

use std::collections::BTreeMap;

use forgetd_connector::{Count, Fault, KeptRows, Month, Profile, RowCap, Step};
use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};

use crate::query::{Area, Moment, Reason, Scope};
use crate::session::Session;
use crate::walk;

/// The profile of a step at `now`. Due rows, rows of one reason, and rows that are looked at where no index leads to a
/// reason are each `cap` at most.
pub(crate) fn profile(
    session: &mut Session,
    step: &Step,
    scope: &Scope,
    now: Timestamp,
    cap: RowCap,
) -> Result<Profile, Fault> {
    let place = step.place(session.place());
    let limit = cap.0.map(|cap| cap.saturating_add(1));
    session.snapshot("profile", |connection| {
        let (months, complete) = months(connection, scope, cap)?;
        // The last row that is looked at where no index leads; absent: every row is.
        let to = match cap.0 {
            Some(cap) => walk::row_at(connection, scope, cap)?,
            None => None,
        };
        let partial = to.is_some();
        let area = Area::Rows { after: None, to };
        let reasons = match scope.reasons(step, &area, now, limit.unwrap_or(u64::MAX), &place) {
            Ok(reasons) => reasons,
            Err(fault) => return Ok(Err(fault)),
        };
        let kept = reasons.into_iter().map(|reason| counted(connection, reason, cap, partial));
        Ok(Ok(Profile { months, complete, kept: kept.collect::<rusqlite::Result<_>>()? }))
    })?
}

fn months(connection: &Connection, scope: &Scope, cap: RowCap) -> rusqlite::Result<(Vec<Month>, bool)> {
    let query = scope.due_moments(cap.0.map(|cap| cap.saturating_add(1)));
    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut rows = statement.query(params_from_iter(&query.values))?;
    let mut months: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let (mut looked, mut complete) = (0, true);
    while let Some(row) = rows.next()? {
        if cap.0 == Some(looked) {
            complete = false;
            break;
        }
        looked += 1;
        let month = match scope.moments().read(row, 0)? {
            Moment::At { month, .. } => Some(month),
            Moment::Missing | Moment::Unreadable => None,
        };
        *months.entry(month).or_default() += 1;
    }
    Ok((months.into_iter().map(|(month, rows)| Month { month, rows }).collect(), complete))
}

fn counted(connection: &Connection, reason: Reason, cap: RowCap, partial: bool) -> rusqlite::Result<KeptRows> {
    let Reason { why, query, within } = reason;
    let rows = query.number(connection)?;
    let rows = match cap.0 {
        Some(cap) if rows > cap => Count::Capped(cap),
        _ if within && partial => Count::Capped(rows),
        _ => Count::Exact(rows),
    };
    Ok(KeptRows { why, rows })
}
