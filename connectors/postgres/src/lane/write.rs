//! Rows that stay: what was read is computed anew where nothing waits for it, and written back in one statement, where
//! it still is as it was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{Cause, Fault, FaultClass, NewRow, OldRow, Order, Put, Rewrite, Transform};
use tokio_postgres::Row;

use super::act::{Acting, Changed};
use super::turn::Entrance;
use super::{Atomic, Read};
use crate::codec;
use crate::connect::Session;
use crate::query::{Query, RowRead, RowToWrite};
use crate::survey::get;
use crate::walk::Planned;

/// What is to be written, and what is not.
#[derive(Default)]
pub(crate) struct Computed {
    pub(crate) rows: Vec<RowToWrite>,
    /// Rows that cannot be transformed, by cause.
    pub(crate) unfit: BTreeMap<Cause, u64>,
    /// Rows in which nothing is to be written.
    pub(crate) same: u64,
}

/// Reads the answer to [`Query::read_rows`].
fn old_rows(query: &Query, rows: &[Row], place: &str) -> Result<(Vec<RowRead>, Vec<OldRow>), Fault> {
    let (since, computed) = (query.since_width(), query.computed());
    let (mut read, mut old) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let texts = (2..2 + since).map(|n| get(row, n, place)).collect::<Result<_, _>>()?;
        read.push(RowRead { id: get(row, 0, place)?, version: get(row, 1, place)?, since: texts });
        let at = 2 + since;
        let value = |(n, column)| Ok(codec::old(column, get(row, at + n, place)?));
        let values = computed.iter().enumerate().map(value).collect::<Result<_, Fault>>()?;
        old.push(OldRow { values, marked: get(row, at + computed.len(), place)? });
    }
    Ok((read, old))
}

/// Computes new values for rows that [`Query::read_rows`] read, on another thread.
pub(crate) async fn compute(
    query: &Query,
    rewrite: &Rewrite,
    transform: &Arc<dyn Transform>,
    rows: &[Row],
    place: &str,
) -> Result<Computed, Fault> {
    let (read, old) = old_rows(query, rows, place)?;
    if old.is_empty() {
        return Ok(Computed::default());
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
    let computes_all = rewrite.places.iter().all(|place| place.put == Put::Computed);
    let alone = rewrite.marker.is_none() && computes_all;
    let mut computed = Computed::default();
    for ((row, old), new) in read.into_iter().zip(old).zip(new) {
        let values = match new {
            NewRow::Values(values) if values.len() == query.computed().len() => values,
            NewRow::Values(_) => return Err(defect("another number of values")),
            NewRow::Same if alone => {
                computed.same += 1;
                continue;
            }
            NewRow::Same => old.values,
            NewRow::Unfit(cause) => {
                *computed.unfit.entry(cause).or_default() += 1;
                continue;
            }
        };
        let values = values.iter().map(codec::text).collect();
        computed.rows.push(RowToWrite { row, values });
    }
    Ok(computed)
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
        if rows.len() > order.rows_max as usize {
            return Ok(Changed::overflow(entrance, rows.len()));
        }
        let met = rows.len() as u64;
        let Some(rewrite) = self.step.rewrite() else {
            return Err(Fault::new(FaultClass::Internal, "transform", &self.place).with_detail("no rewrite"));
        };
        let computed = compute(&self.query, rewrite, &self.transform, &rows, &self.place).await?;
        drop(rows);
        self.written(session, order, planned, entrance, computed, met).await
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
        let Computed { rows, unfit, same } = computed;
        let act = self.act(order, planned, Acting::Rows(&rows));
        let acted = self.acted(&act, session.turn("change", &act.asks()).await?)?;
        let mut changed = self.concluded(&act, entrance, acted)?;
        let passed = unfit.values().sum::<u64>() + same;
        changed.missed = (rows.len() as u64).saturating_sub(changed.rows);
        changed.left = changed.left.map(|left| left.saturating_sub(passed));
        Ok(Changed { met, unfit, ..changed })
    }
}
