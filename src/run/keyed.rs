//! What computes the new values of a rule's rows: the places that its step writes, and the keys of its domains.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{Cause, Fault, FaultClass, Step, Transform, Untouched};

use super::pseudonyms::Pseudonyms;
use crate::plan;
use crate::rules::{self, Rule};
use crate::transform::KeyedTransform;

/// [`keyed`], as lanes take it. A rule that deletes computes nothing.
pub(super) fn transform(
    rule: &Rule,
    step: &Step,
    keys: &Pseudonyms,
    database: &str,
) -> Result<Arc<dyn Transform>, Fault> {
    Ok(lane(keyed(rule, step, keys, database)?))
}

/// A transform as lanes take it.
pub(super) fn lane(keyed: Option<Arc<KeyedTransform>>) -> Arc<dyn Transform> {
    match keyed {
        Some(keyed) => keyed,
        None => Arc::new(Untouched),
    }
}

/// The transform of `rule`, whose step in `database` is this one, if it is none that deletes; or the fault that names the domain
/// which has no key that makes tokens.
pub(super) fn keyed(
    rule: &Rule,
    step: &Step,
    keys: &Pseudonyms,
    database: &str,
) -> Result<Option<Arc<KeyedTransform>>, Fault> {
    let Some(transform) = rule.transform() else { return Ok(None) };
    for domain in transform.domains() {
        if let Err(why) = keys.active(domain) {
            let fault = Fault::new(FaultClass::Blocked(Cause::PseudonymKey), "make tokens", step.place(database));
            return Err(fault.with_detail(why));
        }
    }
    Ok(Some(Arc::new(KeyedTransform::new(plan::treated(transform, &step.table), Arc::clone(keys.ring())))))
}

/// The key that makes tokens of each domain which the rule names: what its evidence says.
pub(super) fn active(rule: &Rule, keys: &Pseudonyms) -> BTreeMap<String, String> {
    let domains = rule.transform().map(rules::Transform::domains).unwrap_or_default();
    let key = |domain: &str| Some((domain.to_owned(), keys.active(domain).ok()?.named()));
    domains.into_iter().filter_map(key).collect()
}
