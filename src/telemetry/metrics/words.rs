//! The closed sets that are values of labels. Their series are there before anything happened, so that an increase from
//! nothing is seen.

use forgetd_connector::{Cause, Commit, FaultClass};

/// What stops a run before it starts.
pub const GUARDS: &[Cause] = &[
    Cause::CoolOff,
    Cause::CatalogDrift,
    Cause::CutoffJump,
    Cause::ClockSkew,
    Cause::NoShape,
    Cause::WholeTableDue,
    Cause::RowsMax,
    Cause::ShareMax,
    Cause::TimesUsual,
];

/// For what a single row is passed over. Another cause gets its series when it is met.
pub(super) const ROW_CAUSES: &[Cause] = &[
    Cause::Locked,
    Cause::ForeignKey,
    Cause::Check,
    Cause::Unique,
    Cause::RowRefused,
    Cause::Size,
    Cause::TriggerCancels,
    Cause::TransformUnfit,
];

/// For what a fire time leads to no run. Another cause gets its series when it is met.
pub(super) const SKIP_CAUSES: &[Cause] = &[
    Cause::Paused,
    Cause::QuietWindow,
    Cause::StartingDeadline,
    Cause::Overlap,
    Cause::EvidenceBacklog,
    Cause::Unreachable,
];

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchResult {
    /// Effect and receipt are durable.
    Committed,
    /// Nothing of it remains.
    RolledBack,
    /// Another holder acts.
    Fenced,
    /// Its answer was lost and could not be found out; or its seal stands open, to be brought to its end.
    Unknown,
}

/// Every class of errors, by its word; see [`class`].
pub(super) const CLASSES: &[&str] = &[
    "row",
    "locked",
    "locked_whole",
    "transient",
    "timeout",
    "disconnected",
    "unreachable",
    "blocked",
    "blind",
    "internal",
];

/// The word of a class of errors, without its cause.
pub(super) const fn class(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Row(_) => "row",
        FaultClass::Locked => "locked",
        FaultClass::LockedWhole => "locked_whole",
        FaultClass::Transient => "transient",
        FaultClass::Timeout => "timeout",
        FaultClass::Disconnected => "disconnected",
        FaultClass::Unreachable => "unreachable",
        FaultClass::Blocked(_) => "blocked",
        FaultClass::Blind(_) => "blind",
        FaultClass::Internal => "internal",
    }
}

// === impl BatchResult ===

impl BatchResult {
    /// Every result.
    pub const ALL: &[Self] = &[Self::Committed, Self::RolledBack, Self::Fenced, Self::Unknown];

    /// The word in metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
        }
    }
}

impl From<&Commit> for BatchResult {
    fn from(commit: &Commit) -> Self {
        match commit {
            Commit::Committed => Self::Committed,
            Commit::RolledBack(_) => Self::RolledBack,
            Commit::Fenced => Self::Fenced,
            Commit::Unknown(_) => Self::Unknown,
        }
    }
}
