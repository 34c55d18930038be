//! Rows that stay: what was read is computed anew where nothing waits for it, and written back in one statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{Cause, Fault, FaultClass, NewRow, OldRow, Rewrite, Transform, Value};
use mysql_async::Row;

use crate::answer::get;
use crate::codec;
use crate::query::{Query, RowRead, RowToWrite};
use crate::walk::read_key;

/// What is to be written, and what is not.
#[derive(Default)]
pub(crate) struct Computed {
    pub(crate) rows: Vec<RowToWrite>,
    /// Rows that cannot be transformed, by cause.
    pub(crate) unfit: BTreeMap<Cause, u64>,
}

/// What [`Query::read_rows`] read.
struct Old {
    read: Vec<RowRead>,
    values: Vec<OldRow>,
    /// Whether the server has something of its own to write into each.
    pending: Vec<bool>,
}

/// Reads the answer to [`Query::read_rows`].
fn old_rows(query: &Query, rows: &[Row], place: &str) -> Result<Old, Fault> {
    let (width, since, computed) = (query.key().len(), query.since_width(), query.computed());
    let mut old = Old { read: vec![], values: vec![], pending: vec![] };
    for row in rows {
        let texts = |from: usize, width: usize| {
            (from..from + width).map(|n| get(row, n, place)).collect::<Result<Vec<Option<String>>, Fault>>()
        };
        let Some(key) = read_key(query, row, 0, place)? else { continue };
        let at = width + since;
        let values = texts(at, computed.len())?;
        let read = computed.iter().zip(&values).map(|(column, text)| codec::old(column, text.clone())).collect();
        let marked: Option<u8> = get(row, at + computed.len(), place)?;
        let pending: Option<u8> = get(row, at + computed.len() + 1, place)?;
        old.values.push(OldRow { values: read, marked: marked == Some(1) });
        old.pending.push(pending == Some(1));
        old.read.push(RowRead { key, since: texts(width, since)?, old: values });
    }
    Ok(old)
}

/// Computes new values for rows that [`Query::read_rows`] read, on another thread.
pub(crate) async fn compute(
    query: &Query,
    rewrite: &Rewrite,
    transform: &Arc<dyn Transform>,
    rows: &[Row],
    place: &str,
) -> Result<Computed, Fault> {
    let Old { read, values: old, pending } = old_rows(query, rows, place)?;
    if old.is_empty() {
        return Ok(Computed::default());
    }
    if query.computed().is_empty() {
        let rows = read.into_iter().map(|row| RowToWrite { row, values: vec![] }).collect();
        return Ok(Computed { rows, unfit: BTreeMap::new() });
    }
    let defect = |detail| Fault::new(FaultClass::Internal, "transform", place).with_detail(detail);
    let transform = Arc::clone(transform);
    let work = move || {
        let new = transform.compute(&old);
        (old, new)
    };
    let (old, new) = tokio::task::spawn_blocking(work).await.map_err(|_| defect("it ended without an answer"))?;
    if new.len() != read.len() {
        return Err(defect("another number of rows"));
    }
    let mut computed = Computed::default();
    for (((row, old), pending), new) in read.into_iter().zip(old).zip(pending).zip(new) {
        let finished = (rewrite.marker.is_none() || old.marked) && !pending;
        let new = match new {
            NewRow::Values(values) if values.len() != query.computed().len() => {
                return Err(defect("another number of values"));
            }
            NewRow::Values(values) if values == old.values => NewRow::Same,
            new => new,
        };
        let unfit = match new {
            NewRow::Values(values) => {
                computed.rows.push(RowToWrite { row, values: texts(&values) });
                continue;
            }
            NewRow::Same if !finished => {
                computed.rows.push(RowToWrite { row, values: texts(&old.values) });
                continue;
            }
            // Nothing would be written, and the row is due: what is in it is no such thing as the rule says.
            NewRow::Same => Cause::ValueUnfit,
            NewRow::Unfit(cause) => cause,
        };
        *computed.unfit.entry(unfit).or_default() += 1;
    }
    Ok(computed)
}

fn texts(values: &[Value]) -> Vec<Option<String>> {
    values.iter().map(codec::text).collect()
}
