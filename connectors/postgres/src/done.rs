//! Rows that a transform is done with, page by page in the order of their keys.

use forgetd_connector::bulk::READ_BYTES_MAX;
use forgetd_connector::walk::Peek;
use forgetd_connector::{DoneRows, Fault, FaultClass, Key, OldRow, Step};
use tokio_postgres::Row;

use crate::codec;
use crate::connector::Shared;
use crate::measure::read;
use crate::query::{Query, Sql};
use crate::survey::{get, odd};
use crate::walk::read_key;

/// The next page behind a key. Where it ends is looked up first, so that no statement looks at more rows, however few of
/// them are done.
pub(crate) async fn rows(shared: &Shared, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault> {
    let place = step.place(shared.database());
    let (query, keys_alone) = (shared.query(&step.done())?, Peek::Keys { after: after.cloned() });
    let end = query.peek_keys(&keys_alone, u64::from(rows_max.max(1)), 1).ok_or_else(|| odd(&place))?;
    let to = match ask(shared, step, &query, &end, &place).await?.first() {
        Some(row) => read_key(&query, row, 0, &place)?,
        None => None,
    };
    let done = query.read_done(after, to.as_ref(), READ_BYTES_MAX).ok_or_else(|| odd(&place))?;
    let read = ask(shared, step, &query, &done, &place).await?;
    let (keys, computed) = (query.key().len(), query.computed());
    let marked = keys + computed.len();
    let mut page = DoneRows { rows: Vec::with_capacity(read.len()), next: to };
    for row in &read {
        let value = |(n, column)| Ok(codec::old(column, get(row, keys + n, &place)?));
        let values = computed.iter().enumerate().map(value).collect::<Result<_, Fault>>()?;
        page.rows.push(OldRow { values, marked: get(row, marked, &place)? });
    }
    if let Some(last) = read.last()
        && get::<i64>(last, marked + 1, &place)?.unsigned_abs() > read.len() as u64
    {
        page.next = read_key(&query, last, 0, &place)?;
    }
    Ok(page)
}

async fn ask(shared: &Shared, step: &Step, query: &Query, sql: &Sql, place: &str) -> Result<Vec<Row>, Fault> {
    let operation = "read rows";
    let answers = read(shared, step, operation, query.pins(), &[sql], place).await?;
    let mut answers = answers.map_err(|cause| Fault::new(FaultClass::Blind(cause), operation, place))?;
    Ok(answers.pop().ok_or_else(|| odd(place))?.rows)
}
