//! Whether the tables are still those that the rule was approved for. Pure.

use forgetd_connector::Cause;

use super::{Book, Standing, Stop};

/// `catalog` is the digest of what the rule depends on now.
pub(super) fn check(book: &Book, standing: Standing, catalog: &str) -> Option<Stop> {
    let approved = book.approved.as_ref()?;
    // Whatever is there when a wait ends is what was waited for.
    if standing == Standing::Waited || approved.catalog_digest == catalog {
        return None;
    }
    let text = format!(
        "columns, key or references that the rule depends on are not what they were when it was approved at {}",
        approved.at
    );
    Some((Cause::CatalogDrift, text))
}
