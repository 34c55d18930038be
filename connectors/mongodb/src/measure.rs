//! How much is due, by the filter that the lanes use.

use forgetd_connector::{Count, Fault, Measure, Outside, Path, RowCap, Shape, Step, Table};
use jiff::Timestamp;
use mongodb::bson::{Document, doc};

use crate::collection::Along;
use crate::connect::Link;
use crate::connector::Shared;
use crate::error::Failure;
use crate::moment;
use crate::query::{Scope, Written, shaped, written};

/// Counts, and looks for the oldest.
pub(crate) async fn measure(shared: &Shared, step: &Step, scope: &Scope, cap: RowCap) -> Result<Measure, Fault> {
    let counted = count_due(shared, step, scope, cap).await?;
    let oldest = if counted.due.rows() == Some(0) { None } else { oldest(&shared.link, step, scope).await? };
    Ok(Measure { oldest, ..counted })
}

/// Counts.
pub(crate) async fn count_due(shared: &Shared, step: &Step, scope: &Scope, cap: RowCap) -> Result<Measure, Fault> {
    const OPERATION: &str = "measure";
    let (link, table) = (&shared.link, &step.table.name);
    let limit = cap.0.map(|cap| cap.saturating_add(1));
    let due = capped(link.count(OPERATION, table, scope, scope.stages(None), limit).await?, cap);
    let every = scope.with(Document::new(), vec![]);
    let total = match due {
        // There are no fewer documents than are due.
        Count::Capped(_) => due,
        _ => capped(link.count(OPERATION, table, &every, every.stages(None), limit).await?, cap),
    };
    let total = match total {
        Count::Capped(rows) => match step.table.rows_estimate {
            Some(estimate) => Count::Estimate(estimate.max(rows)),
            None => Count::Capped(rows),
        },
        count => count,
    };
    let outside = match Outside::by_counts(due, total) {
        Some(outside) => outside,
        None => Outside::found(outside(shared, step, scope).await?),
    };
    Ok(Measure { due, oldest: None, total, outside })
}

/// Counts all that is due and nothing else.
pub(crate) async fn survivors(link: &Link, step: &Step, scope: &Scope) -> Result<Count, Fault> {
    let counted = link.count("count survivors", &step.table.name, scope, scope.stages(None), None).await?;
    Ok(Count::Exact(counted))
}

pub(crate) fn capped(rows: u64, cap: RowCap) -> Count {
    match cap.0 {
        Some(cap) if rows > cap => Count::Capped(cap),
        _ => Count::Exact(rows),
    }
}

/// Whether there is a document that is not due. The last keys are mostly the newest documents', which are due last.
async fn outside(shared: &Shared, step: &Step, scope: &Scope) -> Result<bool, Failure> {
    let (link, table) = (&shared.link, &step.table.name);
    let other = doc! { "$nor": [scope.filter.clone()] };
    if shared.reads_along(scope) {
        let along = Along { descending: true, ..Along::default() };
        return Ok(link.key("measure", table, other, along).await?.is_some());
    }
    let mut stages = scope.lookups.clone();
    stages.push(doc! { "$match": other });
    Ok(link.count("measure", table, scope, stages, Some(1)).await? > 0)
}

/// The earliest moment among what is due.
async fn oldest(link: &Link, step: &Step, scope: &Scope) -> Result<Option<Timestamp>, Fault> {
    let since = &step.selection.terms.since;
    let fields = written(since).map_err(|refused| refused.into_fault(&link.place_of(&step.table.name)))?;
    if fields.is_empty() {
        return Ok(None);
    }
    let mut stages = scope.stages(None);
    let at = match fields.as_slice() {
        // By the field itself, which an index may have in order.
        [one] => one.field.dotted(),
        several => {
            stages.push(doc! { "$set": { "forgetd_at": latest(several) } });
            "forgetd_at".into()
        }
    };
    // Documents without a moment have none to tell.
    stages.push(doc! { "$match": { &at: { "$ne": mongodb::bson::Bson::Null } } });
    stages.extend([doc! { "$sort": { at: 1 } }, doc! { "$limit": 1 }]);
    let found = link.read("measure", &step.table.name, scope, stages).await?;
    Ok(found.first().and_then(|document| moment::counts(document, since, &fields)).map(|moment| moment.at))
}

/// The latest of several, as the server orders them.
fn latest(fields: &[Written]) -> Document {
    doc! { "$max": fields.iter().map(|written| written.field.value()).collect::<Vec<_>>() }
}

/// Counts the documents that hold a value of this shape at a path.
pub(crate) async fn count_shaped(link: &Link, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault> {
    let filter = shaped(path, shape).map_err(|refused| refused.into_fault(&link.place_of(&table.name)))?;
    let scope = Scope { lookups: vec![], own: Document::new(), filter, collated: false };
    Ok(link.count("count shaped", &table.name, &scope, scope.stages(None), None).await?)
}
