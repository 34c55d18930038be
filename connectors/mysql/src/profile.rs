//! How rows are spread, why they stay, and why one of them goes or stays. Reads only.

use forgetd_connector::{
    Cause, Clause, Count, Cutoff, Fault, FaultClass, Judged, KeptRows, Key, Month, Profile, RowCap, Step,
};
use jiff::Timestamp;

use crate::answer::{Answer, get, odd};
use crate::connector::Shared;
use crate::measure::{self, instant};
use crate::query::{Query, Sql};

/// The profile of a step at `now`. Due rows, and rows of one reason, are counted up to `cap` each.
pub(crate) async fn profile(shared: &Shared, step: &Step, now: Timestamp, cap: RowCap) -> Result<Profile, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let months = query.months(cap.0)?;
    let staying = query.staying(Cutoff(now), cap.0.map(|cap| cap.saturating_add(1)))?;
    let mut asked = vec![&months];
    asked.extend(staying.iter().map(|(_, sql)| sql));
    let answers = read(shared, &query, "profile", &asked, &place).await?;
    let mut answers = answers.into_iter();
    let (months, complete) = spread(&answers.next().ok_or_else(|| odd(&place))?, cap, &place)?;
    let mut kept = vec![];
    for ((why, _), answer) in staying.into_iter().zip(answers) {
        let row = answer.rows.first().ok_or_else(|| odd(&place))?;
        let rows = get::<u64>(row, 0, &place)?;
        let rows = match cap.0 {
            Some(cap) if rows > cap => Count::Capped(cap),
            _ => Count::Exact(rows),
        };
        kept.push(KeptRows { why, rows });
    }
    Ok(Profile { months, complete, kept })
}

/// The months, and whether every due row is in one of them.
fn spread(answer: &Answer, cap: RowCap, place: &str) -> Result<(Vec<Month>, bool), Fault> {
    let (mut months, mut met) = (vec![], 0);
    for row in &answer.rows {
        let rows = get::<u64>(row, 1, place)?;
        met = met.max(get::<u64>(row, 2, place)?);
        // A month that begins behind the cap was not counted.
        if rows > 0 {
            months.push(Month { month: get(row, 0, place)?, rows });
        }
    }
    // Where there is no moment comes first.
    months.sort_by(|a, b| a.month.cmp(&b.month));
    Ok((months, cap.0.is_none_or(|cap| met <= cap)))
}

/// Why the row with this key goes or stays; absent: there is none.
pub(crate) async fn judge(shared: &Shared, step: &Step, key: &Key) -> Result<Option<Judged>, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let (sql, asked) = query.judge(key)?;
    let answers = match read(shared, &query, "judge", &[&sql], &place).await {
        // The key was written by a person, and is no value of its type.
        Err(fault) if matches!(fault.class, FaultClass::Internal | FaultClass::Row(_)) => {
            return Err(Fault { class: FaultClass::Blocked(Cause::ColumnType), ..fault }.with_detail("the key"));
        }
        answers => answers?,
    };
    let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { return Ok(None) };
    let (mut clauses, mut at) = (vec![], 1);
    for asked in asked {
        let holds = get(row, at, &place)?;
        at += 1;
        let mut moment = None;
        if let Some(read) = asked.moment {
            let text: Option<String> = get(row, at, &place)?;
            moment = text.and_then(|text| instant(&text, read.kind, read.form, read.zone.as_ref()));
            at += 1;
        }
        clauses.push(Clause { what: asked.what, holds, moment });
    }
    Ok(Some(Judged { due: get(row, 0, &place)?, clauses }))
}

/// Reads in the lanes' session.
async fn read(
    shared: &Shared,
    query: &Query,
    operation: &'static str,
    asked: &[&Sql],
    place: &str,
) -> Result<Vec<Answer>, Fault> {
    let answers = measure::read(shared, query, operation, asked, place).await?;
    answers.map_err(|cause| Fault::new(FaultClass::Blind(cause), operation, place))
}
