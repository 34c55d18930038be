//! Verification of a log by whoever holds its files: signature, every bundle, every tile, the root, what the entries
//! say together, and that the log extends what was known of it before. Needs no configuration and no database.

mod commands;
mod url;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forgetd_connector::Head;
use serde::Serialize;

pub use commands::independent;
pub use url::Url;

use super::EvidenceFault;
use super::account::Account;
use super::log::{Checkpoint, VerifierKey, checkpoint};
use super::store::Files;
use super::walk::{Problem, ProblemKind, walk};

/// The result of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogVerdict {
    /// Everything agrees.
    Ok,
    /// Bytes are not those that were signed.
    Tampered,
    /// It is an earlier or another state of a log that had gone further.
    RolledBack,
    /// A file or an entry that must be there is not.
    Incomplete,
    /// There is no key to check the signature with: neither one that was given nor `log.vkey`.
    Unanchored,
}

/// Whose key the signature was checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    /// The verifier brought it.
    Verifier,
    /// It lay beside the log. Whoever replaces the whole log replaces it too.
    Log,
    /// There was none.
    Nowhere,
}

/// What a verifier brings along.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// The log's key; else `log.vkey` beside the log is used.
    pub key: Option<VerifierKey>,
    /// A checkpoint of this log that was kept from before, as it was signed.
    pub since: Option<Vec<u8>>,
    /// Heads that others remember, with who does.
    pub remembered: Vec<(String, Head)>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// The result.
    pub verdict: LogVerdict,
    /// The checkpoint, if one could be read.
    pub checkpoint: Option<Checkpoint>,
    /// How many entries were read.
    pub entries: u64,
    /// How many of each type.
    pub kinds: std::collections::BTreeMap<String, u64>,
    /// Who signed approvals, by name and fingerprint of the SSH key, and how many: every one of them is a good signature
    /// of what its entry says. Whose key it is must be known from elsewhere.
    pub signers: std::collections::BTreeMap<(String, String), u64>,
    /// Where the key came from.
    pub key_from: KeyFrom,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Verifies the log in `files`. An error means that it could not be looked at; everything that is wrong with it is in
/// the answer.
pub async fn verify(files: &dyn Files, knowledge: &Knowledge) -> Result<Verification, EvidenceFault> {
    let mut found = Verification {
        verdict: LogVerdict::Ok,
        checkpoint: None,
        entries: 0,
        kinds: std::collections::BTreeMap::new(),
        signers: std::collections::BTreeMap::new(),
        key_from: KeyFrom::Nowhere,
        problems: Vec::new(),
    };
    let key = found.find_key(files, knowledge).await?;
    if let Some(checkpoint) = found.open(files, key.as_ref()).await? {
        let mut heads = knowledge.remembered.clone();
        if let (Some(since), Some(key)) = (&knowledge.since, &key) {
            heads.extend(found.since(since, key, &checkpoint)?);
        }
        found.read(files, &checkpoint, &heads).await?;
        found.checkpoint = Some(checkpoint);
    }
    found.verdict = verdict(&found.problems, found.key_from);
    Ok(found)
}

fn verdict(problems: &[Problem], key_from: KeyFrom) -> LogVerdict {
    match problems.iter().map(|problem| problem.kind).min() {
        Some(ProblemKind::Tampered) => LogVerdict::Tampered,
        Some(ProblemKind::RolledBack) => LogVerdict::RolledBack,
        Some(ProblemKind::Missing) => LogVerdict::Incomplete,
        None if key_from == KeyFrom::Nowhere => LogVerdict::Unanchored,
        None => LogVerdict::Ok,
    }
}

// === impl Verification ===

impl Verification {
    async fn find_key(
        &mut self,
        files: &dyn Files,
        knowledge: &Knowledge,
    ) -> Result<Option<VerifierKey>, EvidenceFault> {
        if let Some(key) = &knowledge.key {
            self.key_from = KeyFrom::Verifier;
            return Ok(Some(key.clone()));
        }
        let Some(bytes) = files.read("log.vkey").await? else { return Ok(None) };
        match std::str::from_utf8(&bytes).ok().and_then(|text| VerifierKey::parse(text).ok()) {
            Some(key) => {
                self.key_from = KeyFrom::Log;
                Ok(Some(key))
            }
            None => {
                self.problem(ProblemKind::Tampered, "log.vkey", "it is no verifier key");
                Ok(None)
            }
        }
    }

    /// The checkpoint. Without a key it is read but not believed.
    async fn open(
        &mut self,
        files: &dyn Files,
        key: Option<&VerifierKey>,
    ) -> Result<Option<Checkpoint>, EvidenceFault> {
        let Some(bytes) = files.read("checkpoint").await? else {
            self.problem(ProblemKind::Missing, "checkpoint", "there is no checkpoint");
            return Ok(None);
        };
        let opened = match key {
            Some(key) => checkpoint::open(&bytes, key),
            None => checkpoint::parse(&bytes).map(|(checkpoint, _)| checkpoint),
        };
        match opened {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(error) => {
                self.problem(ProblemKind::Tampered, "checkpoint", &error.to_string());
                // The rest is still worth a look: it says which files agree with what the checkpoint claims.
                Ok(checkpoint::parse(&bytes).ok().map(|(checkpoint, _)| checkpoint))
            }
        }
    }

    /// The kept checkpoint as a head that the log must extend.
    fn since(
        &mut self,
        since: &[u8],
        key: &VerifierKey,
        now: &Checkpoint,
    ) -> Result<Option<(String, Head)>, EvidenceFault> {
        let (kept, note) =
            checkpoint::parse(since).map_err(|error| EvidenceFault::evidence("--since", error.to_string()))?;
        if kept.origin != now.origin {
            let found = format!("the kept checkpoint is of {}, this log is {}", kept.origin, now.origin);
            self.problem(ProblemKind::RolledBack, "--since", &found);
            return Ok(None);
        }
        note.verify(key).map_err(|error| EvidenceFault::evidence("--since", error.to_string()))?;
        Ok(Some(("the kept checkpoint".into(), kept.into())))
    }

    async fn read(
        &mut self,
        files: &dyn Files,
        checkpoint: &Checkpoint,
        heads: &[(String, Head)],
    ) -> Result<(), EvidenceFault> {
        let marks: Vec<u64> = heads.iter().map(|(_, head)| head.size).collect();
        let mut account = Account::default();
        let mut entries = 0;
        let walked = walk(files, checkpoint.size, &marks, &mut |index, entry| {
            entries += 1;
            account.enter(index, entry);
        })
        .await?;
        self.entries = entries;
        self.kinds.clone_from(&account.kinds);
        self.signers.clone_from(&account.signers);
        self.problems.extend(walked.problems);
        if walked.root.is_some_and(|root| root != checkpoint.root) {
            self.problem(ProblemKind::Tampered, "checkpoint", "its root is not that of the entries");
        }
        for (who, head) in heads {
            let found = if head.size > checkpoint.size {
                format!("{who} knows {} entries, the log has {}", head.size, checkpoint.size)
            } else if walked.marks.iter().any(|(size, root)| *size == head.size && *root != head.root) {
                format!("{who} knows another root for its {} entries: the log was written anew", head.size)
            } else {
                continue;
            };
            self.problem(ProblemKind::RolledBack, "checkpoint", &found);
        }
        // Sums over entries that could not all be read would only repeat what is known.
        if walked.root.is_some() {
            self.problems.extend(account.close());
        }
        Ok(())
    }

    fn problem(&mut self, kind: ProblemKind, place: &str, found: &str) {
        self.problems.push(Problem { kind, place: place.into(), found: found.into() });
    }

    /// The object that `--json` prints.
    pub fn to_json(&self) -> serde_json::Value {
        let problems: Vec<_> = self
            .problems
            .iter()
            .map(|problem| serde_json::json!({ "kind": problem.kind.id(), "place": problem.place, "found": problem.found }))
            .collect();
        let signers: Vec<_> = self
            .signers
            .iter()
            .map(|((who, key), entries)| serde_json::json!({ "who": who, "key": key, "entries": entries }))
            .collect();
        serde_json::json!({
            "verdict": self.verdict.id(),
            "origin": self.checkpoint.as_ref().map(|checkpoint| checkpoint.origin.as_str()),
            "size": self.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
            "root": self.checkpoint.as_ref().map(|checkpoint| STANDARD.encode(checkpoint.root)),
            "entries": self.entries,
            "signers": signers,
            "problems": problems,
        })
    }
}

// === impl LogVerdict ===

impl LogVerdict {
    /// The id used in JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Tampered => "tampered",
            Self::RolledBack => "rolled_back",
            Self::Incomplete => "incomplete",
            Self::Unanchored => "unanchored",
        }
    }

    /// The exit code of `evidence verify`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Tampered => 10,
            Self::RolledBack => 11,
            Self::Incomplete => 12,
            Self::Unanchored => 13,
        }
    }
}
