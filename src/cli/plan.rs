//! `forgetd plan`: what every rule would do right now, with the statements it would send. Changes nothing.

use std::path::Path;

use forgetd_connector::{Cause, Count, Fault, FaultClass, Finding, Measure, RowCap, Severity, Statements, Step};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    USAGE,
    check::{Opened, atomicity, open, reach},
    complain, load, print, report, say,
};
use crate::{
    app,
    config::Config,
    guard,
    preflight::{self, Look},
    rules::{Mode, Rule},
};

/// Counting stops here unless `--exact` is given: a plan of a large table should not read all of it.
const COUNT_MAX: u64 = 1_000_000;

/// What `plan` can be asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The rule; every rule if left out.
    pub rule: Option<String>,
    /// Print one JSON object per rule, each on a line.
    #[arg(long)]
    pub json: bool,
    /// Count every row that is due, however many there are.
    #[arg(long)]
    pub exact: bool,
    /// Exit with 2 when something is due.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// The plan of one rule.
#[derive(Clone, Debug)]
pub struct RulePlan {
    rule: Rule,
    batch_rows_max: u64,
    cutoff: Option<Timestamp>,
    measure: Option<Measure>,
    statements: Option<Statements>,
    guard: Option<(Cause, String)>,
    findings: Vec<Finding>,
    unreachable: bool,
    blind: bool,
}

/// Runs `plan`. The exit code is the command's: 78 for a broken configuration, 64 for an unknown rule, else as
/// [`exit_code`] says.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Some(name) = args.rule.as_deref().filter(|name| config.policy.rule(name).is_none()) {
        say(format_args!("the policy has no rule {name:?}"));
        return USAGE;
    }
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let plans = plans(&config, &open(&config, &databases), args).await;
    databases.close().await;
    if args.json {
        for plan in &plans {
            print(plan.json());
        }
    } else {
        print(text(&plans));
    }
    exit_code(&plans, args)
}

/// Plans one rule, or all of them in the order in which they act.
pub async fn plans(config: &Config, opened: &Opened<'_>, args: &Args) -> Vec<RulePlan> {
    let chosen = |rule: &&Rule| args.rule.as_ref().is_none_or(|name| *name == rule.name);
    let chosen: Vec<&Rule> = config.policy.rules.iter().filter(chosen).collect();
    let mut plans = vec![];
    for rule in preflight::ordered(&chosen, |name| reach(opened, name).ok()).await {
        plans.push(plan(rule, config, opened, args).await);
    }
    plans
}

async fn plan(rule: &Rule, config: &Config, opened: &Opened<'_>, args: &Args) -> RulePlan {
    let database = config.database(&rule.database);
    let mut plan = RulePlan {
        rule: rule.clone(),
        batch_rows_max: database.map_or(1, |database| u64::from(database.batch_rows_max)),
        cutoff: None,
        measure: None,
        statements: None,
        guard: None,
        findings: vec![],
        unreachable: false,
        blind: false,
    };
    let cap = RowCap((!args.exact).then_some(COUNT_MAX));
    if let Err(fault) = plan.look(config, opened, cap).await {
        plan.fail(&fault);
    }
    plan.findings = preflight::ranked(std::mem::take(&mut plan.findings));
    plan
}

/// The exit code of a set of plans: 69 where a database did not answer, 5 where the role cannot see, 4 where a finding
/// or a guard stops a rule, 2 where something is due and that was asked for.
pub fn exit_code(plans: &[RulePlan], args: &Args) -> u8 {
    if plans.iter().any(|plan| plan.unreachable) {
        69
    } else if plans.iter().any(RulePlan::is_blind) {
        5
    } else if plans.iter().any(RulePlan::is_blocked) {
        4
    } else if args.detailed_exitcode && plans.iter().any(|plan| plan.due().is_some_and(|due| due > 0)) {
        2
    } else {
        0
    }
}

/// All plans for people: one block per rule, and a summary where there are several.
pub fn text(plans: &[RulePlan]) -> String {
    let mut parts: Vec<String> = plans.iter().map(RulePlan::text).collect();
    if plans.len() > 1 {
        let mut table = report::table();
        table.set_header(["rule", "mode", "table", "due", "oldest", "would"]);
        for plan in plans {
            let oldest = plan.measure.as_ref().and_then(|measure| measure.oldest);
            table.add_row([
                plan.rule.name.clone(),
                mode(plan.rule.mode).into(),
                format!("{}.{}", plan.rule.database, plan.rule.table),
                plan.measure.as_ref().map_or("-".into(), |measure| count(measure.due)),
                oldest.map_or("-".into(), |oldest| oldest.strftime("%Y-%m-%d").to_string()),
                plan.outlook().0.into(),
            ]);
        }
        parts.push(report::text(&table));
    }
    parts.join("\n\n")
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

fn count(count: Count) -> String {
    match count {
        Count::Exact(rows) => report::thousands(rows),
        Count::Capped(rows) => format!("at least {}", report::thousands(rows)),
        Count::Estimate(rows) => format!("about {}", report::thousands(rows)),
        Count::Blind(cause) => format!("cannot be seen ({cause})"),
    }
}

// === impl RulePlan ===

impl RulePlan {
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
        self.statements = Some(connector.statements(&step)?);
        let measure = connector.measure(&step, cap).await?;
        self.judge(&step, measure);
        Ok(())
    }

    fn judge(&mut self, step: &Step, measure: Measure) {
        let place = step.place(&self.rule.database);
        if let Count::Blind(cause) = measure.due {
            let message = "rows that are due cannot be counted, so the rule would not run";
            self.findings.push(Finding::blocks(cause, &place, message));
            self.blind = true;
        }
        self.guard = guard::check(&self.rule, &measure);
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

    fn due(&self) -> Option<u64> {
        self.measure.as_ref()?.due.rows()
    }

    fn is_blind(&self) -> bool {
        self.blind
    }

    fn is_blocked(&self) -> bool {
        self.guard.is_some() || self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// What a run would do, in a word and in a sentence.
    fn outlook(&self) -> (&'static str, String) {
        if let Some(finding) = self.findings.iter().find(|finding| finding.severity == Severity::Error) {
            return ("be blocked", format!("nothing: {} blocks it", finding.id));
        }
        if let Some((cause, text)) = &self.guard {
            return ("be blocked", format!("nothing: {cause}: {text}"));
        }
        let due = self.due().unwrap_or(0);
        if due == 0 {
            return ("find nothing", "find nothing to do".into());
        }
        let capped = self.rule.cap.rows_per_run.filter(|cap| *cap < due);
        let rows = capped.unwrap_or(due);
        let batches = match rows.div_ceil(self.batch_rows_max.max(1)) {
            1 => "1 batch".into(),
            n => format!("{} batches", report::thousands(n)),
        };
        let most = report::thousands(self.batch_rows_max);
        let cap = if capped.is_some() { ", then stop at cap.rows_per_run" } else { "" };
        let lower_bound = capped.is_none() && matches!(self.measure.as_ref().map(|m| m.due), Some(Count::Capped(_)));
        let more = if lower_bound { "at least " } else { "" };
        let rows = report::thousands(rows);
        let work = format!("delete {more}{rows} rows in {batches} of at most {most}{cap}");
        match self.rule.mode {
            Mode::Enforce => ("delete", work),
            Mode::Observe => ("only look", format!("only look; with `mode: enforce` it would {work}")),
        }
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let count = |count: Option<Count>| match count.and_then(Count::rows) {
            Some(rows) => json!(rows),
            None => Json::Null,
        };
        let (due, total) = (self.measure.as_ref().map(|m| m.due), self.measure.as_ref().map(|m| m.total));
        let exact = matches!(due, Some(Count::Exact(_)));
        json!({
            "rule": self.rule.name,
            "database": self.rule.database,
            "table": self.rule.table.to_string(),
            "action": "delete",
            "mode": self.rule.mode,
            "cutoff": self.cutoff,
            "due": count(due),
            "due_exact": exact,
            "total": count(total),
            "share": self.share(),
            "oldest": self.measure.as_ref().and_then(|measure| measure.oldest),
            "held": 0,
            "skipped": [],
            "batch_rows_max": self.batch_rows_max,
            "predicate": self.statements.as_ref().map(|statements| &statements.predicate),
            "statements": self.statements,
            "guard": self.guard.as_ref().map(|(cause, text)| json!({ "cause": cause, "message": text })),
            "findings": self.findings,
        })
        .to_string()
    }

    /// Rounded to parts of a million: more digits are noise.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    fn share(&self) -> Option<f64> {
        let measure = self.measure.as_ref()?;
        let (due, total) = (measure.due.rows()?, measure.total.rows()?);
        (total > 0).then(|| ((due as f64 / total as f64) * 1e6).round() / 1e6)
    }

    fn text(&self) -> String {
        let rule = &self.rule;
        let head = format!("{}: delete from {}.{} ({})", rule.name, rule.database, rule.table, mode(rule.mode));
        let mut table = report::table();
        let mut row = |name: &str, text: String| {
            table.add_row([format!("  {name}"), text]);
        };
        row("keeps", format!("{} after {}", rule.keep_for, rule.since));
        if let Some(cutoff) = self.cutoff {
            row("cutoff", cutoff.to_string());
        }
        if let Some(measure) = &self.measure {
            row("due", self.due_text(measure));
        }
        row("would", self.outlook().1);
        if let Some(statements) = &self.statements {
            row("walks", format!("by {}", statements.walk));
            row("predicate", statements.predicate.clone());
            // Every statement holds the predicate word for word; saying it once keeps the rest readable.
            let short = |statement: &str| statement.replace(&statements.predicate, "<predicate>");
            row("peek", short(&statements.peek));
            row("change", short(&statements.change));
            row("count", short(&statements.count));
        }
        if let Some(column) = table.column_mut(0) {
            column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
        }
        let mut parts = vec![head, report::text(&table)];
        if !self.findings.is_empty() {
            parts.push(report::indented(&report::findings(&self.findings)));
        }
        parts.join("\n")
    }

    fn due_text(&self, measure: &Measure) -> String {
        let share = self.share().filter(|_| !matches!(measure.due, Count::Capped(_)));
        let share = share.map_or(String::new(), |share| format!(" ({:.1}%)", share * 100.0));
        let oldest = measure.oldest.map_or(String::new(), |oldest| format!(", the oldest of {oldest}"));
        format!("{} of {} rows{share}{oldest}", count(measure.due), count(measure.total))
    }
}

#[cfg(test)]
mod tests;
