//! Rows that stay: what was read is computed anew where nothing waits for it, and written back in one statement, where
//! it still is as it was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::bulk::Met;
use forgetd_connector::{Cause, Fault, FaultClass, NewRow, OldRow, Order, Rewrite, Transform, Value};
use tokio_postgres::Row;

use super::act::{Acting, Changed, Wide};
use super::turn::Entrance;
use super::{Atomic, Read};
use crate::codec;
use crate::connect::Session;
use crate::query::{Query, RowRead, RowToWrite, Weight};
use crate::survey::get;
use crate::walk::Planned;

/// More threads would wait for the one that reads and sends.
const THREADS_MAX: usize = 4;

/// For fewer rows no further thread is worth its start.
const ROWS_PER_THREAD: usize = 200;

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

/// Columns in front of each row: what its values and those before it come to, and how many rows there are.
const WEIGHT: usize = 2;

/// Whether all rows are here that [`Query::read_rows`] met, and what their values come to; absent: a row was wider than its
/// share.
pub(crate) fn met(rows: &[Row], place: &str) -> Result<Option<(Met, u64)>, Fault> {
    let Some(last) = rows.last() else { return Ok(Some((Met::All, 0))) };
    let number = |row, n| get::<i64>(row, n, place);
    if number(last, 1)? == Weight::SHARED {
        for row in rows {
            if number(row, 0)? > 0 {
                return Ok(None);
            }
        }
        return Ok(Some((Met::All, 0)));
    }
    let (bytes, there) = (number(last, 0)?.unsigned_abs(), number(last, 1)?.unsigned_abs());
    let met = match rows.len() as u64 {
        here if there > here => Met::TooMany(here),
        here => Met::weighed(here, bytes),
    };
    Ok(Some((met, bytes)))
}

/// Reads the answer to [`Query::read_rows`].
fn old_rows(query: &Query, rows: &[Row], place: &str) -> Result<Old, Fault> {
    let (since, computed) = (query.since_width(), query.computed());
    let many = || Vec::with_capacity(rows.len());
    let (mut read, mut old, mut pending) = (many(), Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let first = WEIGHT + 2;
        let texts = (first..first + since).map(|n| get(row, n, place)).collect::<Result<_, _>>()?;
        let at = first + since;
        let behind = at + computed.len() + 2;
        let key = (behind..row.len()).map(|n| get(row, n, place)).collect::<Result<_, _>>()?;
        read.push(RowRead { id: get(row, WEIGHT, place)?, version: get(row, WEIGHT + 1, place)?, since: texts, key });
        let value = |(n, column)| Ok(codec::old(column, get(row, at + n, place)?));
        let values = computed.iter().enumerate().map(value).collect::<Result<_, Fault>>()?;
        old.push(OldRow { values, marked: get(row, at + computed.len(), place)? });
        pending.push(get(row, at + computed.len() + 1, place)?);
    }
    Ok(Old { read, values: old, pending })
}

/// Computes new values for rows that [`Query::read_rows`] read, on other threads: the server waits for them, so its core is
/// used too.
pub(crate) async fn compute(
    query: &Arc<Query>,
    rewrite: &Rewrite,
    transform: &Arc<dyn Transform>,
    rows: Vec<Row>,
    place: &str,
) -> Result<Computed, Fault> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let part = rows.len().div_ceil(threads).max(ROWS_PER_THREAD);
    let (mut rows, mut parts) = (rows.into_iter(), vec![]);
    while rows.len() > 0 {
        let some: Vec<Row> = rows.by_ref().take(part).collect();
        let (query, transform, place) = (Arc::clone(query), Arc::clone(transform), place.to_owned());
        let marks = rewrite.marker.is_some();
        let work = move || computed(&query, marks, transform.as_ref(), &some, &place);
        parts.push(tokio::task::spawn_blocking(work));
    }
    let mut all = Computed::default();
    for part in parts {
        let Computed { rows, unfit } = part.await.map_err(|_| defect(place, "it ended without an answer"))??;
        all.rows.extend(rows);
        unfit.into_iter().for_each(|(cause, rows)| *all.unfit.entry(cause).or_default() += rows);
    }
    Ok(all)
}

fn defect(place: &str, detail: &str) -> Fault {
    Fault::new(FaultClass::Internal, "transform", place).with_detail(detail)
}

/// What becomes of some of the rows; `marks`: whether the rule marks what is done.
fn computed(
    query: &Query,
    marks: bool,
    transform: &dyn Transform,
    rows: &[Row],
    place: &str,
) -> Result<Computed, Fault> {
    let Old { read, values: old, pending } = old_rows(query, rows, place)?;
    let new = transform.compute(&old);
    if new.len() != read.len() {
        return Err(defect(place, "another number of rows"));
    }
    let mut computed = Computed::default();
    for (((row, old), pending), new) in read.into_iter().zip(old).zip(pending).zip(new) {
        let finished = (!marks || old.marked) && !pending;
        let new = match new {
            NewRow::Values(values) if values.len() != query.computed().len() => {
                return Err(defect(place, "another number of values"));
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

// === impl Computed ===

impl Computed {
    /// Of a single row whose values are not here.
    pub(crate) fn too_large() -> Self {
        Self { rows: vec![], unfit: [(Cause::Size, 1)].into() }
    }
}

fn texts(values: &[Value]) -> Vec<Option<String>> {
    values.iter().map(codec::text).collect()
}

impl Atomic {
    /// Computes what was read, and writes it.
    pub(super) async fn write(
        &self,
        session: &Session,
        order: &Order,
        planned: &Planned,
        read: Read,
    ) -> Result<Changed, Fault> {
        let Read { entrance, rows } = read;
        let (weighed, bytes) = match met(&rows, &self.place)? {
            None => return Ok(Changed { wide: Some(Wide::Row), ..Changed::overflow(entrance, rows.len()) }),
            Some((Met::TooMany(fits), _)) => {
                return Ok(Changed { wide: Some(Wide::Rows { fits }), ..Changed::overflow(entrance, rows.len()) });
            }
            Some(weighed) => weighed,
        };
        if rows.len() > order.rows_max as usize {
            return Ok(Changed::overflow(entrance, rows.len()));
        }
        let met = rows.len() as u64;
        let Some(rewrite) = self.step.rewrite() else {
            return Err(Fault::new(FaultClass::Internal, "transform", &self.place).with_detail("no rewrite"));
        };
        let computed = match weighed {
            Met::TooLarge => Computed::too_large(),
            _ => compute(&self.query, rewrite, &self.transform, rows, &self.place).await?,
        };
        let changed = self.written(session, order, planned, entrance, computed, met).await?;
        Ok(Changed { bytes, ..changed })
    }

    async fn written(
        &self,
        session: &Session,
        order: &Order,
        planned: &Planned,
        entrance: Entrance,
        computed: Computed,
        met: u64,
    ) -> Result<Changed, Fault> {
        let Computed { rows, unfit } = computed;
        let act = self.act(order, planned, Acting::Rows(&rows));
        let acted = self.acted(&act, session.turn("change", &act.asks()).await?)?;
        let mut changed = self.concluded(&act, entrance, acted)?;
        let passed = unfit.values().sum::<u64>();
        changed.missed = (rows.len() as u64).saturating_sub(changed.rows);
        changed.left = changed.left.map(|left| left.saturating_sub(passed));
        Ok(Changed { met, unfit, ..changed })
    }
}
