//! Rows that stay: what was read is computed anew where nothing waits for it, and written back in one statement.
//!
//! Of a large batch one form stands at a time: rows as the server sent them turn, some at a time, into what is sent back.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{Cause, Fault, FaultClass, Key, NewRow, OldRow, Rewrite, Transform, Value};
use mysql_async::Row;

use crate::answer::{get, take};
use crate::codec;
use crate::query::{Beside, Elements, Query, RowsToWrite};
use crate::walk::read_key;

/// Rows that stand in all of their forms at once.
const ROWS_AT_ONCE: usize = 500;

/// What is to be known of rows beside what is written into them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// By the statements that write them.
    pub(crate) beside: Beside,
    /// Their keys, by the receipt.
    pub(crate) keys: bool,
}

/// What is to be written, and what is not.
pub(crate) struct Computed {
    pub(crate) rows: RowsToWrite,
    /// Where they are wanted.
    pub(crate) keys: Vec<Key>,
    /// Rows that cannot be transformed, by cause.
    pub(crate) unfit: BTreeMap<Cause, u64>,
}

/// A row that [`Query::read_rows`] read, beside its old values.
struct Read {
    elements: Elements,
    key: Option<Key>,
    /// Whether the server has something of its own to write.
    pending: bool,
}

/// Computes new values for rows that [`Query::read_rows`] read, on another thread.
pub(crate) async fn compute(
    query: &Query,
    rewrite: &Rewrite,
    transform: &Arc<dyn Transform>,
    rows: Vec<Row>,
    wanted: Wanted,
    place: &str,
) -> Result<Computed, Fault> {
    let mut computed = Computed::new(wanted.beside);
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let (mut read, mut old) = (vec![], vec![]);
        for row in rows.by_ref().take(ROWS_AT_ONCE) {
            if let Some((of_row, values)) = read_row(query, row, wanted, place)? {
                read.push(of_row);
                old.push(values);
            }
        }
        if query.computed().is_empty() {
            read.into_iter().for_each(|row| computed.push(row, &[]));
            continue;
        }
        let (old, new) = transformed(transform, old, place).await?;
        if new.len() != read.len() {
            return Err(defect(place, "another number of rows"));
        }
        for ((row, old), new) in read.into_iter().zip(old).zip(new) {
            computed.take(rewrite, row, &old, new, place)?;
        }
    }
    Ok(computed)
}

async fn transformed(
    transform: &Arc<dyn Transform>,
    old: Vec<OldRow>,
    place: &str,
) -> Result<(Vec<OldRow>, Vec<NewRow>), Fault> {
    let transform = Arc::clone(transform);
    let work = move || {
        let new = transform.compute(&old);
        (old, new)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| defect(place, "it ended without an answer"))
}

fn defect(place: &str, detail: &str) -> Fault {
    Fault::new(FaultClass::Internal, "transform", place).with_detail(detail)
}

/// Takes the row apart; absent: its key is none.
fn read_row(query: &Query, mut row: Row, wanted: Wanted, place: &str) -> Result<Option<(Read, OldRow)>, Fault> {
    let (width, since, computed) = (query.key().len(), query.since_width(), query.computed());
    let Some(key) = read_key(query, &row, 0, place)? else { return Ok(None) };
    let mut elements = query.key_elements(&key)?;
    for n in (width..width + since).filter(|_| wanted.beside.since) {
        elements.push(take::<Option<String>>(&mut row, n, place)?.as_deref());
    }
    let at = width + since;
    let mut values = Vec::with_capacity(computed.len());
    for (n, column) in computed.iter().enumerate() {
        let text: Option<String> = take(&mut row, at + n, place)?;
        if wanted.beside.old {
            elements.push(text.as_deref());
        }
        values.push(codec::old(column, text));
    }
    let marked: Option<u8> = get(&row, at + computed.len(), place)?;
    let pending: Option<u8> = get(&row, at + computed.len() + 1, place)?;
    let read = Read { elements, key: wanted.keys.then_some(key), pending: pending == Some(1) };
    Ok(Some((read, OldRow { values, marked: marked == Some(1) })))
}

// === impl Computed ===

impl Computed {
    fn new(beside: Beside) -> Self {
        Self { rows: RowsToWrite::new(beside), keys: vec![], unfit: BTreeMap::new() }
    }

    /// Of a single row whose values are not here.
    pub(crate) fn too_large(beside: Beside) -> Self {
        Self { unfit: [(Cause::Size, 1)].into(), ..Self::new(beside) }
    }

    /// Decides what becomes of a row.
    fn take(&mut self, rewrite: &Rewrite, row: Read, old: &OldRow, new: NewRow, place: &str) -> Result<(), Fault> {
        let finished = (rewrite.marker.is_none() || old.marked) && !row.pending;
        let unfit = match new {
            NewRow::Values(values) if values.len() != old.values.len() => {
                return Err(defect(place, "another number of values"));
            }
            NewRow::Values(values) if values != old.values => {
                self.push(row, &values);
                return Ok(());
            }
            NewRow::Values(_) | NewRow::Same if !finished => {
                self.push(row, &old.values);
                return Ok(());
            }
            // Nothing would be written, and the row is due: what is in it is no such thing as the rule says.
            NewRow::Values(_) | NewRow::Same => Cause::ValueUnfit,
            NewRow::Unfit(cause) => cause,
        };
        *self.unfit.entry(unfit).or_default() += 1;
        Ok(())
    }

    fn push(&mut self, row: Read, values: &[Value]) {
        let Read { mut elements, key, .. } = row;
        for value in values {
            elements.push(codec::text(value).as_deref());
        }
        self.rows.push(&elements);
        self.keys.extend(key);
    }
}
