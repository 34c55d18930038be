//! How documents are spread, and which of them stay.

use std::collections::BTreeMap;

use forgetd_connector::{Fault, KeptRows, KeptWhy, Month, Profile, RowCap, Step, TableRef};
use jiff::Timestamp;
use mongodb::bson::{Document, doc};

use crate::connect::Link;
use crate::error::Failure;
use crate::measure::capped;
use crate::moment;
use crate::query::{Reason, Scope, Why, by_type, written};
use crate::reply;

const OPERATION: &str = "profile";

/// The profile of a step at `now`. Of each reason at most `cap` documents are counted.
pub(crate) async fn profile(
    link: &Link,
    step: &Step,
    scope: &Scope,
    joins_by_field: bool,
    (now, cap): (Timestamp, RowCap),
) -> Result<Profile, Fault> {
    let place = link.place_of(&step.table.name);
    let (months, complete) = months(link, step, scope, cap, &place).await?;
    let mut kept = vec![];
    for reason in scope.reasons(step, now, joins_by_field, &place)? {
        kept.extend(counted(link, step, &reason, cap).await?);
    }
    Ok(Profile { months, complete, kept })
}

async fn months(
    link: &Link,
    step: &Step,
    scope: &Scope,
    cap: RowCap,
    place: &str,
) -> Result<(Vec<Month>, bool), Fault> {
    let since = &step.selection.terms.since;
    let fields = written(since).map_err(|refused| refused.into_fault(place))?;
    let mut stages = scope.stages(None);
    if let Some(cap) = cap.0 {
        stages.push(doc! { "$limit": i64::try_from(cap.saturating_add(1)).unwrap_or(i64::MAX) });
    }
    let mut project = doc! { "_id": 1 };
    project.extend(fields.iter().map(|written| (written.field.dotted(), 1.into())));
    stages.push(doc! { "$project": project });
    let mut cursor = link.open(OPERATION, &step.table.name, scope, stages, 1_000).await?;
    let (mut looked, mut months): (u64, BTreeMap<Option<String>, u64>) = (0, BTreeMap::new());
    while link.call(OPERATION, place, cursor.advance()).await? {
        if cap.0 == Some(looked) {
            return Ok((shown(months), false));
        }
        looked += 1;
        let document = cursor.deserialize_current().map_err(|error| Failure::of(&error, OPERATION, place))?;
        let month = moment::counts(&document, since, &fields).map(|moment| moment.month);
        *months.entry(month).or_default() += 1;
    }
    Ok((shown(months), true))
}

fn shown(months: BTreeMap<Option<String>, u64>) -> Vec<Month> {
    months.into_iter().map(|(month, rows)| Month { month, rows }).collect()
}

async fn counted(link: &Link, step: &Step, reason: &Reason, cap: RowCap) -> Result<Vec<KeptRows>, Failure> {
    let (table, scope) = (&step.table.name, &reason.scope);
    let field = match &reason.why {
        Why::One(why) => {
            let limit = cap.0.map(|cap| cap.saturating_add(1));
            let rows = link.count(OPERATION, table, scope, scope.stages(None), limit).await?;
            return Ok(vec![KeptRows { why: why.clone(), rows: capped(rows, cap) }]);
        }
        Why::ByType(field) => field,
    };
    let mut stages = scope.stages(None);
    if let Some(cap) = cap.0 {
        stages.push(doc! { "$limit": i64::try_from(cap.saturating_add(1)).unwrap_or(i64::MAX) });
    }
    let found = types(link, table, scope, stages, field).await?;
    let kept = found.into_iter().map(|(kind, rows)| KeptRows { why: KeptWhy::Mistyped(kind), rows: capped(rows, cap) });
    let kept: Vec<KeptRows> = kept.collect();
    // Where nothing is of another type, that is said too.
    let none = || vec![KeptRows { why: KeptWhy::Unreadable, rows: capped(0, cap) }];
    Ok(if kept.is_empty() { none() } else { kept })
}

/// How many of the documents that stages leave have which type at a field, in the order of the types' names.
pub(crate) async fn types(
    link: &Link,
    table: &TableRef,
    scope: &Scope,
    mut stages: Vec<Document>,
    field: &crate::query::Field,
) -> Result<Vec<(String, u64)>, Failure> {
    stages.push(by_type(field));
    let found = link.read(OPERATION, table, scope, stages).await?;
    let counted = found
        .iter()
        .filter_map(|found| Some((found.get_str("_id").ok()?.to_owned(), found.get("n").and_then(reply::number)?)));
    let mut counted: Vec<(String, u64)> = counted.collect();
    counted.sort();
    Ok(counted)
}
