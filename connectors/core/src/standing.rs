//! How each rule stands, as the control tables remember it for whoever acts next.

use async_trait::async_trait;

use crate::{Commit, Fault};

/// How a rule stands, as the home database remembers it: JSON that the daemon writes and reads. No value of the user's
/// tables is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRow {
    /// The rule.
    pub rule: String,
    /// The JSON.
    pub body: String,
}

/// Standings in the control tables. `instance` is the connector's own.
#[async_trait]
pub trait Standings: Send + Sync {
    /// Every rule's, in order of the rules' names (code points).
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault>;

    /// Inserts or replaces one, whole, if the fence row holds `term`; [`Commit::Fenced`] where it holds a later one, and
    /// nothing was written. Doing it again changes nothing.
    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit;

    /// Removes a rule's, because the rule left the policy, under the same fence. Where there is none, nothing is to be
    /// done, and that is committed too.
    async fn drop_standing(&self, rule: &str, term: u64) -> Commit;
}
