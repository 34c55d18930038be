//! What a check noticed.

use serde::Serialize;

use crate::{Cause, Notice};

/// One thing a check noticed. Findings name tables, columns, settings; never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable id: a [`Notice`]'s; where a finding stops runs, the [`Cause`]'s.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// `database.table.column`, as far as it goes.
    pub place: String,
    /// What was noticed.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Runs go on; something is worse than it could be.
    Warning,
    /// The rule does not run.
    Error,
}

// === impl Finding ===

impl Finding {
    /// A finding that stops the rule for `cause`.
    pub fn blocks(cause: Cause, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id: cause.id().into(),
            severity: Severity::Error,
            place: place.into(),
            message: message.into(),
            fix: cause.fix().into(),
        }
    }

    /// A finding that stops nothing and that somebody should act upon.
    pub fn warns(notice: Notice, place: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            id: notice.id().into(),
            severity: Severity::Warning,
            place: place.into(),
            message: message.into(),
            fix: fix.into(),
        }
    }

    /// A finding that is good to know.
    pub fn informs(
        notice: Notice,
        place: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Info, ..Self::warns(notice, place, message, fix) }
    }

    /// The same with another thing to do than the cause's.
    #[must_use]
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// The cause that stops the rule, if this finding does.
    pub fn blocking_cause(&self) -> Option<Cause> {
        if self.severity != Severity::Error {
            return None;
        }
        Some(Cause::ALL.iter().copied().find(|cause| cause.id() == self.id).unwrap_or(Cause::Internal))
    }
}
