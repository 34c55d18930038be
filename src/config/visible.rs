//! Which parts of a file may be shown in messages: what is not on the list may be a secret, or somebody's data.

use super::{
    node::{Key, Kind, Node},
    place::Span,
    words,
};

/// Keys whose values cannot be secret. URLs, paths, purposes and everything below `where` are not among them.
const SHOWN: &[&str] = &[
    "version",
    "instance",
    "coordination",
    "lease",
    "home",
    "control",
    "name",
    "at",
    "lock_wait_ms",
    "region",
    "max_connections",
    "batch_rows_max",
    "store",
    "origin",
    "receipt_keep",
    "receipts_pending_max",
    "schedule",
    "cron",
    "zone",
    "legal_basis",
    "rows_max",
    "share_max",
    "cool_off",
    "when_null",
    "use",
    "database",
    "table",
    "keep_for",
    "since",
    "column",
    "as",
    "action",
    "mode",
    "rows_per_run",
    "rows",
];

/// Mappings and lists that are looked into.
const ENTERED: &[&str] = &["databases", "throttle", "evidence", "defaults", "rules", "guard", "cap"];

/// Every key and value of a tree, with what may be shown. The values of duplicate keys are not known, so not shown.
pub(super) fn spans(root: &Node, duplicates: &[(Key, u32)]) -> Vec<Span> {
    let mut spans = vec![];
    collect(root, true, &mut spans);
    spans.extend(duplicates.iter().map(|(key, _)| span(key)));
    spans
}

fn span(key: &Key) -> Span {
    Span { bytes: key.span.clone(), visible: words::plain(&key.name) }
}

fn collect(node: &Node, visible: bool, spans: &mut Vec<Span>) {
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                // Names of columns are names of the policy; what they are compared with is data.
                let shown = visible && words::plain(&key.name);
                spans.push(span(key));
                let name = key.name.as_str();
                let container = matches!(value.kind, Kind::Map(_) | Kind::List(_));
                // The names of databases are free; what they hold is checked by its own keys.
                let below = SHOWN.contains(&name) || ENTERED.contains(&name) || (container && name != "where");
                collect(value, shown && below, spans);
            }
        }
        Kind::List(items) => {
            for item in items {
                collect(item, visible, spans);
            }
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::Text { .. }
        | Kind::Untyped(_)
        | Kind::Odd(_) => spans.push(Span { bytes: node.span.clone(), visible }),
    }
}
