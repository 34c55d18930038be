//! How a run ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of a run. `Clean` is said only after survivors were recounted with the same predicate and none was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing that is due is left.
    Clean,
    /// Some of it is left, and why is known.
    Partial,
    /// The rule may not or cannot act.
    Blocked,
    /// The role cannot see what it would have to see.
    Blind,
    /// Something broke.
    Failed,
}

// === impl Verdict ===

impl Verdict {
    /// Every verdict, worst last.
    pub const ALL: &[Self] = &[Self::Clean, Self::Partial, Self::Blocked, Self::Blind, Self::Failed];

    /// The id used in JSON, metrics and evidence.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Partial => "partial",
            Self::Blocked => "blocked",
            Self::Blind => "blind",
            Self::Failed => "failed",
        }
    }

    /// The exit code of a command whose worst verdict this is.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Partial => 3,
            Self::Blocked => 4,
            Self::Blind => 5,
        }
    }

    /// The worse of two: failed, blind, blocked, partial, clean.
    pub fn worse(self, other: Self) -> Self {
        let rank = |verdict: Self| Self::ALL.iter().position(|v| *v == verdict);
        if rank(other) > rank(self) { other } else { self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
