//! What lasts as long as a lease is held, over any number of sessions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use forgetd_connector::{Cause, Connector, Fault, FaultClass};
use jiff::{SignedDuration, Timestamp};

use super::{Refused, relay};
use crate::clock;
use crate::config::Config;
use crate::evidence::{Databases, EvidenceFault, OwnMemory, Relay};
use crate::keys::EvidenceKey;
use crate::lease::{self, Claim, Refusal};
use crate::rules::Policy;

/// After this long the whole log is checked again, as if the lease had been taken just now.
const TRUST_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A held lease, the evidence log as this process knows it, and what was brought in order under this term.
pub struct Tenure {
    pub(in crate::run) claim: Claim,
    pub(super) relay: Relay,
    /// Whether the log was compared with everything that remembers it, and nothing shook the trust in it since.
    trusted: Cell<bool>,
    /// When that was.
    trusted_at: Cell<Option<Timestamp>>,
    /// Sealed rules whose lanes were closed against earlier holders.
    closed: RefCell<BTreeSet<String>>,
    /// The policy that evidence was last told of.
    policy: RefCell<Option<Policy>>,
}

// === impl Tenure ===

impl Tenure {
    /// Takes the lease, waiting up to `wait` for a living holder. Who serves answers requests, and its name says so; it
    /// remembers what it wrote from one lease to the next, which is what `serves` holds.
    /// Nobody takes one where the server says that it only reads: who may write there all the same would write into a
    /// copy.
    pub async fn take(
        config: &Config,
        home: &dyn Connector,
        key: &EvidenceKey,
        wait: Duration,
        serves: Option<&OwnMemory>,
    ) -> Result<Self, Refused> {
        if home.facts().read_only {
            let place = config.home().map_or("", |home| home.name.as_str());
            let fault = Fault::new(FaultClass::Blocked(Cause::ReadOnly), "take the lease", place);
            return Err(Refused::Unavailable(fault));
        }
        let claim =
            match lease::take(home.control(), &lease::holder(serves.is_some()), &config.coordination, wait).await {
                Ok(claim) => claim,
                Err(Refusal::Taken(lease)) => return Err(Refused::NotHolder(lease)),
                Err(Refusal::Locked(fault)) => return Err(Refused::Locked(fault)),
                Err(Refusal::Fault(fault)) => return Err(Refused::Unavailable(fault)),
            };
        tracing::info!(term = claim.term(), "lease taken");
        let mut relay = relay(config, key).map_err(Refused::Evidence)?;
        if let Some(own) = serves {
            relay = relay.remembering(own.clone());
        }
        let (closed, policy) = (RefCell::default(), RefCell::default());
        Ok(Self { claim, relay, trusted: Cell::new(false), trusted_at: Cell::new(None), closed, policy })
    }

    /// The held lease.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The log as this process writes it.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// When the log was last compared with everything that remembers it.
    pub fn trusted_at(&self) -> Option<Timestamp> {
        self.trusted_at.get()
    }

    /// The policy that evidence was last told of under this lease.
    pub(super) fn policy(&self) -> Option<Policy> {
        self.policy.borrow().clone()
    }

    /// Evidence was told of this one.
    pub(super) fn announced(&self, policy: &Policy) {
        self.policy.replace(Some(policy.clone()));
    }

    /// The next session compares the log with everything that remembers it, and closes every sealed lane, as if the
    /// lease had been taken just now: a database was away, or something was found that cannot be.
    pub fn doubt(&self) {
        self.trusted.set(false);
        self.closed.borrow_mut().clear();
    }

    /// Compares the log with everything that remembers it, unless that was done under this term and not long ago, and a
    /// glance finds it as it was left.
    pub(super) async fn trust(&self, databases: &Databases<'_>) -> Result<(), EvidenceFault> {
        let fresh = |at: Timestamp| clock::now().duration_since(at) < TRUST_FOR;
        if self.trusted.get() && self.trusted_at.get().is_some_and(fresh) {
            if self.relay.is_as_left(databases).await {
                return Ok(());
            }
            // What is looked at anew is brought in order anew.
            self.doubt();
        }
        self.relay.start(databases).await?;
        self.trusted.set(true);
        self.trusted_at.set(Some(clock::now()));
        Ok(())
    }

    /// Whether this rule's lane was closed against earlier holders.
    pub(super) fn is_closed(&self, rule: &str) -> bool {
        self.closed.borrow().contains(rule)
    }

    /// Its lane is closed against earlier holders.
    pub(super) fn close(&self, rule: &str) {
        self.closed.borrow_mut().insert(rule.into());
    }

    /// A run of the rule broke off: what it left open is brought to its end before the next one.
    pub(super) fn reopen(&self, rule: &str) {
        self.closed.borrow_mut().remove(rule);
    }
}
