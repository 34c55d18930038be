//! The end of a run: walk, recount, verdict, receipt.

use std::collections::BTreeMap;

use forgetd_connector::{
    Cause, Commit, Count, Fault, FaultClass, Finding, ForeignKey, LockWait, OnDelete, RunRow, Settled,
};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::clerk::{NO_LANE, Subject};
use super::job::Job;
use super::lanes::{self, Expected};
use super::walk::{Halt, Walked};
use super::{Pace, Report, Session, Site, Skipped, Verdict};
use crate::evidence::entry::{EntryBody, RunFinished};
use crate::rules::Rule;

/// How often a run's close is tried after a lost connection.
const CLOSE_TRIES_MAX: u32 = 5;

/// How often a lane is walked in one run: chains of rows that reference each other are rarely longer.
const WALKS_MAX: u32 = 8;

/// A run whose row and first receipt are written.
pub(super) struct Opened<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) site: &'a Site<'a>,
    pub(super) job: &'a Job<'a>,
    pub(super) row: RunRow,
    pub(super) findings: &'a [Finding],
    pub(super) resumed: bool,
    /// What it came to before it broke off.
    pub(super) before: Totals,
    /// Whether the sweep found more than one run takes.
    pub(super) more: bool,
}

/// Writes the run's row together with `run.started`.
pub(super) async fn open(
    session: &Session<'_>,
    site: &Site<'_>,
    row: &RunRow,
    started: &EntryBody,
) -> Result<(), Fault> {
    let sequence = site.control.next_sequence(&row.rule, NO_LANE).await?;
    let subject = Subject { rule: &row.rule, lane: NO_LANE, sequence, run: &row.run };
    let clerk = session.clerk(site)?;
    let receipt = clerk
        .receipt(&subject, started)
        .map_err(|error| Fault::new(FaultClass::Internal, "make receipt", site.name).with_detail(error.to_string()))?;
    committed(site.control.open(row, &receipt).await, site.name)?;
    clerk.own.wrote(&receipt.key);
    Ok(())
}

/// Closes a crashed run that cannot go on.
pub(super) async fn supersede(session: &Session<'_>, site: &Site<'_>, mut row: RunRow) -> Result<(), Fault> {
    let Totals { changed, batches, .. } = totals(site, &row.run).await?;
    let finished = RunFinished {
        verdict: Verdict::Failed,
        cause: Some(Cause::Superseded),
        cutoff: row.cutoff,
        changed,
        left: None,
        skipped: BTreeMap::new(),
        batches,
    };
    row.result = serde_json::to_string(&finished).ok();
    write_end(session, site, &row, finished).await
}

/// Leaves an entry that the rule did not act. A failure is logged: the verdict says why already.
pub(super) async fn note_skipped(session: &Session<'_>, rule: &Rule, cause: Cause, fire: Option<Timestamp>) {
    let Ok(site) = session.sites.site(&rule.database) else { return };
    if site.generation().is_err() {
        return;
    }
    if let Err(fault) = session.note(site, &rule.name, "", &EntryBody::RunSkipped { cause, fire }).await {
        tracing::warn!(rule = %rule.name, error = %fault, "the entry about the skipped run could not be written");
    }
}

/// Leaves an entry that a rule that only looks found nothing due. A failure is logged: nothing happened.
pub(super) async fn note_nothing_due(session: &Session<'_>, site: &Site<'_>, rule: &Rule, report: &Report) {
    let Some(cutoff) = report.cutoff else { return };
    let body = EntryBody::Heartbeat { cutoff, rule_digest: rule.digest(), floor: None };
    if let Err(fault) = session.note(site, &rule.name, &report.run_id, &body).await {
        tracing::warn!(rule = %rule.name, error = %fault, "the entry that nothing was due could not be written");
    }
}

/// Walks the lane, again where that can help, recounts, and closes the run.
pub(super) async fn walk_and_close(opened: &Opened<'_>, pace: &Pace<'_>, mut report: Report) -> Report {
    // They count against its cap.
    let before = opened.before.gone;
    let (mut walked, mut halt) = lanes::walk(opened.job, pace, before, rows(opened, &report)).await;
    // Rows that went before a crash free others as well.
    let (mut walks, mut changed) = (1, before + walked.changed + walked.adopted);
    let mut counted = false;
    while halt.is_none() {
        let count = recount(opened).await;
        counted = true;
        if count.as_ref().is_err_and(|fault| opened.session.sites.stopped(fault.class)) {
            // It was stopped with the process: the run is not over.
            halt = Some(Halt::Interrupted);
            break;
        }
        report.left = count.ok().flatten();
        let Some(locks) = again(opened, &report, &walked, walks, changed) else { break };
        let (more, stopped) = lanes::again(opened.job, pace, locks, before + walked.changed + walked.adopted).await;
        (walks, changed, halt) = (walks + 1, more.changed + more.adopted, stopped);
        join(&mut walked, more);
        counted = false;
    }
    if !counted && !matches!(halt, Some(Halt::Fenced | Halt::Unknown(_))) {
        report.left = recount(opened).await.ok().flatten();
    }
    report.changed = before + walked.changed;
    report.batches = walked.batches;
    report.lanes = walked.lanes;
    report.batch_rows_max = walked.batch_rows_max;
    report.longest_tx_ms = u64::try_from(walked.longest_tx.as_millis()).unwrap_or(u64::MAX);
    report.skipped = walked.skipped.iter().map(|(cause, n)| Skipped { cause: *cause, n: *n }).collect();
    if opened.resumed || walked.resealed {
        // Receipts of before the crash, and of adopted seals, are this run's too.
        match totals(opened.site, &opened.row.run).await {
            Ok(totals) => (report.changed, report.batches) = (totals.changed, totals.batches),
            Err(fault) => return failed(report, &fault),
        }
    }
    let (verdict, cause, detail) = judge(opened, halt.as_ref(), &walked, &report);
    let report = report.ended(verdict, cause, detail);
    close(opened, halt.as_ref(), report).await
}

/// About how many rows the run is to change: where counting stopped, the table's own estimate bounds it.
fn rows(opened: &Opened<'_>, report: &Report) -> Expected {
    let (due, exact) = (report.due.unwrap_or_default(), report.due_exact);
    let most = opened.job.step.table.rows_estimate.unwrap_or_default();
    Expected { rows: if exact { due } else { due.max(most) }, exact }
}

/// How a walk that came to the lane's end is followed by another one, if it is: once where rows were locked or are left
/// unexplained, and as long as it helps where rows of the table reference each other. One that is due can hold another
/// one that is due, and the walk may meet the held one first.
fn again(opened: &Opened<'_>, report: &Report, walked: &Walked, walks: u32, changed: u64) -> Option<LockWait> {
    let locked = walked.skipped.contains_key(&Cause::Locked);
    if walks == 1 && (locked || report.left.unwrap_or_default() > explained(walked)) {
        return Some(LockWait::Skip);
    }
    let table = &opened.job.step.table;
    let holds_itself = |key: &ForeignKey| key.child == table.name && key.on_delete == OnDelete::Refuse;
    let frees = changed > 0 && walked.skipped.contains_key(&Cause::ForeignKey);
    let helps = frees && walks < WALKS_MAX && table.referenced_by.iter().any(holds_itself);
    helps.then_some(if locked { LockWait::Skip } else { LockWait::Wait })
}

/// What the next walk skipped replaces what the one before did: it passed over the same rows.
fn join(walked: &mut Walked, again: Walked) {
    walked.skipped.clear();
    walked.and(again);
}

fn explained(walked: &Walked) -> u64 {
    walked.skipped.values().sum()
}

/// Survivors, by the same predicate. Absent: they could not be counted, and nothing is clean then.
async fn recount(opened: &Opened<'_>) -> Result<Option<u64>, Fault> {
    match opened.job.connector.survivors(&opened.job.step).await {
        Ok(Count::Exact(rows) | Count::Capped(rows)) => Ok(Some(rows)),
        Ok(Count::Estimate(_) | Count::Blind(_)) => Ok(None),
        Err(fault) => {
            tracing::warn!(rule = %opened.job.rule.name, error = %fault, "survivors could not be counted");
            Err(fault)
        }
    }
}

/// What a run's batches came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) changed: u64,
    /// The same, and of seals that were adopted every row that is gone: who changed it is not known.
    pub(super) gone: u64,
    batches: u64,
}

/// Sums over the run's batch receipts.
pub(super) async fn totals(site: &Site<'_>, run: &str) -> Result<Totals, Fault> {
    let bodies = site.control.batches(run).await?;
    let mut totals = Totals { batches: bodies.len() as u64, ..Totals::default() };
    for body in &bodies {
        let Ok(json) = serde_json::from_slice::<Json>(body) else { continue };
        let changed = json["changed"].as_u64().unwrap_or_default();
        let sealed = &json["sealed"];
        let adopted = sealed["adopted"].as_bool().unwrap_or_default();
        totals.changed += changed;
        totals.gone += sealed["gone"].as_u64().filter(|_| adopted).unwrap_or(changed);
    }
    Ok(totals)
}

/// The verdict. Clean is said only when the recount says zero.
fn judge(
    opened: &Opened<'_>,
    halt: Option<&Halt>,
    walked: &Walked,
    report: &Report,
) -> (Verdict, Option<Cause>, Option<String>) {
    match halt {
        Some(Halt::Cap) if report.left != Some(0) => return (Verdict::Partial, Some(Cause::Cap), None),
        Some(Halt::Interrupted) => return (Verdict::Partial, Some(Cause::Interrupted), None),
        Some(Halt::Backlog) => return (Verdict::Partial, Some(Cause::EvidenceBacklog), None),
        Some(Halt::Quiet) => return (Verdict::Partial, Some(Cause::QuietWindow), None),
        Some(Halt::Paused(reason)) => return (Verdict::Partial, Some(reason.cause), Some(reason.detail.clone())),
        Some(Halt::Fenced) => return (Verdict::Failed, Some(Cause::Fenced), None),
        Some(Halt::Unknown(fault)) => {
            return (Verdict::Failed, Some(Cause::Unknown), Some(fault.to_string()));
        }
        Some(Halt::Fault(fault) | Halt::SealOpen(fault)) => {
            return (verdict_of(fault), Some(fault.cause()), Some(fault.to_string()));
        }
        Some(Halt::Cap) | None => {}
    }
    let Some(left) = report.left else {
        return (Verdict::Failed, Some(Cause::Survivors), Some("survivors could not be counted".into()));
    };
    if left == 0 && opened.more {
        let detail = "more values only look like tokens than one run takes; the next one goes on";
        return (Verdict::Partial, Some(Cause::Cap), Some(detail.into()));
    }
    if left == 0 {
        return (Verdict::Clean, None, None);
    }
    let skipped = explained(walked);
    if left <= skipped {
        let most = walked.skipped.iter().max_by_key(|(_, rows)| **rows).map(|(cause, _)| *cause);
        return (Verdict::Partial, most, Some(format!("{left} rows left, each passed over for a reason")));
    }
    let cancels = opened.findings.iter().any(|finding| finding.id == "trigger_before_delete");
    let detail = format!("{} rows are due and left, without an error", left - skipped);
    match (cancels, report.changed) {
        (true, _) => (Verdict::Blocked, Some(Cause::TriggerCancels), Some(detail)),
        (false, 0) => (Verdict::Blocked, Some(Cause::Survivors), Some(detail)),
        (false, _) => (Verdict::Partial, Some(Cause::Survivors), Some(detail)),
    }
}

/// The verdict a fault leads to.
pub(super) fn verdict_of(fault: &Fault) -> Verdict {
    match fault.class {
        FaultClass::Blind(_) => Verdict::Blind,
        FaultClass::Blocked(_) | FaultClass::Timeout => Verdict::Blocked,
        FaultClass::Row(_) | FaultClass::Locked | FaultClass::LockedWhole => Verdict::Partial,
        FaultClass::Transient | FaultClass::Disconnected | FaultClass::Unreachable | FaultClass::Internal => {
            Verdict::Failed
        }
    }
}

fn failed(report: Report, fault: &Fault) -> Report {
    report.ended(verdict_of(fault), Some(fault.cause()), Some(fault.to_string()))
}

/// Writes the end of the run, unless it may go on: a fenced run is the successor's, one with an open question or a
/// lost database is resumed.
async fn close(opened: &Opened<'_>, halt: Option<&Halt>, report: Report) -> Report {
    let goes_on = match halt {
        Some(
            Halt::Fenced | Halt::Unknown(_) | Halt::Interrupted | Halt::Quiet | Halt::Paused(_) | Halt::SealOpen(_),
        ) => true,
        Some(Halt::Fault(fault)) => {
            matches!(fault.class, FaultClass::Disconnected | FaultClass::Unreachable | FaultClass::Transient)
        }
        _ => false,
    };
    if goes_on {
        return report;
    }
    let finished = RunFinished {
        verdict: report.verdict,
        cause: report.cause,
        cutoff: opened.row.cutoff,
        changed: report.changed,
        left: report.left,
        skipped: report.skipped_map(),
        batches: report.batches,
    };
    let row = RunRow { result: serde_json::to_string(&report).ok(), ..opened.row.clone() };
    match write_end(opened.session, opened.site, &row, finished).await {
        Ok(()) => report,
        Err(fault) => failed(report, &fault),
    }
}

async fn write_end(session: &Session<'_>, site: &Site<'_>, row: &RunRow, finished: RunFinished) -> Result<(), Fault> {
    let body = EntryBody::RunFinished(finished);
    let clerk = session.clerk(site)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let sequence = site.control.next_sequence(&row.rule, NO_LANE).await?;
        let subject = Subject { rule: &row.rule, lane: NO_LANE, sequence, run: &row.run };
        let receipt = clerk.receipt(&subject, &body).map_err(|error| {
            Fault::new(FaultClass::Internal, "make receipt", site.name).with_detail(error.to_string())
        })?;
        let commit = match site.control.close(row, &receipt).await {
            Commit::Unknown(fault) => match site.control.settle_ours(&receipt).await {
                Settled::Present => Commit::Committed,
                // What has its place keeps it from coming late: the next try takes the place behind, or meets the fence.
                Settled::Absent | Settled::Foreign if tries < CLOSE_TRIES_MAX => continue,
                Settled::Foreign => Commit::Fenced,
                Settled::Absent | Settled::Unsettled => return Err(fault),
            },
            answered => answered,
        };
        committed(commit, site.name)?;
        clerk.own.wrote(&receipt.key);
        return Ok(());
    }
}

/// A commit's answer as a result, where no lost answer is settled.
pub(super) fn committed(commit: Commit, place: &str) -> Result<(), Fault> {
    match commit {
        Commit::Committed => Ok(()),
        Commit::Fenced => Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "write run", place)),
        Commit::RolledBack(fault) | Commit::Unknown(fault) => Err(fault),
    }
}
