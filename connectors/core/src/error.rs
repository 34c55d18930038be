//! What can go wrong at the edge of a database, in closed classes.
//!
//! Driver messages can hold values of rows (a unique violation prints the key), so a connector never passes them on:
//! it keeps the engine's code and the names of things, and drops the text.

use std::fmt;

use crate::Cause;

/// What a failure means for the batch that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultClass {
    /// One row is to blame: halve the batch until it is alone, then pass over it.
    Row(Cause),
    /// A lock was not granted within `lock_wait_ms`: walk again and skip locked rows.
    Locked,
    /// Somebody keeps a whole table locked: no row is to blame, and no other batch gets further before they let go.
    LockedWhole,
    /// Deadlock, serialization failure and the like: roll back, begin again from the fence.
    Transient,
    /// The statement ran into a timeout: smaller batches may pass.
    Timeout,
    /// The connection is gone; what was under way is unknown.
    Disconnected,
    /// The server cannot be reached at all.
    Unreachable,
    /// The rule cannot go on, for this reason.
    Blocked(Cause),
    /// The role cannot see what it would have to see.
    Blind(Cause),
    /// A defect of forgetd, or an answer of the server that has no better class.
    Internal,
}

/// A failure, safe to print: names and codes, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub class: FaultClass,
    /// What was being done, for example `change` or `insert receipt`.
    pub operation: &'static str,
    /// Where: `database`, `database.table` or `database.table.column`.
    pub place: String,
    /// The engine's own code, for example an SQLSTATE.
    pub code: Option<String>,
    /// The name of the constraint, trigger or setting involved, or another name that is safe to print.
    pub detail: Option<String>,
}

/// What became of a commit. The outcome of COMMIT alone is never asked: `Committed` says that the receipt was inserted
/// and the commit succeeded on the same connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Effect and receipt are durable.
    Committed,
    /// Nothing of it remains.
    RolledBack(Fault),
    /// Another holder's term stands in the fence row, or its receipt took this sequence. Nothing of ours remains.
    Fenced,
    /// The answer was lost. Settle it before anything else happens in this lane.
    Unknown(Fault),
}

// === impl Fault ===

impl Fault {
    /// A fault of `class` met while doing `operation` at `place`.
    pub fn new(class: FaultClass, operation: &'static str, place: impl Into<String>) -> Self {
        Self { class, operation, place: place.into(), code: None, detail: None }
    }

    /// The same fault with the engine's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same fault with a safe name that helps to find it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The cause a run ends with when nothing can be done about this fault.
    pub const fn cause(&self) -> Cause {
        match self.class {
            FaultClass::Row(cause) | FaultClass::Blocked(cause) | FaultClass::Blind(cause) => cause,
            FaultClass::Locked | FaultClass::LockedWhole => Cause::Locked,
            FaultClass::Timeout => Cause::StatementTimeout,
            FaultClass::Disconnected | FaultClass::Unreachable => Cause::Unreachable,
            FaultClass::Transient | FaultClass::Internal => Cause::Internal,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} failed: {}", self.place, self.operation, self.cause())?;
        if let Some(code) = &self.code {
            write!(f, " (code {code})")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
