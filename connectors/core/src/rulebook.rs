//! What the control tables remember about each rule: what was approved, what waits, and how it went before.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Commit, Fault};

/// One rule, as the home database's control tables know it. The definitions may hold literals of the policy, so the
/// table is as private as the policy is; no value of the user's tables is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulebookRow {
    /// The rule.
    pub rule: String,
    /// The definition under which it may act; absent before anything was approved.
    pub approved: Option<ApprovedRow>,
    /// The definition that waits.
    pub pending: Option<PendingRow>,
    /// JSON with what a person approved for the next run only.
    pub once: Option<String>,
    /// The last run that got past its guards.
    pub last: Option<LastRow>,
    /// JSON with how the last runs went; empty before the first.
    pub recent: String,
}

/// An approved definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedRow {
    /// SHA-256 of the definition, hex.
    pub digest: String,
    /// The canonical JSON that the digest was taken of.
    pub definition: String,
    /// SHA-256 over what the rule depends on in the described tables, hex.
    pub catalog_digest: String,
    /// How it came to be approved, in a word.
    pub how: String,
    /// By whom, where a person did it; else empty.
    pub who: String,
    /// Why, in that person's words; may be empty.
    pub reason: String,
    /// When, by the home database's clock.
    pub at: Timestamp,
}

/// A definition that waits for its approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// SHA-256 of the definition, hex.
    pub digest: String,
    /// When it was first seen, by the home database's clock.
    pub since: Timestamp,
}

/// The last run of a rule that got past its guards, one that found nothing included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRow {
    /// Its frozen instant.
    pub cutoff: Timestamp,
    /// When it was, by the clock of the rule's database.
    pub at: Timestamp,
}

/// The rulebook in the control tables. `instance` is the connector's own.
#[async_trait]
pub trait Rulebook: Send + Sync {
    /// The row of a rule, if there is one.
    async fn rule(&self, rule: &str) -> Result<Option<RulebookRow>, Fault>;

    /// Inserts or replaces the row of a rule, whole, if the fence row holds `term`; [`Commit::Fenced`] where it holds a
    /// later one, and nothing was written. Doing it again changes nothing.
    async fn keep_rule(&self, row: &RulebookRow, term: u64) -> Commit;
}
