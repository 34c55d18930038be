//! Whether documents hold the number that a rule compares instead of the values it replaces.

use forgetd_connector::{Cause, Fault, Finding, Notice, Step};
use mongodb::bson::{Document, doc};

use super::since::SAMPLE;
use crate::connect::Link;
use crate::profile::types;
use crate::query::{Field, Scope};

/// Types that count.
const NUMBERS: &[&str] = &["int", "long", "double"];

pub(super) async fn check(link: &Link, step: &Step, scope: &Scope, place: &str) -> Result<Option<Finding>, Fault> {
    let Some(version) = step.rewrite().and_then(|rewrite| rewrite.version.as_deref()) else { return Ok(None) };
    let field = Field::parse(version).map_err(|refused| refused.into_fault(place))?;
    let every = scope.with(Document::new(), vec![]);
    let mut stages = every.stages(None);
    stages.push(doc! { "$limit": SAMPLE });
    let found = types(link, &step.table.name, &every, stages, &field).await?;
    Ok(said(&found, version, &format!("{place}.{version}")))
}

/// What follows from how many of the documents looked at have which type there.
fn said(found: &[(String, u64)], version: &str, place: &str) -> Option<Finding> {
    let counts = |kind: &str| NUMBERS.contains(&kind);
    let others: Vec<String> =
        found.iter().filter(|(kind, _)| !counts(kind)).map(|(kind, rows)| format!("{rows} {kind}")).collect();
    if others.is_empty() {
        return None;
    }
    let looked: u64 = found.iter().map(|(_, rows)| rows).sum();
    let others = others.join(", ");
    let message =
        format!("of {looked} documents looked at, {others} hold no number at {version}; they are passed over");
    if !found.iter().any(|(kind, _)| counts(kind)) {
        return Some(Finding::blocks(Cause::VersionUnfit, place, message));
    }
    Some(Finding::warns(Notice::VersionMissing, place, message, Cause::VersionUnfit.fix()))
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Severity;

    use super::said;

    #[test]
    fn documents_without_a_number_are_counted_and_a_field_without_any_is_none() {
        for (found, severity, words) in [
            (&[][..], None, ""),
            (&[("double", 1), ("int", 2), ("long", 3)], None, ""),
            (
                &[("int", 2), ("missing", 3)],
                Some(Severity::Warning),
                "of 5 documents looked at, 3 missing hold no number",
            ),
            (&[("date", 4), ("missing", 1)], Some(Severity::Error), "4 date, 1 missing"),
        ] {
            let found: Vec<(String, u64)> = found.iter().map(|(kind, rows)| ((*kind).to_owned(), *rows)).collect();
            let said = said(&found, "v", "crm.shop.item.v");
            assert_eq!(said.as_ref().map(|said| said.severity), severity, "{found:?}");
            assert!(said.is_none_or(|said| said.message.contains(words)), "{found:?}");
        }
    }
}
