//! What a person asks of the holder, from any process: the rows of the request table, read and written.

use forgetd_connector::Cause;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::run::RuleApproval;

/// A request as it is posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks, as the environment says.
    pub who: String,
    /// A holder that reads it later than this leaves it alone: nobody waits for it any more.
    pub until: Timestamp,
    /// What.
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Ask {
    /// Run these rules now.
    Run {
        /// Their names.
        rules: Vec<String>,
    },
    /// Let these rules rest.
    Pause {
        /// Their names.
        rules: Vec<String>,
        /// Why, in the person's words.
        reason: String,
    },
    /// Let them work again.
    Resume {
        /// Their names.
        rules: Vec<String>,
    },
    /// Approve what was shown of these rules.
    Approve {
        /// What was shown.
        rules: Vec<Approved>,
        /// Why, in the person's words.
        reason: String,
    },
}

/// One rule as it was shown to who approves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    /// Its name.
    pub rule: String,
    /// Its digest: another definition was not approved.
    pub digest: String,
    /// What stops its next run.
    pub causes: Vec<Cause>,
    /// Digest of what the rule depends on in the described tables.
    pub catalog: String,
    /// Rows that were due.
    pub due: u64,
    /// The cutoff.
    pub cutoff: Timestamp,
}

/// What the holder says, while it works and at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Rows changed so far, by rule.
    pub progress: std::collections::BTreeMap<String, u64>,
    /// The results of runs, as `run --json` prints them.
    pub reports: Vec<Json>,
    /// The same, for people; or what became of another request.
    pub lines: Vec<String>,
    /// The exit code of who asked.
    pub code: u8,
}

// === impl Request ===

impl Request {
    /// A request that another version wrote and this one does not know is none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

// === impl Approved ===

impl Approved {
    /// What was shown of one rule.
    pub fn of(approval: &RuleApproval<'_>) -> Self {
        Self {
            rule: approval.rule.name.clone(),
            digest: approval.rule.digest(),
            causes: approval.causes.clone(),
            catalog: approval.catalog.clone(),
            due: approval.due,
            cutoff: approval.cutoff,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// An answer of one line.
    pub fn said(line: impl Into<String>, code: u8) -> Self {
        Self { lines: vec![line.into()], code, ..Self::default() }
    }
}
