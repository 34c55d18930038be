//! Which parts of a file may be shown in messages: what is not on the list may be a secret, or somebody's data.

use super::{
    node::{Key, Kind, Node},
    place::Span,
    raw_where::{KEYWORDS, OPERATORS},
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
    "batch_ms_target",
    "rows_per_second_max",
    "share_beside_others",
    "replica_lag_secs_max",
    "log_kept_mib_max",
    "active_sessions_max",
    "pause_secs_max",
    "unsupported_engine",
    "from",
    "to",
    "days",
    "store",
    "origin",
    "receipt_keep",
    "receipts_pending_max",
    "listen",
    "schedule",
    "cron",
    "starting_deadline",
    "zone",
    "legal_basis",
    "rows_max",
    "share_max",
    "times_usual",
    "cool_off",
    "when_null",
    "use",
    "database",
    "table",
    "keep_for",
    "since",
    "column",
    "greatest",
    "latest",
    "on",
    "or",
    "as",
    "action",
    "mode",
    "rows_per_run",
    "rows",
    "id",
    "domain",
    "active_from",
    "approvals_required",
];

/// Mappings and lists whose keys may be shown, and, below keys of [`SHOWN`], their values. `where` is not among them:
/// even a key there may be a value that lost its column, so only the grammar's own words are shown.
const ENTERED: &[&str] = &[
    "databases",
    "throttle",
    "veto",
    "replicas",
    "quiet",
    "evidence",
    "defaults",
    "rules",
    "guard",
    "cap",
    "url",
    "signing_key",
    "remember",
    "pseudonym_keys",
    "kek",
    "approvers",
];

/// Every key and value of a tree, with what may be shown. The values of duplicate keys are not known, so not shown.
pub(super) fn spans(root: &Node, duplicates: &[(Key, u32)]) -> Vec<Span> {
    let mut spans = vec![];
    collect(root, "", true, &mut spans);
    spans.extend(duplicates.iter().map(|(key, _)| span(key, true)));
    spans
}

fn span(key: &Key, visible: bool) -> Span {
    Span { bytes: key.span.clone(), visible: visible && words::plain(&key.name) }
}

/// `name` is the key the node stands under; `shown` whether its keys, or its own value, may be shown.
fn collect(node: &Node, name: &str, shown: bool, spans: &mut Vec<Span>) {
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                spans.push(span(key, shown));
                // Both sides of `on` are columns.
                let below = if name == "on" { name } else { key.name.as_str() };
                if below == "where" {
                    condition(value, spans);
                    continue;
                }
                let container = matches!(value.kind, Kind::Map(_) | Kind::List(_));
                // The names of databases are free.
                let entered = container && (ENTERED.contains(&below) || name == "databases");
                collect(value, below, shown && (entered || SHOWN.contains(&below)), spans);
            }
        }
        Kind::List(items) => {
            for item in items {
                collect(item, name, shown, spans);
            }
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::Text { .. }
        | Kind::Untyped(_)
        | Kind::Odd(_) => spans.push(Span { bytes: node.span.clone(), visible: shown && SHOWN.contains(&name) }),
    }
}

/// What stands below `where`.
fn condition(node: &Node, spans: &mut Vec<Span>) {
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                let word = key.name.as_str();
                spans.push(span(key, KEYWORDS.contains(&word) || OPERATORS.contains(&word)));
                condition(value, spans);
            }
        }
        Kind::List(items) => items.iter().for_each(|item| condition(item, spans)),
        _ => spans.push(Span { bytes: node.span.clone(), visible: false }),
    }
}
