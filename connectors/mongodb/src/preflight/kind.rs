//! Collections that are more than documents beside each other.

use forgetd_connector::{Cause, Facts, Finding, Notice};
use mongodb::bson::Document;

use crate::codec::Fields as _;

/// From here on a capped collection lets documents be deleted.
const CAPPED_DELETES: (u16, u16, u16) = (5, 0, 7);

pub(super) fn check(found: &Document, options: &Document, facts: &Facts, place: &str) -> Option<Finding> {
    if options.contains_key("timeseries") || found.says("type", "timeseries") {
        let message = "the collection is a time series, whose documents have no keys of their own";
        let fix = "let it expire by `expireAfterSeconds`, or take it out of the policy";
        return Some(Finding::blocks(Cause::TableKind, place, message).with_fix(fix));
    }
    if !options.is_true("capped") {
        return None;
    }
    if facts.product == "MongoDB" && version(&facts.version) < CAPPED_DELETES {
        let message = "the collection is capped, and this server deletes nothing from such a one (5.0.7 does)";
        return Some(Finding::blocks(Cause::TableKind, place, message));
    }
    Some(Finding::warns(
        Notice::OtherRetention,
        place,
        "the collection is capped: the server drops its oldest documents by itself, whatever the rule keeps",
        "take it out of the policy, or make it an ordinary collection",
    ))
}

fn version(text: &str) -> (u16, u16, u16) {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Durability, Facts, Severity};
    use mongodb::bson::doc;

    use super::check;

    #[test]
    fn what_is_capped_or_a_time_series_is_said() {
        for (version, options, severity) in [
            ("8.0.4 (standalone)", doc! {}, None),
            ("5.0.6 (replica set)", doc! { "capped": true }, Some(Severity::Error)),
            ("5.0.7 (replica set)", doc! { "capped": true }, Some(Severity::Warning)),
            ("8.0.4 (sharded)", doc! { "timeseries": { "timeField": "t" } }, Some(Severity::Error)),
        ] {
            let facts = Facts {
                product: "MongoDB".into(),
                known: &crate::PRODUCTS[0],
                version: version.into(),
                identity: String::new(),
                durability: Durability::Full,
                read_only: false,
                pooler: None,
                tls: None,
                probed: None,
            };
            let found = check(&doc! {}, &options, &facts, "crm.shop.c");
            assert_eq!(found.map(|finding| finding.severity), severity, "{version} {options}");
        }
    }
}
