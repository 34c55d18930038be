//! How much is due, counted with the predicate of the lanes and never through row security.

use forgetd_connector::{
    Cause, ColumnKind, Count, Fault, FaultClass, Measure, Outside, Path, RowCap, Shape, SinceForm, Step, Table, julian,
};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::codec;
use crate::connect::Answer;
use crate::connector::Shared;
use crate::preflight;
use crate::query::{Query, Sql};
use crate::survey::{get, odd};
use crate::walk::Walk;

/// Tables up to this size are counted, larger ones estimated.
const TOTAL_MAX: u64 = 100_000;

/// Settings under which a count reads the table from its first block to its last.
const BY_BLOCKS: &str =
    "; set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off";

/// Measures a step. Row security is an answer, [`Count::Blind`]; anything else that fails is a fault.
pub(crate) async fn measure(shared: &Shared, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let total = query.total(if cap.0.is_none() { i64::MAX.unsigned_abs() } else { TOTAL_MAX + 1 });
    let (due, oldest) = match cap.0 {
        None => (query.count_and_oldest()?, None),
        // One more than the cap tells "exactly the cap" from "more".
        Some(cap) => (query.count(Some(cap.saturating_add(1))), Some(query.oldest_first()?)),
    };
    let outside = query.outside_by_since();
    let mut queries = vec![&total, &due];
    queries.extend(&outside);
    queries.extend(&oldest);
    let answers = match read(shared, step, "measure", query.pins(), &queries, &place).await? {
        Ok(answers) => answers,
        Err(cause) => return Ok(blind(cause)),
    };
    let total = number(&answers, 0, &place)?;
    let due = number(&answers, 1, &place)?;
    // In the count's answer where one scan found both.
    let oldest = if oldest.is_some() { answers.len() - 1 } else { 1 };
    let oldest = earliest(&answers, oldest, &query, &place)?;
    let total = if total <= TOTAL_MAX || cap.0.is_none() {
        Count::Exact(total)
    } else {
        Count::Estimate(step.table.rows_estimate.unwrap_or(0).max(total).max(due))
    };
    let due = match cap.0 {
        Some(cap) if due > cap => Count::Capped(cap),
        _ => Count::Exact(due),
    };
    let outside = match Outside::by_counts(due, total) {
        Some(outside) => outside,
        None if outside.is_some() && answers.get(2).is_some_and(|answer| !answer.rows.is_empty()) => Outside::Rows,
        None => match read(shared, step, "measure", query.pins(), &[&query.outside()], &place).await? {
            Ok(answers) => Outside::found(answers.first().is_some_and(|answer| !answer.rows.is_empty())),
            Err(_) => Outside::Unknown,
        },
    };
    Ok(Measure { due, oldest, total, outside })
}

/// Counts all that is due and nothing else, the way the lane went. Where it went through the blocks, an index on `since`
/// leads through scattered dead rows one by one, and the planner, which still knows the table as it was, would take it.
pub(crate) async fn survivors(shared: &Shared, step: &Step) -> Result<Count, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let settings = match shared.walk(step) {
        // Lookups in another table go through its indexes.
        Walk::Physical if !query.looks_elsewhere() => format!("{}{BY_BLOCKS}", query.pins()),
        _ => query.pins().to_owned(),
    };
    match read(shared, step, "measure", &settings, &[&query.count(None)], &place).await? {
        Ok(answers) => Ok(Count::Exact(number(&answers, 0, &place)?)),
        Err(cause) => Ok(Count::Blind(cause)),
    }
}

/// Counts the rows of a table that have a value of this shape at a place.
pub(crate) async fn count_shaped(shared: &Shared, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault> {
    let place = format!("{}.{}", shared.database(), table.name);
    let sql = Query::shaped(table, path, shape, shared.database(), shared.local.text_order)?;
    let held = shared.lanes.take().await?;
    let answers = held.read("count rows", &place, codec::PINS, &[&sql]).await;
    if !matches!(&answers, Err(fault) if fault.class == FaultClass::Disconnected) {
        held.give_back();
    }
    number(&answers?, 0, &place)
}

/// Reads in the lanes' session. The inner error: the role cannot see the rows.
pub(crate) async fn read(
    shared: &Shared,
    step: &Step,
    operation: &'static str,
    settings: &str,
    queries: &[&Sql],
    place: &str,
) -> Result<Result<Vec<Answer>, Cause>, Fault> {
    let held = shared.lanes.take().await?;
    let answers = match held.read(operation, place, settings, queries).await {
        Ok(answers) => Ok(answers),
        Err(fault) => Err(preflight::blind_or_denied(&held, step, place, fault).await),
    };
    if !matches!(&answers, Err(fault) if fault.class == FaultClass::Disconnected) {
        held.give_back();
    }
    match answers {
        Ok(answers) => Ok(Ok(answers)),
        Err(Fault { class: FaultClass::Blind(cause), .. }) => Ok(Err(cause)),
        Err(fault) => Err(fault),
    }
}

fn blind(cause: Cause) -> Measure {
    Measure { due: Count::Blind(cause), oldest: None, total: Count::Blind(cause), outside: Outside::Unknown }
}

fn number(answers: &[Answer], n: usize, place: &str) -> Result<u64, Fault> {
    let row = answers.get(n).and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    Ok(get::<i64>(row, 0, place)?.unsigned_abs())
}

/// The earliest of the moments in one answer, behind its first column.
fn earliest(answers: &[Answer], answer: usize, query: &Query, place: &str) -> Result<Option<Timestamp>, Fault> {
    let row = answers.get(answer).and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    let mut earliest: Option<Timestamp> = None;
    for (n, (moment, _)) in query.moments(&mut Sql::default())?.iter().enumerate() {
        let text: Option<String> = get(row, n + 1, place)?;
        let moment = text.and_then(|text| instant(&text, moment.kind, moment.form, moment.zone.as_ref()));
        earliest = match (earliest, moment) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(earliest)
}

/// A moment as the column writes it; absent where it lies outside what a calendar here can say.
pub(crate) fn instant(
    text: &str,
    kind: ColumnKind,
    form: Option<SinceForm>,
    zone: Option<&TimeZone>,
) -> Option<Timestamp> {
    let zone = || zone.cloned().unwrap_or(TimeZone::UTC);
    match kind {
        ColumnKind::Instant => TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok(),
        ColumnKind::NaiveTime => zone().to_timestamp(text.parse::<DateTime>().ok()?).ok(),
        ColumnKind::Date => zone().to_timestamp(text.parse::<Date>().ok()?.at(0, 0, 0, 0)).ok(),
        _ => {
            let whole = || text.split('.').next()?.parse::<i64>().ok();
            match form? {
                SinceForm::UnixMs => Timestamp::from_millisecond(whole()?).ok(),
                SinceForm::UnixS => Timestamp::from_second(whole()?).ok(),
                SinceForm::Julian => julian::instant(text),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{ColumnKind, SinceForm};
    use jiff::tz::TimeZone;

    use super::instant;

    #[test]
    fn moments_are_read_in_their_zone() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        for (text, kind, form, expected) in [
            ("2026-01-10T12:00:00.5", ColumnKind::Instant, None, Some("2026-01-10T12:00:00.5Z")),
            ("2026-01-10T12:00:00", ColumnKind::NaiveTime, None, Some("2026-01-10T11:00:00Z")),
            ("2026-01-10", ColumnKind::Date, None, Some("2026-01-09T23:00:00Z")),
            ("1768001400", ColumnKind::Integer, Some(SinceForm::UnixS), Some("2026-01-09T23:30:00Z")),
            ("2440587.75", ColumnKind::Number, Some(SinceForm::Julian), Some("1970-01-01T06:00:00Z")),
            ("2440588", ColumnKind::Integer, Some(SinceForm::Julian), Some("1970-01-01T12:00:00Z")),
            ("0044-03-15T00:00:00 BC", ColumnKind::Instant, None, None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(instant(text, kind, form, Some(&zone)), expected, "{text}");
        }
    }
}
