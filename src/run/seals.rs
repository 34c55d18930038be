//! Open seals: a sealed batch whose holder went away between the seal and its outcome.
//!
//! Adoption repeats the change if the rule is still in force as it was sealed, else it only looks; either way the
//! receipt comes to its end and says that it was adopted. At takeover a `takeover` receipt then takes the lane's next
//! sequence, so that a stale holder's next seal loses.

use forgetd_connector::{
    Atomicity, Cause, Commit, Connector, Control, FIRST_LANE, Fault, FaultClass, Lane, LaneClaim, OpenSeal, Outcome,
    Receipt, ReceiptKey, SealEnd, Step,
};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::batch::{self, Finished, Unfinished, is_late};
use super::clerk::{Clerk, Subject};
use super::job::{Job, named};
use super::keyed;
use super::late::Late;
use super::progress::Progress;
use super::pseudonyms::Pseudonyms;
use crate::evidence::entry::{Batch, EntryBody, SealedCounts};
use crate::lease::Claim;
use crate::rules::{Policy, Rule};
use crate::{plan, preflight};

/// How often a takeover receipt is tried: each loss means that somebody sealed meanwhile.
const TRIES_MAX: u32 = 16;

/// A sealed rule, and where its rows and its receipts live.
pub(super) struct SealedRule<'a> {
    pub(super) rule: &'a Rule,
    pub(super) connector: &'a dyn Connector,
    pub(super) control: &'a dyn Control,
    pub(super) clerk: Clerk<'a>,
    pub(super) pseudonyms: &'a Pseudonyms,
    pub(super) progress: &'a dyn Progress,
    /// Whether the rule may act under its definition; else a seal is only looked at.
    pub(super) approved: bool,
}

/// Closes one sealed rule's lane against every earlier holder: adopts what is open, then takes the next sequence.
pub(super) async fn take_over(sealed: &SealedRule<'_>, policy: &Policy, claim: &Claim) -> Result<(), Fault> {
    for _ in 0..TRIES_MAX {
        adopt(sealed, policy, claim).await?;
        let rule = &sealed.rule.name;
        let sequence = sealed.control.next_sequence(rule, FIRST_LANE).await?;
        let subject = Subject { rule, lane: FIRST_LANE, sequence, run: "" };
        let receipt = receipt(&sealed.clerk, &subject, &EntryBody::Takeover {})?;
        match sealed.control.append(&receipt).await {
            Commit::Committed => {
                sealed.clerk.own.wrote(&receipt.key);
                return Ok(());
            }
            // Somebody sealed at this sequence, or a later holder is there; the next adoption tells which.
            Commit::Fenced => {}
            Commit::RolledBack(fault) | Commit::Unknown(fault) => return Err(fault),
        }
    }
    Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "take over", sealed.clerk.database))
}

/// What became of the seals that were adopted.
#[derive(Debug, Default)]
pub(super) struct Adopted {
    /// Rows of theirs that are gone, whoever changed them.
    pub(super) gone: u64,
    /// Why the change could not be repeated: what is still there was looked at instead.
    pub(super) refused: Option<Fault>,
}

/// Brings every open seal of the rule to its end.
async fn adopt(sealed: &SealedRule<'_>, policy: &Policy, claim: &Claim) -> Result<Adopted, Fault> {
    let mut adopted = Adopted::default();
    for open in sealed.control.adopt(claim.term()).await? {
        if open.receipt.key.rule != sealed.rule.name {
            continue;
        }
        let intent = Intent::read(&open);
        let (finished, refused) = match &intent {
            Some(intent) => settle(sealed, policy, claim, &open, intent).await?,
            None => (everything_gone(&open), None),
        };
        unseal(sealed.control, &sealed.clerk, &open, intent.as_ref(), &finished).await?;
        sealed.progress.adopted(&sealed.rule.name, finished.outcome.changed);
        adopted.gone += finished.outcome.gone;
        adopted.refused = adopted.refused.or(refused);
    }
    Ok(adopted)
}

/// Closes seals of rules that left the policy: their rows can no longer be looked at.
pub(super) async fn close_orphans(control: &dyn Control, clerk: &Clerk<'_>, policy: &Policy) -> Result<(), Fault> {
    for open in control.adopt(clerk.term).await? {
        if policy.rule(&open.receipt.key.rule).is_none() {
            unseal(control, clerk, &open, Intent::read(&open).as_ref(), &everything_gone(&open)).await?;
        }
    }
    Ok(())
}

/// Adopts the seal of a run that met a fault between its own seal and unseal.
pub(super) async fn adopt_own(job: &Job<'_>, progress: &dyn Progress) -> Result<Adopted, Fault> {
    let clerk = Clerk { generation: job.clerk.generation.clone(), ..job.clerk };
    let sealed = SealedRule {
        rule: job.rule,
        connector: job.connector,
        control: job.control,
        clerk,
        pseudonyms: job.pseudonyms,
        progress,
        approved: true,
    };
    adopt(&sealed, job.policy, job.claim).await
}

/// What a sealed receipt's body tells about its batch.
struct Intent {
    rule_digest: String,
    cutoff: Timestamp,
    run: String,
    table: String,
    action: &'static str,
}

/// Repeats the change under the cutoff it was sealed with, or only looks where the rule has changed since.
async fn settle(
    sealed: &SealedRule<'_>,
    policy: &Policy,
    claim: &Claim,
    open: &OpenSeal,
    intent: &Intent,
) -> Result<(Finished, Option<Fault>), Fault> {
    let Some(step) = step(sealed, policy, intent.cutoff).await? else {
        return Ok((everything_gone(open), None));
    };
    let transform = keyed::transform(sealed.rule, &step, sealed.pseudonyms, sealed.clerk.database)?;
    let claim = LaneClaim {
        generation: open.receipt.key.generation.clone(),
        term: claim.term(),
        lane: FIRST_LANE.into(),
        until: None,
        idle_ms_max: claim.idle_ms_max(),
        deadline: claim.deadline(),
    };
    let Lane::Sealed(mut lane) = sealed.connector.lane(&step, &claim, transform).await? else {
        return Ok((everything_gone(open), None));
    };
    let (mut refused, mut changed) = (None, 0);
    if sealed.approved && sealed.rule.digest() == intent.rule_digest {
        match batch::finish(lane.as_mut(), &open.keys).await {
            Ok(finished) => return Ok((finished, None)),
            Err(unfinished) if forbids(&unfinished.fault) || unfinished.fault.class == FaultClass::Internal => {
                changed = unfinished.changed;
                refused = Some(unfinished.fault);
            }
            Err(Unfinished { fault, changed }) => {
                if is_late(&fault) && changed > 0 {
                    late(open, Some(intent), changed).say(sealed.control, &sealed.clerk).await;
                }
                return Err(fault);
            }
        }
    }
    let mut outcome = lane.look(&open.keys).await?;
    outcome.changed = changed.min(outcome.gone);
    Ok((Finished { outcome, ..Finished::default() }, refused))
}

/// What is said where a later holder adopts the seal too.
fn late<'a>(open: &'a OpenSeal, intent: Option<&'a Intent>, changed: u64) -> Late<'a> {
    let ReceiptKey { rule, sequence, .. } = &open.receipt.key;
    Late { rule, run: intent.map_or(&open.receipt.run, |intent| &intent.run), sealed_sequence: *sequence, changed }
}

/// Whether the change was taken back and would be again, whoever repeats it: what a trigger does, a missing privilege.
/// The seal ends then with what is still there; left open, it would keep every rule of the instance from acting.
pub(super) const fn forbids(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Blocked(cause) if !matches!(cause, Cause::Fenced))
}

/// Whether a seal that could not be brought to its end stands open for a reason of its rule's rows alone: that rule
/// waits, and no other. An answer that nobody knows is none of the network's either, and would come again.
pub(super) const fn stays(fault: &Fault) -> bool {
    match fault.class {
        FaultClass::Blocked(cause) => !matches!(cause, Cause::Fenced),
        FaultClass::Blind(_)
        | FaultClass::Locked
        | FaultClass::LockedWhole
        | FaultClass::Timeout
        | FaultClass::Row(_)
        | FaultClass::Internal => true,
        FaultClass::Transient | FaultClass::Disconnected | FaultClass::Unreachable => false,
    }
}

/// The rule's step with the sealed cutoff; absent where the table no longer fits the rule.
async fn step(sealed: &SealedRule<'_>, policy: &Policy, cutoff: Timestamp) -> Result<Option<Step>, Fault> {
    let catalog = preflight::describe(sealed.rule, policy, sealed.connector).await?;
    // What other rules keep is judged as of now: a row that they let go meanwhile would look gone.
    let now = sealed.connector.now().await?;
    let planned = plan::step(sealed.rule, &catalog, sealed.clerk.database, now, Atomicity::Sealed, policy);
    Ok(planned.ok().map(|mut step| {
        step.selection.terms.cutoff = forgetd_connector::Cutoff(cutoff);
        step
    }))
}

/// Where rows can no longer be looked at, the truth lies between nothing and everything announced.
fn everything_gone(open: &OpenSeal) -> Finished {
    let outcome = Outcome { gone: open.keys.len() as u64, ..Outcome::default() };
    Finished { outcome, ..Finished::default() }
}

async fn unseal(
    control: &dyn Control,
    clerk: &Clerk<'_>,
    open: &OpenSeal,
    intent: Option<&Intent>,
    finished: &Finished,
) -> Result<(), Fault> {
    let announced = open.keys.len() as u64;
    let gone = finished.outcome.gone.min(announced);
    let key = &open.receipt.key;
    let run = intent.map_or_else(|| open.receipt.run.clone(), |intent| intent.run.clone());
    let subject = Subject { rule: &key.rule, lane: &key.lane, sequence: key.sequence, run: &run };
    let body = EntryBody::Batch(Batch {
        table: intent.map_or_else(String::new, |intent| intent.table.clone()),
        action: intent.map_or("delete", |intent| intent.action),
        atomicity: Atomicity::Sealed,
        cutoff: intent.map_or(Timestamp::UNIX_EPOCH, |intent| intent.cutoff),
        rule_digest: intent.map_or_else(String::new, |intent| intent.rule_digest.clone()),
        changed: finished.outcome.changed,
        cascaded: named(&finished.outcome.cascaded),
        references_set: named(&finished.outcome.references_set),
        rows: None,
        sealed: Some(SealedCounts { sealed: announced, gone, kept: announced - gone, adopted: true }),
    });
    let mut receipt = receipt(clerk, &subject, &body)?;
    receipt.cursor.clone_from(&open.receipt.cursor);
    match control.unseal(&receipt).await {
        SealEnd::Done => Ok(()),
        // By a still later holder: its count stands, and our next write is refused.
        SealEnd::Adopted => {
            if finished.outcome.changed > 0 {
                late(open, intent, finished.outcome.changed).say(control, clerk).await;
            }
            Ok(())
        }
        SealEnd::Failed(fault) => Err(fault),
    }
}

fn receipt(clerk: &Clerk<'_>, subject: &Subject<'_>, body: &EntryBody) -> Result<Receipt, Fault> {
    clerk.receipt(subject, body).map_err(|error| {
        Fault::new(FaultClass::Internal, "make receipt", clerk.database).with_detail(error.to_string())
    })
}

// === impl Intent ===

impl Intent {
    fn read(open: &OpenSeal) -> Option<Self> {
        let json: Json = serde_json::from_slice(&open.receipt.body).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(Self {
            rule_digest: text("rule_digest")?,
            cutoff: text("cutoff")?.parse().ok()?,
            run: text("run").unwrap_or_default(),
            table: text("table")?,
            action: if text("action")? == "transform" { "transform" } else { "delete" },
        })
    }
}
