//! Entries: what the evidence log says, one JSON object each. An entry's bytes are made once, stored in its receipt,
//! and never made again.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, ReceiptKey};
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

use super::canonical::{self, CanonicalError};
use crate::rules::Difference;

/// The version of the entry format.
pub const VERSION: u8 = 1;

/// The most bytes an entry may have: tlog-tiles prefixes entries with 16 bits of length.
pub const BYTES_MAX: usize = 60_000;

/// What every entry begins with.
#[derive(Clone, Debug, Serialize)]
pub struct EntryHead<'a> {
    /// The instance.
    pub instance: &'a str,
    /// The database it concerns, by its name in the policy.
    pub database: &'a str,
    /// Our wall clock when it was made, RFC 3339 in UTC.
    pub at: Timestamp,
    /// The term of the holder that made it.
    pub term: u64,
    /// The run it belongs to.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub run: &'a str,
}

/// What an entry says.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub enum EntryBody {
    /// A policy came into force.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded {
        /// The policy's digest.
        policy: String,
        /// Each rule's digest.
        rules: BTreeMap<String, String>,
        /// The version of forgetd.
        version: String,
        /// What it changes, where the same process loaded another one before. No literal is in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        changes: Option<Box<Difference>>,
    },
    /// A rule began to act.
    #[serde(rename = "run.started")]
    RunStarted(Box<RunStarted>),
    /// One batch.
    #[serde(rename = "batch")]
    Batch(Batch),
    /// A rule ended.
    #[serde(rename = "run.finished")]
    RunFinished(RunFinished),
    /// A rule did not begin.
    #[serde(rename = "run.skipped")]
    RunSkipped {
        /// Why.
        cause: Cause,
        /// The fire time that passed without a run, where it is one of a schedule.
        #[serde(skip_serializing_if = "Option::is_none")]
        fire: Option<Timestamp>,
    },
    /// A rule may act: under this definition from now on, or past these guards in its next run.
    #[serde(rename = "approval")]
    Approval(Box<Approval>),
    /// A run found nothing due: silence must be provable.
    #[serde(rename = "heartbeat")]
    Heartbeat {
        /// The frozen instant.
        cutoff: Timestamp,
        /// The rule's digest.
        rule_digest: String,
        /// Rows whose moment lies before it were left to the next sweep of a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        floor: Option<Timestamp>,
    },
    /// The outcome of a sealed batch that its own holder found adopted by another.
    #[serde(rename = "late")]
    Late {
        /// The sealed receipt's sequence.
        sealed_sequence: u64,
        /// Rows that this holder's change reported.
        changed: u64,
    },
    /// A new holder closed the sealed lane against the old one.
    #[serde(rename = "takeover")]
    Takeover {},
    /// A pseudonym key was seen for the first time.
    #[serde(rename = "key.created")]
    KeyCreated(Box<KeyCreated>),
    /// A pseudonym key was destroyed: no token can be made or linked with it any more, except from a copy of its file.
    #[serde(rename = "key.destroyed")]
    KeyDestroyed(Box<KeyDestroyed>),
    /// The log or a database was found in an earlier state, and going on was approved.
    #[serde(rename = "recovery")]
    Recovery {
        /// The reason a person gave.
        reason: String,
        /// What was found, in words without values.
        found: String,
        /// The last known checkpoint, where one is known.
        #[serde(skip_serializing_if = "String::is_empty")]
        checkpoint: String,
        /// The approvers who signed that, by name.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        signed: BTreeMap<String, Signature>,
    },
}

/// What a run set out to do.
#[derive(Clone, Debug, Serialize)]
pub struct RunStarted {
    /// The table.
    pub table: String,
    /// The action.
    pub action: &'static str,
    /// What a transform does where, in words without constants.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
    /// The keys that make tokens, by domain: name and fingerprint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pseudonym_keys: BTreeMap<String, String>,
    /// Rows whose moment lies before it were left to the next sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Timestamp>,
    /// How effect and receipt belong together: `atomic` or `sealed`.
    pub atomicity: forgetd_connector::Atomicity,
    /// The frozen instant.
    pub cutoff: Timestamp,
    /// The database's clock when it was frozen.
    pub database_time: Timestamp,
    /// The period, ISO 8601.
    pub keep_for: String,
    /// Digest of the rule.
    pub rule_digest: String,
    /// Digest of the policy.
    pub policy_digest: String,
    /// Digest of the described tables.
    pub catalog_digest: String,
    /// The purpose, as the policy words it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The legal basis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<crate::rules::LegalBasis>,
    /// Rows due at the start.
    pub due: u64,
    /// Whether that number is exact.
    pub due_exact: bool,
    /// Product and version of the server.
    pub server: String,
    /// What a commit survives there.
    pub durability: forgetd_connector::Durability,
    /// True when this run continues one that crashed, under the same run id.
    pub resumed: bool,
}

/// What lets a rule act.
#[derive(Clone, Debug, Serialize)]
pub struct Approval {
    /// Digest of the rule.
    pub rule_digest: String,
    /// Digest of what the rule depends on in the described tables.
    pub catalog_digest: String,
    /// `approved` by a person, or by the last of several who were needed; `waited` until its cool-off was over; `narrower`:
    /// it makes no more rows due than before. And what approves nothing yet: `signed` by one of several who are needed;
    /// `unsigned`, where the policy names approvers.
    pub how: &'static str,
    /// What would have stopped the next run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Who: the approver whose signature it is, else as that person's environment says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// Why, in that person's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether it was made sure that it is that person: by a signature.
    pub authenticated: bool,
    /// That signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signature>,
    /// How many approvers must sign, where the policy names any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u32>,
    /// Rows that were due when it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// The cutoff then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<Timestamp>,
}

/// The signature of an approver, and everything that is needed to verify it with tools that are not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// The fingerprint of the SSH key.
    pub key: String,
    /// The text that was signed.
    pub statement: String,
    /// The SSH signature, as `ssh-keygen -Y sign` makes it: base64, without the lines around it.
    pub signature: String,
}

/// A key of pseudonyms, as evidence names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedKey {
    /// As the policy calls it.
    pub id: String,
    /// What its tokens are for.
    pub domain: String,
    /// Tells it from others and says nothing of it; the same before and after it is destroyed.
    pub fingerprint: String,
    /// What its tokens carry.
    pub epoch: String,
}

/// A key that came into use.
#[derive(Clone, Debug, Serialize)]
pub struct KeyCreated {
    /// Which.
    #[serde(flatten)]
    pub key: NamedKey,
    /// `plain`: it can never be called destroyed; or `wrapped`.
    pub kind: &'static str,
    /// The KEK that it is wrapped by: its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kek: Option<String>,
    /// From when new tokens are made with it; absent: since ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_from: Option<Timestamp>,
}

/// A key that is gone.
#[derive(Clone, Debug, Serialize)]
pub struct KeyDestroyed {
    /// Which.
    #[serde(flatten)]
    pub key: NamedKey,
    /// When it was destroyed, by the clock of the one who did.
    pub destroyed_at: Timestamp,
    /// Whether it was random and wrapped. Always: of another none is called destroyed.
    pub wrapped: bool,
    /// The KEK that it was wrapped by, which brings copies of its file back: its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kek: Option<String>,
    /// Until when copies of its file may still be in backups; together with its KEK they bring it back.
    pub backups_until: Timestamp,
    /// The reason a person gave.
    pub reason: String,
    /// Who, as that person's environment says.
    pub who: String,
    /// Whether it was made sure that it is that person. Never, so far.
    pub authenticated: bool,
}

/// What one batch did.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// The table.
    pub table: String,
    /// The action.
    pub action: &'static str,
    /// How effect and receipt belong together.
    pub atomicity: forgetd_connector::Atomicity,
    /// The frozen instant.
    pub cutoff: Timestamp,
    /// Digest of the rule.
    pub rule_digest: String,
    /// Rows changed. On the sealed lane: rows that the change reported, a lower bound where a crash fell in between.
    pub changed: u64,
    /// Rows that went from other tables by cascade.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cascaded: BTreeMap<String, u64>,
    /// Rows of other tables, or others of this one, that stay and whose reference to a deleted row was set to NULL or its
    /// default. A row of another table that was set first, and then went by another foreign key in the same batch, may stand
    /// here and among `cascaded`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub references_set: BTreeMap<String, u64>,
    /// Commitments to the changed rows' keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowRoot>,
    /// Sealed lane only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedCounts>,
}

/// A list of row commitments, by its length and root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowRoot {
    /// How many commitments.
    pub n: u64,
    /// RFC 6962 root over the sorted list, hex.
    pub root: String,
}

/// What is known of a sealed batch. Gone by us and gone by the application meanwhile cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SealedCounts {
    /// Keys announced before the change.
    pub sealed: u64,
    /// Keys that no longer matched after it: an upper bound of what we changed.
    pub gone: u64,
    /// Keys that still matched.
    pub kept: u64,
    /// True when the outcome was recorded by a later holder.
    pub adopted: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct RunFinished {
    /// The verdict.
    pub verdict: crate::run::Verdict,
    /// Why it is not clean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The frozen instant.
    pub cutoff: Timestamp,
    /// Rows changed by all batches of the run, those before a crash included.
    pub changed: u64,
    /// Due rows recounted at the end; absent where they could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Rows passed over, by cause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<Cause, u64>,
    /// Batches with a receipt.
    pub batches: u64,
}

/// Why an entry cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// A part has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// It is longer than [`BYTES_MAX`].
    #[error("the entry has {0} bytes, more than the {BYTES_MAX} an entry may have")]
    TooLong(usize),
    /// It could not be turned into JSON.
    #[error("the entry cannot be written as JSON")]
    Json,
}

/// The bytes of an entry: pure, and canonical.
pub fn encode(key: &ReceiptKey, head: &EntryHead<'_>, body: &EntryBody) -> Result<Vec<u8>, EntryError> {
    let mut json = serde_json::to_value(head).map_err(|_| EntryError::Json)?;
    let body = serde_json::to_value(body).map_err(|_| EntryError::Json)?;
    let (Some(object), serde_json::Value::Object(body)) = (json.as_object_mut(), body) else {
        return Err(EntryError::Json);
    };
    object.extend(body);
    object.insert("v".into(), VERSION.into());
    object.insert("generation".into(), key.generation.0.clone().into());
    object.insert("rule".into(), key.rule.clone().into());
    object.insert("lane".into(), key.lane.clone().into());
    object.insert("sequence".into(), key.sequence.into());
    let bytes = canonical::to_vec(&json)?;
    if bytes.len() > BYTES_MAX {
        return Err(EntryError::TooLong(bytes.len()));
    }
    Ok(bytes)
}
