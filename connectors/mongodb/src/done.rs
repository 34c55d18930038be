//! Documents that a transform is done with, page by page in the order of their keys.

use std::sync::Arc;

use forgetd_connector::bulk::READ_BYTES_MAX;
use forgetd_connector::{DoneRows, Fault, FaultClass, Key, Step, Untouched};
use mongodb::bson::{Bson, Document, doc};

use crate::codec;
use crate::connect::Link;
use crate::error::Failure;
use crate::query::Scope;
use crate::rewrite::Rewriting;
use crate::sealed::among;
use crate::walk;

const OPERATION: &str = "read rows";

/// The next page behind a key; `scope` means the documents that are done. Where it ends is looked up first, so that no page
/// looks at more documents, however few of them are done.
pub(crate) async fn rows(
    link: &Link,
    step: &Step,
    scope: &Scope,
    after: Option<&Key>,
    rows_max: u32,
) -> Result<DoneRows, Fault> {
    let (table, place) = (&step.table.name, link.place_of(&step.table.name));
    let fault = |detail: &str| Fault::new(FaultClass::Internal, OPERATION, &place).with_detail(detail);
    let rewrite = step.rewrite().ok_or_else(|| fault("no rewrite"))?;
    let rewriting = Rewriting::new(rewrite, &step.selection.undone, Arc::new(Untouched), &place)?;
    let every = scope.with(Document::new(), vec![]);
    let after = match after {
        Some(key) => Some(walk::id(key).ok_or_else(|| fault("a key is none of ours"))?),
        None => None,
    };
    let mut stages = every.stages(after.as_ref().map(walk::behind));
    let rows_max = rows_max.max(1);
    stages.extend([
        doc! { "$sort": { "_id": 1 } },
        doc! { "$limit": i64::from(rows_max) },
        doc! { "$project": { "_id": 1 } },
    ]);
    let found = link.read(OPERATION, table, &every, stages).await?;
    let keys: Vec<Bson> = found.into_iter().filter_map(|mut found| found.remove("_id")).collect();
    let Some(last) = keys.last().cloned() else { return Ok(DoneRows::default()) };
    let next = (keys.len() as u64 >= u64::from(rows_max)).then_some(last);
    let mut stages = scope.stages(Some(among(&keys)));
    stages.extend([doc! { "$sort": { "_id": 1 } }, doc! { "$project": rewriting.projection() }]);
    // Few at a time: documents can be large.
    let mut cursor = link.open(OPERATION, table, scope, stages, 50).await?;
    let key = |id: &Bson| Key(vec![codec::value(id)]);
    let (mut page, mut bytes) = (DoneRows { rows: vec![], next: next.as_ref().map(key) }, 0);
    while link.call(OPERATION, &place, cursor.advance()).await? {
        let document = cursor.deserialize_current().map_err(|error| Failure::of(&error, OPERATION, &place))?;
        bytes += document.to_vec().map_or(0, |bytes| bytes.len());
        page.rows.push(rewriting.old(&document));
        if bytes as u64 >= READ_BYTES_MAX {
            page.next = document.get("_id").map(key);
            break;
        }
    }
    Ok(page)
}
