//! One rule.

use std::collections::BTreeMap;

use forgetd_connector::{Predicate, Since, TableRef, WhenNull};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Period, Schedule, Transform};

/// One table, what is due in it, and what happens then.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in the policy; lower case letters, digits, `-` and `_`.
    pub name: String,
    /// The entry of `databases:` it works on.
    pub database: String,
    /// The table.
    pub table: TableRef,
    /// Why the data is there at all, in words; part of the evidence.
    pub purpose: Option<String>,
    /// The legal basis of keeping it until then.
    pub legal_basis: Option<LegalBasis>,
    /// How long a row is kept after its `since`.
    pub keep_for: Period,
    /// The moment the period counts from.
    pub since: Since,
    /// What NULL there means; absent where the policy does not say (an error for nullable columns, found at plan time).
    pub when_null: Option<WhenNull>,
    /// What else must hold.
    pub predicate: Predicate,
    /// A condition in the engine's own language that must hold too.
    pub native: Option<String>,
    /// What happens.
    pub action: Action,
    /// The rules that keep rows of the same table, with their digests: a rule that loses one means more rows.
    pub kept_by: BTreeMap<String, String>,
    /// Whether the rule acts.
    pub mode: Mode,
    /// Where a run stops to go on in the next.
    pub cap: Cap,
    /// What stops a run before it starts.
    pub guard: Guard,
    /// What evidence says about single rows.
    pub row_evidence: RowEvidence,
    /// When it fires, if it says so.
    pub schedule: Option<Schedule>,
}

/// What a rule does with its rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Rows whose period is over go.
    Delete,
    /// Rows whose period is over stay, and what they say about somebody goes.
    Transform(Box<Transform>),
    /// Rows whose period is not over stay, whatever other rules say. The rule itself never runs.
    Keep,
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Look and report; change nothing. The default.
    #[default]
    Observe,
    /// Act.
    Enforce,
}

/// Article 6(1) GDPR, by its letters' usual names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// Article 6(1)(a).
    Consent,
    /// Article 6(1)(b).
    Contract,
    /// Article 6(1)(c).
    LegalObligation,
    /// Article 6(1)(d).
    VitalInterests,
    /// Article 6(1)(e).
    PublicTask,
    /// Article 6(1)(f).
    LegitimateInterests,
}

/// Where a run stops to go on in the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// The most rows one run changes; absent: no cap.
    pub rows_per_run: Option<u64>,
}

/// What stops a run before it starts, with zero rows changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// More due rows than this stop the run.
    pub rows_max: Option<u64>,
    /// A larger share of the table than this stops the run; from 0 to 1.
    pub share_max: Option<f64>,
    /// More than this many times the usual number of rows stop the run; above 1.
    pub times_usual: Option<f64>,
    /// How long a new or changed rule waits before it acts without anybody's approval.
    pub cool_off: CoolOff,
}

/// How long a new or changed rule waits before it acts without anybody's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoolOff {
    /// It does not wait: for test environments.
    None,
    /// This long.
    Lasts(Period),
}

/// What evidence says about single rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowEvidence {
    /// How many went. The default.
    #[default]
    Counts,
    /// Also a keyed commitment for each key, kept privately, with its Merkle root in the entry.
    Commitments,
}

// === impl Action ===

impl Action {
    /// The word in policies, evidence and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Transform(_) => "transform",
            Self::Keep => "keep",
        }
    }

    /// What its rows have been when it is done with them.
    pub const fn done(&self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Transform(_) => "transformed",
            Self::Keep => "kept",
        }
    }

    /// What it does, before the name of its table.
    pub const fn on(&self) -> &'static str {
        match self {
            Self::Delete => "delete from",
            Self::Transform(_) => "transform rows of",
            Self::Keep => "keep rows of",
        }
    }
}

// === impl CoolOff ===

impl Default for CoolOff {
    /// A day: long enough for somebody to see it.
    fn default() -> Self {
        Self::Lasts(Period::hours(24))
    }
}

impl std::fmt::Display for CoolOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Lasts(period) => period.fmt(f),
        }
    }
}

// === impl Rule ===

impl Rule {
    /// The zone in which the period's calendar arithmetic is done: that of `since`, else UTC.
    pub fn zone(&self) -> TimeZone {
        self.since.zone().cloned().unwrap_or(TimeZone::UTC)
    }

    /// Whether it ever runs.
    pub const fn runs(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Transform(_))
    }

    /// What it writes into its rows, if they stay.
    pub fn transform(&self) -> Option<&Transform> {
        match &self.action {
            Action::Transform(transform) => Some(transform),
            Action::Delete | Action::Keep => None,
        }
    }
}
