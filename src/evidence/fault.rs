//! What keeps the evidence log from going on.

use std::fmt;

use forgetd_connector::{Cause, Fault, ReceiptKey};

/// A failure of the evidence log, safe to print: names, numbers and hashes, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFault {
    /// Why, as verdicts and metrics name it. [`Cause::Restored`] and [`Cause::Evidence`] need a person.
    pub cause: Cause,
    /// Where: a database by its name in the policy, or a path.
    pub place: String,
    /// What was found.
    pub found: String,
}

// === impl EvidenceFault ===

impl EvidenceFault {
    /// A fault found at `place`.
    pub fn new(cause: Cause, place: impl Into<String>, found: impl Into<String>) -> Self {
        Self { cause, place: place.into(), found: found.into() }
    }

    /// An earlier state was put back.
    pub fn restored(place: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Cause::Restored, place, found)
    }

    /// The log or a receipt is not what it must be.
    pub fn evidence(place: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Cause::Evidence, place, found)
    }

    /// A receipt is not what forgetd wrote.
    pub fn receipt(database: &str, key: &ReceiptKey, found: &str) -> Self {
        Self::evidence(database, format!("receipt {key} {found}"))
    }
}

impl From<Fault> for EvidenceFault {
    /// A fault of the edge keeps its cause, so that an unreachable database is not taken for a broken log.
    fn from(fault: Fault) -> Self {
        Self { cause: fault.cause(), found: fault.to_string(), place: fault.place }
    }
}

impl fmt::Display for EvidenceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}): {}", self.place, self.found, self.cause, self.cause.fix())
    }
}

impl std::error::Error for EvidenceFault {}
