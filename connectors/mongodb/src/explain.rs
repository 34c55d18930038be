//! How the server would run a step's statements, by its own account.

use forgetd_connector::{Explained, Fault, Step};
use mongodb::bson::{Bson, Document, doc};

use crate::connect::Link;
use crate::query::Scope;

/// Members of a plan in which literals and counters of the moment stand.
const HIDDEN: &[&str] = &[
    "parsedQuery",
    "filter",
    "indexBounds",
    "command",
    "serverInfo",
    "serverParameters",
    "$clusterTime",
    "operationTime",
    "indexFilter",
    "Index Cond",
    "Filter",
    "pipeline",
    "queryHash",
    "planCacheKey",
    "planCacheShapeHash",
    "queryShapeHash",
];

/// Deeper plans are cut.
const DEPTH_MAX: usize = 24;

/// The plan of each statement. Runs none of them.
pub(crate) async fn explain(link: &Link, step: &Step, scope: &Scope) -> Result<Vec<Explained>, Fault> {
    let name = &step.table.name.name;
    let mut peek = scope.stages(None);
    peek.extend([doc! { "$sort": { "_id": 1 } }, doc! { "$project": { "_id": 1 } }]);
    let mut count = scope.stages(None);
    count.push(doc! { "$count": "n" });
    // Some servers explain no delete: its filter by a key is what it finds its documents with.
    let change = vec![doc! { "$match": { "$and": [{ "_id": { "$in": [Bson::Null] } }, scope.own.clone()] } }];
    let mut explained = vec![];
    for (statement, pipeline) in [("peek", peek), ("change", change), ("count", count)] {
        let command = doc! {
            "explain": { "aggregate": name, "pipeline": pipeline, "cursor": {} }, "verbosity": "queryPlanner",
        };
        let place = link.place_of(&step.table.name);
        let plan = link.call("explain", &place, link.database_of(&step.table.name).run_command(command)).await?;
        let mut lines = vec![];
        shown(&plan, 0, &mut lines);
        explained.push(Explained { statement: statement.into(), text: lines.join("\n") });
    }
    Ok(explained)
}

fn shown(plan: &Document, depth: usize, lines: &mut Vec<String>) {
    if depth > DEPTH_MAX {
        return;
    }
    for (name, value) in plan.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str()) && *name != "ok") {
        let indent = "  ".repeat(depth);
        match value {
            Bson::Document(inner) => {
                lines.push(format!("{indent}{name}:"));
                shown(inner, depth + 1, lines);
            }
            Bson::Array(inner) => {
                lines.push(format!("{indent}{name}:"));
                for inner in inner.iter().filter_map(Bson::as_document) {
                    shown(inner, depth + 1, lines);
                }
            }
            value => lines.push(format!("{indent}{name}: {value}")),
        }
    }
}
