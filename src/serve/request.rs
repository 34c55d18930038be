//! What a person asks of the holder, from any process: the rows of the request table, read and written.

use forgetd_connector::Cause;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::approval::{Given, SignatureError, SshSignature};
use crate::run::RuleApproval;

/// A request as it is posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks, as the environment says.
    pub who: String,
    /// A holder that reads it later than this, by its own clock, does nothing and says that it came too late.
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
    /// Verify signatures of a statement about one rule, and approve what it says.
    ApproveSigned {
        /// What was signed.
        signed: Signed,
    },
    /// Know that a process with this policy follows.
    Policy {
        /// Its digest.
        digest: String,
        /// The rules of it that wait for their approval.
        waits: Vec<String>,
        /// Whether one of its rules may act.
        #[serde(default)]
        acts: bool,
    },
    /// Go on after a database or the evidence was put back to an earlier state.
    ApproveRestored {
        /// Why, in the person's words.
        reason: String,
        /// Who signed that, where the policy names approvers.
        signed: Option<Signed>,
    },
}

/// A statement and its signatures, as they are posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signed {
    /// The text.
    pub statement: String,
    /// The signatures, base64.
    pub signatures: Vec<String>,
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

// === impl Signed ===

impl Signed {
    /// As it is posted.
    pub fn of(given: &Given) -> Self {
        let signatures = given.signatures.iter().map(SshSignature::base64).collect();
        Self { statement: given.statement.clone(), signatures }
    }

    /// As it was given.
    pub fn given(&self) -> Result<Given, SignatureError> {
        let signatures: Result<_, _> = self.signatures.iter().map(|one| SshSignature::from_base64(one)).collect();
        Ok(Given { statement: self.statement.clone(), signatures: signatures? })
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
