//! Who may act, and the fence that keeps a stale holder out.

use async_trait::async_trait;

use crate::Fault;

/// The lease row of an instance, in its home database, on that database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The process that has it.
    pub holder: String,
    /// Its number; grows by one with every takeover, never falls.
    pub term: u64,
    /// Whether it has not expired yet, by the database's clock.
    pub alive: bool,
    /// Milliseconds until it expires; 0 when it has.
    pub left_ms: u64,
}

/// A wish to hold the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseClaim {
    /// A name unique to the process.
    pub holder: String,
    /// How long the lease lasts.
    pub duration_ms: u64,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours under this term.
    Held {
        /// The new term.
        term: u64,
    },
    /// Somebody else's is alive.
    Taken(Lease),
}

/// The answer to raising a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceRaise {
    /// The fence holds our term now; every transaction of an older one is over or will fail.
    Raised,
    /// It already holds this later term: we are stale.
    Later(u64),
}

/// Lease and fence. They are two rows: a batch's share lock on the fence must not block the renewal of the lease.
#[async_trait]
pub trait Leases: Send + Sync {
    /// The lease row, if there is one.
    async fn lease(&self) -> Result<Option<Lease>, Fault>;

    /// Takes the lease by compare-and-swap if it is free, expired, or `force` is set (no coordination).
    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault>;

    /// Prolongs it. False: the row no longer names this holder and term.
    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault>;

    /// Gives it up so that a successor need not wait. Somebody else's lease is left alone.
    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault>;

    /// Raises this database's fence to `term`. Waits for transactions that hold it, bounded by the lease time.
    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault>;
}
