//! The keys of pseudonyms as a session has them: those of its files, and the domains that may not use theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;
use crate::config::Config;
use crate::keys::{DomainKeys, Keyring, PseudonymKey, ring};

/// Every domain's keys, and what keeps some from making tokens.
pub(super) struct Pseudonyms {
    ring: Arc<Keyring>,
    /// Why a domain makes no tokens although it has a key for them.
    barred: Mutex<BTreeMap<String, String>>,
}

// === impl Pseudonyms ===

impl Pseudonyms {
    /// The keys of a configuration; none where one of them cannot be had. What is wrong with them is said, and stops the rules
    /// that pseudonymize, no others.
    pub(super) fn of(config: &Config) -> Self {
        let ring = ring(&config.pseudonym_keys, clock::now()).unwrap_or_else(|problems| {
            for problem in problems {
                tracing::error!("{problem}");
            }
            Keyring::default()
        });
        Self { ring: Arc::new(ring), barred: Mutex::default() }
    }

    /// The keys themselves: what recognises tokens is never barred.
    pub(super) const fn ring(&self) -> &Arc<Keyring> {
        &self.ring
    }

    /// The domain makes no tokens from now on.
    pub(super) fn bar(&self, domain: &str, why: String) {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner).insert(domain.into(), why);
    }

    /// The key with which the domain makes tokens, or why there is none.
    pub(super) fn active(&self, domain: &str) -> Result<&PseudonymKey, String> {
        if let Some(why) = self.barred.lock().unwrap_or_else(PoisonError::into_inner).get(domain) {
            return Err(format!("domain {domain} makes no tokens: {why}"));
        }
        let active = self.ring.domain(domain).and_then(DomainKeys::active);
        let active = active.filter(|key| key.makes_tokens());
        active.ok_or_else(|| format!("domain {domain} has no key that makes tokens now"))
    }
}
