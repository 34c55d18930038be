//! The plan of one rule: everything that is known about its next run.

use forgetd_connector::{
    Atomicity, Cause, Connector, ControlState, Count, Cutoff, Fault, FaultClass, Finding, Measure, Profile, RowCap,
    Severity, Statements, Step,
};
use jiff::Timestamp;

use super::Args;
use crate::{
    cli::{
        check::{Opened, atomicity, reach},
        home::Home,
        report,
    },
    clock,
    config::Config,
    guard::{self, Book, Seen},
    plan::{Reference, depends, references},
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
pub(super) async fn plan(rule: &Rule, config: &Config, opened: &Opened<'_>, home: &Home<'_>, args: &Args) -> RulePlan {
    let database = config.database(&rule.database);
    let mut plan = RulePlan::new(rule, database.map_or(1, |database| u64::from(database.throttle.rows_max(rule))));
    if let Err(fault) = plan.look(config, opened, home, args.exact).await {
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

    async fn look(&mut self, config: &Config, opened: &Opened<'_>, home: &Home<'_>, exact: bool) -> Result<(), Fault> {
        let name = self.rule.database.as_str();
        let connector = reach(opened, name)?;
        let Some(database) = config.database(name) else {
            return Err(Fault::new(FaultClass::Internal, "look up", name));
        };
        let atomicity = atomicity(database, connector);
        let before = clock::now();
        let Look { now, step, findings } =
            preflight::look(&self.rule, &config.policy, connector, name, atomicity).await?;
        self.findings.extend(guard::skew(name, now, before, clock::now()));
        self.findings.extend(findings);
        let Some(mut step) = step else { return Ok(()) };
        let book = home.book(&self.rule.name).await?;
        step.selection.floor = floor(&self.rule, &step, &book, connector, now).await?;
        self.cutoff = Some(step.selection.terms.cutoff.0);
        self.references = references(&step);
        self.index = index(&step);
        self.statements = Some(connector.statements(&step)?);
        // As far as a run counts for its guards, so that both judge alike.
        let needed = guard::rows_needed(&self.rule, &book);
        let cap = RowCap(needed.map(|rows| rows.max(COUNT_MAX)).filter(|_| !exact));
        let measure = connector.measure(&step, cap).await?;
        let blind = matches!(measure.due, Count::Blind(_));
        self.speed = book.speed();
        let seen = Seen {
            rule: &self.rule,
            book: &book,
            measure: &measure,
            cutoff: step.selection.terms.cutoff.0,
            catalog: &depends(&step),
            now: home.now,
        };
        let mut stops = guard::check(&seen);
        if self.rule.mode == Mode::Enforce {
            stops.extend(guard::along(&home.along(&step, &config.policy).await?, home.now));
        }
        self.stops(&step, &measure, stops);
        self.measure = Some(measure);
        if !blind {
            match connector.profile(&step, RowCap((!exact).then_some(COUNT_MAX))).await {
                Ok(profile) => self.profile = Some(profile),
                Err(fault) => self.findings.push(unprofiled(&fault)),
            }
        }
        Ok(())
    }

    /// What keeps the rule from running. One that only looks is stopped by no guard, but somebody should know.
    fn stops(&mut self, step: &Step, measure: &Measure, stops: Vec<guard::Stop>) {
        let place = step.place(&self.rule.database);
        if let Count::Blind(cause) = measure.due {
            let message = "rows that are due cannot be counted, so the rule would not run";
            self.findings.push(Finding::blocks(cause, &place, message));
            self.blind = true;
        }
        match self.rule.mode {
            Mode::Enforce => self.guards = stops,
            Mode::Observe => {
                let warn =
                    |(cause, text)| Finding { severity: Severity::Warning, ..Finding::blocks(cause, &place, text) };
                self.findings.extend(stops.into_iter().map(warn));
            }
        }
    }

    fn fail(&mut self, fault: &Fault) {
        self.unreachable = fault.cause() == Cause::Unreachable;
        self.blind |= matches!(fault.class, FaultClass::Blind(_));
        self.findings.push(report::fault(fault));
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.measure.as_ref()?.due.rows()
    }

    /// A rule that only waits for its approval is as it should be.
    pub(super) fn is_blocked(&self) -> bool {
        self.guards.iter().any(|(cause, _)| *cause != Cause::CoolOff)
            || self.findings.iter().any(|finding| finding.severity == Severity::Error)
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
        if let Some((_, text)) = self.guards.first().filter(|_| !self.is_blocked()) {
            return ("wait", format!("nothing yet: {text}; then {}", self.work()));
        }
        if let Some((cause, text)) = self.guards.first() {
            return ("be blocked", format!("nothing: {cause}: {text}"));
        }
        if self.due().unwrap_or(0) == 0 {
            return ("find nothing", "find nothing to do".into());
        }
        let work = self.work();
        match self.rule.mode {
            Mode::Enforce => (self.rule.action.word(), work),
            Mode::Observe => ("only look", format!("only look; with `mode: enforce` it would {work}")),
        }
    }

    fn work(&self) -> String {
        let (rows, capped) = self.next();
        let batches = match self.batches() {
            1 => "1 batch".into(),
            n => format!("at least {} batches", report::thousands(n)),
        };
        let most = report::thousands(self.batch_rows_max);
        let cap = if capped { ", then stop at cap.rows_per_run" } else { "" };
        let lower_bound = !capped && matches!(self.measure.as_ref().map(|m| m.due), Some(Count::Capped(_)));
        let more = if lower_bound { "at least " } else { "" };
        let rows = report::thousands(rows);
        format!("{} {more}{rows} rows in {batches} of at most {most}{cap}", self.rule.action.word())
    }

    /// Rounded to parts of a million: more digits are noise.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    pub(super) fn share(&self) -> Option<f64> {
        let measure = self.measure.as_ref()?;
        let (due, total) = (measure.due.rows()?, measure.total.rows()?);
        (total > 0).then(|| ((due as f64 / total as f64) * 1e6).round() / 1e6)
    }
}

/// From where the next run looks.
async fn floor(
    rule: &Rule,
    step: &Step,
    book: &Book,
    connector: &dyn Connector,
    now: Timestamp,
) -> Result<Option<Cutoff>, Fault> {
    if rule.transform().is_none() || step.atomicity == Atomicity::Sealed {
        return Ok(None);
    }
    let ControlState::Ready(generation) = connector.control().inspect().await? else { return Ok(None) };
    let catalog = depends(step);
    Ok(guard::floor(rule, step, book, &guard::Known { catalog: &catalog, generation: Some(&generation.0), now }))
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
