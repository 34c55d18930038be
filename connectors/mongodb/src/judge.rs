//! Why one document goes or stays.

use forgetd_connector::{Clause, ClauseOf, Fault, Judged, Key, Step};
use mongodb::bson::{Bson, Document, doc};

use crate::connect::Link;
use crate::error::Failure;
use crate::moment;
use crate::query::{Asked, Scope};
use crate::walk;

const OPERATION: &str = "judge";

/// Asks every condition about the document with this key.
pub(crate) async fn judge(
    link: &Link,
    step: &Step,
    scope: &Scope,
    joins_by_field: bool,
    key: &Key,
) -> Result<Option<Judged>, Fault> {
    let meant = doc! { "_id": { "$in": walk::meant(key) } };
    let all = scope.with(meant, vec![]);
    let found = link.read(OPERATION, &step.table.name, &all, limited(all.stages(None))).await?;
    let Some(document) = found.first() else { return Ok(None) };
    let id = document.get("_id").cloned().unwrap_or(Bson::Null);
    let mut clauses = vec![];
    for asked in scope.clauses(step, joins_by_field, &link.place_of(&step.table.name))? {
        clauses.push(clause(link, step, &asked, &id, document).await?);
    }
    Ok(Some(Judged { due: holds(link, step, scope, &id).await?, clauses }))
}

async fn clause(link: &Link, step: &Step, asked: &Asked, id: &Bson, document: &Document) -> Result<Clause, Failure> {
    let moments = asked.moments.iter().filter_map(|written| moment::of(document, written));
    let at = moments.map(|moment| moment.at).max();
    let holds_there = holds(link, step, &asked.holds, id).await?;
    let holds = match (&asked.fails, holds_there) {
        (_, true) => Some(true),
        (None, false) => Some(false),
        (Some(fails), false) => holds(link, step, fails, id).await?.then_some(false),
    };
    let moment = matches!(asked.what, ClauseOf::Since | ClauseOf::Kept(_)).then_some(at).flatten();
    Ok(Clause { what: asked.what.clone(), holds, moment })
}

async fn holds(link: &Link, step: &Step, scope: &Scope, id: &Bson) -> Result<bool, Failure> {
    let key = doc! { "_id": { "$in": [id.clone()] } };
    Ok(link.count(OPERATION, &step.table.name, scope, scope.stages(Some(key)), Some(1)).await? > 0)
}

fn limited(mut stages: Vec<Document>) -> Vec<Document> {
    stages.push(doc! { "$limit": 1 });
    stages
}
