//! Collections that lie in shards: the shard key has to be known, and stays as it is.

use forgetd_connector::{Cause, Fault, Finding, Notice, Step};

use crate::connector::Shared;
use crate::shard::{self, Lies, ShardKey};

pub(super) async fn check(shared: &Shared, step: &Step, place: &str) -> Result<Vec<Finding>, Fault> {
    Ok(match shard::of(shared, &step.table.name, place).await? {
        Lies::Together => vec![],
        Lies::Apart(key) => moved(&key, step, place).into_iter().chain(logged(&key, step, place)).collect(),
        Lies::Unknown => {
            let (message, fix) = shard::UNKNOWN;
            vec![Finding::blocks(Cause::Unsupported, place, message).with_fix(fix)]
        }
    })
}

/// Each change names its document's shard key. A transform that compares old values says so of all of them.
fn logged(key: &ShardKey, step: &Step, place: &str) -> Option<Finding> {
    let compares = step.rewrite().is_some_and(|rewrite| rewrite.version.is_none());
    let fields: Vec<String> = key.beside_id().map(|field| field.dotted()).collect();
    if compares || fields.is_empty() {
        return None;
    }
    let message = format!(
        "the filter of each change holds the document's {}, its shard key: the server's slow-query log, profiler and currentOp can \
         show it",
        fields.join(" and ")
    );
    let fix = "let the server redact its log (`security.redactClientLogData`), or raise `slowOpThresholdMs` above a batch's time";
    Some(Finding::informs(Notice::FiltersAreLogged, place, message, fix))
}

/// What a transform would write into the shard key.
fn moved(key: &ShardKey, step: &Step, place: &str) -> Vec<Finding> {
    let Some(rewrite) = step.rewrite() else { return vec![] };
    let places = rewrite.places.iter().map(|place| place.path.to_string());
    let marker = rewrite.marker.iter().map(|marker| marker.column.clone());
    let written = places.chain(marker).chain(rewrite.version.clone());
    let met = written.filter_map(|path| Some((key.is_written_by(&path.replace("[]", ""))?, path)));
    met.map(|(name, path)| {
        let message = format!("{name} decides in which shard a document lies");
        Finding::blocks(Cause::TransformUnfit, format!("{place}.{path}"), message)
            .with_fix("take the field out of the rule")
    })
    .collect()
}
