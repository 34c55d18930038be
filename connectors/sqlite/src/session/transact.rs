//! What can become of a transaction.

use forgetd_connector::{Cause, Commit, Fault, FaultClass};

/// Why a transaction did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another holder's term stands in the fence row, or its receipt took the sequence.
    Fenced,
    /// Anything else.
    Fault(Fault),
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Transacted<T> {
    /// Committed.
    Done(T),
    /// Nothing of it remains.
    Refused(Refusal),
    /// COMMIT failed in a way that tells nothing.
    Unknown(Fault),
}

// === impl Refusal, Transacted ===

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Refusal {
    /// As a fault, for calls that know no other answer.
    pub(crate) fn into_fault(self, operation: &'static str, place: &str) -> Fault {
        match self {
            Self::Fenced => Fault::new(FaultClass::Blocked(Cause::Fenced), operation, place),
            Self::Fault(fault) => fault,
        }
    }
}

impl<T> Transacted<T> {
    /// For calls that can be repeated safely: anything but done is a fault.
    pub(crate) fn into_result(self, operation: &'static str, place: &str) -> Result<T, Fault> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Refused(refusal) => Err(refusal.into_fault(operation, place)),
            Self::Unknown(fault) => Err(fault),
        }
    }

    /// For calls whose fate matters.
    pub(crate) fn into_commit(self) -> Commit {
        match self {
            Self::Done(_) => Commit::Committed,
            Self::Refused(Refusal::Fenced) => Commit::Fenced,
            Self::Refused(Refusal::Fault(fault)) => Commit::RolledBack(fault),
            Self::Unknown(fault) => Commit::Unknown(fault),
        }
    }
}
