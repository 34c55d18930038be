//! forgetd's own tables in a user's database server.

use async_trait::async_trait;

use crate::{Fault, Generation, Leases, LogStore, Receipts, Requests, Rulebook, Runs, Standings};

/// The control tables of one database. Only [`Control::install`] runs DDL.
#[async_trait]
pub trait Control: Leases + Receipts + Runs + Rulebook + Standings + Requests + LogStore {
    /// The DDL that `install` would run, for a DBA to read or run.
    fn ddl(&self) -> String;

    /// The statements that grant `role` exactly what the daemon needs on the control tables.
    fn grants(&self, role: &str) -> String;

    /// Creates what is missing and upgrades what is older. Running it again changes nothing.
    async fn install(&self) -> Result<Installed, Fault>;

    /// What is there. Reads only.
    async fn inspect(&self) -> Result<ControlState, Fault>;

    /// Replaces the generation after a restore was approved.
    async fn new_generation(&self) -> Result<Generation, Fault>;

    /// Closes the session that is idle between two calls, if there is one; the next call makes another. For who looks again
    /// and again and does nothing meanwhile: he holds no connection, and passes for nobody who is at work on the server.
    fn let_go(&self) {}
}

/// What `install` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The tables were created.
    Created(Generation),
    /// They were there and complete.
    Unchanged(Generation),
}

/// What the control tables look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// Not there, incomplete, or emptied; with the names of what is missing.
    Missing(Vec<String>),
    /// There, in a version this binary cannot work with.
    OtherVersion(u32),
    /// There, but the role lacks privileges on these.
    Denied(Vec<String>),
    /// Usable.
    Ready(Generation),
}
