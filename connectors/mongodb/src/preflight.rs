//! What would keep a step from doing what it says. Reads only.

mod images;
mod kind;
mod native;
mod rights;
mod sharded;
mod since;
mod statements;
mod ttl;
mod unique;
mod validator;
mod version;

use forgetd_connector::{Cause, Fault, Finding, Notice, Step};

use crate::catalog;
use crate::connector::Shared;
use crate::error::unless_refused;
use crate::query::{Scope, unreachable};
pub(crate) use statements::{grants, index};

/// Everything that was found.
pub(crate) async fn check(shared: &Shared, step: &Step) -> Result<Vec<Finding>, Fault> {
    let link = &shared.link;
    let (name, place) = (&step.table.name, step.place(&link.context.database));
    if name.schema.as_deref() == Some(&link.context.control_name) {
        let message = "the collection is one of forgetd's own";
        return Ok(vec![Finding::blocks(Cause::TableKind, place, message).with_fix("take it out of the policy")]);
    }
    let found = catalog::look(link, name).await?.unwrap_or_default();
    let options = found.get_document("options").cloned().unwrap_or_default();
    let mut findings = vec![];
    findings.extend(kind::check(&found, &options, &shared.facts, &place));
    findings.extend(sharded::check(shared, step, &place).await?);
    let natives = native::check(link, step, &place).await?;
    if !natives.is_empty() {
        // Nothing else can be asked of the collection by this step.
        findings.extend(natives);
        return Ok(findings);
    }
    if let Some(look) = unreachable(step) {
        let there = format!("{}.{}", link.context.database, look.latest.table);
        let fix = "keep both collections in one database, or the moment in the document itself";
        findings.push(Finding::blocks(Cause::Unsupported, there, look.refused().what).with_fix(fix));
        return Ok(findings);
    }
    let scope = Scope::new(step, shared.joins_by_field(), &place)?;
    let indexes = catalog::indexes(link, name).await?;
    findings.extend(ttl::check(&indexes, step, &place));
    findings.extend(images::check(&options, &place));
    findings.extend(validator::check(&options, step, &place));
    findings.extend(unique::check(&indexes, step, &place));
    findings.extend(rights::check(link, step, &place).await?);
    findings.extend(since::check(link, step, &scope, &place).await?);
    findings.extend(version::check(link, step, &scope, &place).await?);
    findings.extend(logged(step, &place));
    Ok(findings)
}

/// Old values go over the wire in filters, and servers log filters that take long.
fn logged(step: &Step, place: &str) -> Option<Finding> {
    // Where a version is compared, the filter holds a number.
    step.rewrite().filter(|rewrite| rewrite.version.is_none())?;
    Some(Finding::informs(
        Notice::FiltersAreLogged,
        place,
        "an update's filter holds the values that it replaces: the server's slow-query log, profiler and currentOp can show them",
        "name a number that counts versions (`version:`), let the server redact its log (`security.redactClientLogData`), or \
         raise `slowOpThresholdMs` above a batch's time",
    ))
}
