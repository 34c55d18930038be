//! The plan of one rule: everything that is known about its next run.

use forgetd_connector::{
    Cause, Count, Fault, FaultClass, Finding, Measure, Profile, RowCap, Severity, Statements, Step,
};
use jiff::Timestamp;

use super::Args;
use crate::{
    cli::{
        check::{Opened, atomicity, reach},
        report,
    },
    config::Config,
    guard,
    plan::{Reference, references},
    preflight::{self, Look},
    rules::{Mode, Rule},
};

/// Counting stops here unless `--exact` is given: a plan of a large table should not read all of it.
const COUNT_MAX: u64 = 1_000_000;

/// The plan of one rule.
#[derive(Clone, Debug)]
pub struct RulePlan {
    pub(super) rule: Rule,
    pub(super) batch_rows_max: u64,
    pub(super) cutoff: Option<Timestamp>,
    pub(super) measure: Option<Measure>,
    pub(super) profile: Option<Profile>,
    pub(super) statements: Option<Statements>,
    pub(super) references: Vec<Reference>,
    /// The index that finds rows that are due, where there is one.
    pub(super) index: Option<String>,
    /// Rows a second, as measured in the last runs.
    pub(super) speed: Option<f64>,
    pub(super) guards: Vec<(Cause, String)>,
    pub(super) findings: Vec<Finding>,
    pub(super) unreachable: bool,
    pub(super) blind: bool,
}

/// Plans one rule.
pub(super) async fn plan(rule: &Rule, config: &Config, opened: &Opened<'_>, args: &Args) -> RulePlan {
    let database = config.database(&rule.database);
    let mut plan = RulePlan::new(rule, database.map_or(1, |database| u64::from(database.batch_rows_max)));
    let cap = RowCap((!args.exact).then_some(COUNT_MAX));
    if let Err(fault) = plan.look(config, opened, cap).await {
        plan.fail(&fault);
    }
    plan.findings = preflight::ranked(std::mem::take(&mut plan.findings));
    plan
}

// === impl RulePlan ===

impl RulePlan {
    pub(super) fn new(rule: &Rule, batch_rows_max: u64) -> Self {
        Self {
            rule: rule.clone(),
            batch_rows_max,
            cutoff: None,
            measure: None,
            profile: None,
            statements: None,
            references: vec![],
            index: None,
            speed: None,
            guards: vec![],
            findings: vec![],
            unreachable: false,
            blind: false,
        }
    }

    async fn look(&mut self, config: &Config, opened: &Opened<'_>, cap: RowCap) -> Result<(), Fault> {
        let name = self.rule.database.as_str();
        let connector = reach(opened, name)?;
        let Some(database) = config.database(name) else {
            return Err(Fault::new(FaultClass::Internal, "look up", name));
        };
        let atomicity = atomicity(database, connector);
        let Look { step, findings, .. } =
            preflight::look(&self.rule, &config.policy, connector, name, atomicity).await?;
        self.findings.extend(findings);
        let Some(step) = step else { return Ok(()) };
        self.cutoff = Some(step.selection.terms.cutoff.0);
        self.references = references(&step);
        self.index = index(&step);
        self.statements = Some(connector.statements(&step)?);
        let measure = connector.measure(&step, cap).await?;
        let blind = matches!(measure.due, Count::Blind(_));
        self.judge(&step, measure);
        if !blind {
            match connector.profile(&step, cap).await {
                Ok(profile) => self.profile = Some(profile),
                Err(fault) => self.findings.push(unprofiled(&fault)),
            }
        }
        Ok(())
    }

    fn judge(&mut self, step: &Step, measure: Measure) {
        let place = step.place(&self.rule.database);
        if let Count::Blind(cause) = measure.due {
            let message = "rows that are due cannot be counted, so the rule would not run";
            self.findings.push(Finding::blocks(cause, &place, message));
            self.blind = true;
        }
        self.guards = guard::check(&self.rule, &measure).into_iter().collect();
        let (due, total) = (measure.due, measure.total);
        if let (Count::Exact(due), Count::Exact(total)) = (due, total)
            && due == total
            && total > 0
        {
            let message = format!("every one of the table's {} rows is due", report::thousands(total));
            self.findings.push(Finding {
                id: "whole_table_due".into(),
                severity: Severity::Warning,
                place,
                message,
                fix: "check `keep_for`, `since` and `where`: a rule rarely means a whole table".into(),
            });
        }
        self.measure = Some(measure);
    }

    fn fail(&mut self, fault: &Fault) {
        self.unreachable = fault.cause() == Cause::Unreachable;
        self.blind |= matches!(fault.class, FaultClass::Blind(_));
        self.findings.push(report::fault(fault));
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.measure.as_ref()?.due.rows()
    }

    pub(super) fn is_blocked(&self) -> bool {
        !self.guards.is_empty() || self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Rows that the next run changes, and whether its cap ends it there.
    fn next(&self) -> (u64, bool) {
        let due = self.due().unwrap_or(0);
        match self.rule.cap.rows_per_run.filter(|cap| *cap < due) {
            Some(cap) => (cap, true),
            None => (due, false),
        }
    }

    /// How many batches the next run takes, at the least.
    pub(super) fn batches(&self) -> u64 {
        self.next().0.div_ceil(self.batch_rows_max.max(1))
    }

    /// Seconds that the next run takes at the speed of the last ones.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn seconds(&self) -> Option<f64> {
        let speed = self.speed.filter(|speed| *speed > 0.0)?;
        Some(self.next().0 as f64 / speed)
    }

    /// What a run would do, in a word and in a sentence.
    pub(super) fn outlook(&self) -> (&'static str, String) {
        if let Some(finding) = self.findings.iter().find(|finding| finding.severity == Severity::Error) {
            return ("be blocked", format!("nothing: {} blocks it", finding.id));
        }
        if !self.rule.runs() {
            return (
                "keep",
                format!("keep rows for {} after {}, whatever other rules say", self.rule.keep_for, self.rule.since),
            );
        }
        if let Some((cause, text)) = self.guards.first() {
            return ("be blocked", format!("nothing: {cause}: {text}"));
        }
        if self.due().unwrap_or(0) == 0 {
            return ("find nothing", "find nothing to do".into());
        }
        let work = self.work();
        match self.rule.mode {
            Mode::Enforce => ("delete", work),
            Mode::Observe => ("only look", format!("only look; with `mode: enforce` it would {work}")),
        }
    }

    fn work(&self) -> String {
        let (rows, capped) = self.next();
        let batches = match self.batches() {
            1 => "1 batch".into(),
            n => format!("{} batches", report::thousands(n)),
        };
        let most = report::thousands(self.batch_rows_max);
        let cap = if capped { ", then stop at cap.rows_per_run" } else { "" };
        let lower_bound = !capped && matches!(self.measure.as_ref().map(|m| m.due), Some(Count::Capped(_)));
        let more = if lower_bound { "at least " } else { "" };
        let rows = report::thousands(rows);
        format!("delete {more}{rows} rows in {batches} of at most {most}{cap}")
    }

    /// Rounded to parts of a million: more digits are noise.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    pub(super) fn share(&self) -> Option<f64> {
        let measure = self.measure.as_ref()?;
        let (due, total) = (measure.due.rows()?, measure.total.rows()?);
        (total > 0).then(|| ((due as f64 / total as f64) * 1e6).round() / 1e6)
    }
}

/// Counting went well, so the rule would run: only the picture is missing.
fn unprofiled(fault: &Fault) -> Finding {
    Finding {
        id: "spread_unknown".into(),
        severity: Severity::Warning,
        place: fault.place.clone(),
        message: format!("how rows are spread could not be looked at: {fault}"),
        fix: "plan again when the database is less busy".into(),
    }
}

/// The index that serves the walk by the leading column: the one with the fewest columns.
fn index(step: &Step) -> Option<String> {
    let lead = &step.lead()?.column;
    let serves = step.table.indexes.iter().filter(|index| index.columns.first() == Some(lead));
    serves.min_by_key(|index| index.columns.len()).map(|index| index.name.clone())
}
