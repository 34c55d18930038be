//! What `check --connect` says about pseudonym keys.

use forgetd_connector::{Cause, Finding};

use crate::clock;
use crate::config::Config;
use crate::keys::{self, DomainKeys};
use crate::rules::Transform;

/// Keys that cannot be had, and domains in which a rule could make no tokens now.
pub(in crate::cli) fn findings(config: &Config) -> Vec<Finding> {
    let ring = match keys::ring(&config.pseudonym_keys, clock::now()) {
        Ok(ring) => ring,
        Err(problems) => {
            let broken = |problem: crate::config::Problem| {
                Finding::blocks(Cause::PseudonymKey, problem.place, problem.message).with_fix(problem.fix)
            };
            return problems.into_iter().map(broken).collect();
        }
    };
    let rules = config.policy.rules.iter().filter_map(|rule| rule.transform());
    let mut domains: Vec<&str> = rules.flat_map(Transform::domains).collect();
    domains.sort_unstable();
    domains.dedup();
    domains.retain(|domain| ring.domain(domain).and_then(DomainKeys::active).is_none());
    let without = |domain: &str| {
        let message = "no key of the domain makes tokens now: they are destroyed, or active later";
        Finding::blocks(Cause::PseudonymKey, format!("pseudonym_keys: {domain}"), message)
    };
    domains.into_iter().map(without).collect()
}
