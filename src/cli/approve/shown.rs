//! What a person sees before approving: what is due, and everything that stops the rule's next run.

use forgetd_connector::{Cause, Count, Fault, FaultClass, Finding, Measure, RowCap, Severity};
use jiff::Timestamp;

use crate::approval::{Approvers, RuleStatement, Statement, VERSION};
use crate::cli::check::{atomicity, open, reach};
use crate::cli::home::Home;
use crate::cli::report;
use crate::config::Config;
use crate::guard::{self, Seen, Stop};
use crate::preflight::{self, Look};
use crate::rules::Rule;
use crate::run::{Databases, RuleApproval};
use crate::{app, clock, plan};

/// One rule, as it is shown.
pub(super) struct Shown<'a> {
    rule: &'a Rule,
    /// What no approval clears away.
    stuck: Vec<Finding>,
    code: u8,
    measured: Option<(Timestamp, Measure)>,
    stops: Vec<Stop>,
    approval: Option<RuleApproval<'a>>,
    /// The home database's clock.
    now: Timestamp,
    /// Who may approve.
    approvers: &'a Approvers,
    /// Who has signed, where not enough have.
    signed: Option<String>,
}

/// Looks at each rule. Changes nothing.
pub(super) async fn look<'a>(config: &'a Config, databases: &Databases, rules: &[&'a Rule]) -> Vec<Shown<'a>> {
    let opened = open(config, databases);
    let home = Home::look(config, &opened).await;
    let mut shown = vec![];
    for rule in rules {
        let (now, approvers) = (home.now, &config.policy.approvers);
        let (measured, approval, signed) = (None, None, None);
        let mut one = Shown { rule, stuck: vec![], code: 0, measured, stops: vec![], approval, now, approvers, signed };
        let connector = reach(&opened, &rule.database);
        let looked = match (connector, config.database(&rule.database)) {
            (Ok(connector), Some(database)) => one.look(config, connector, atomicity(database, connector), &home).await,
            (Err(fault), _) => Err(fault),
            (Ok(_), None) => Err(Fault::new(FaultClass::Internal, "look up", &rule.database)),
        };
        if let Err(fault) = looked {
            one.code = app::exit_code(&fault);
            one.stuck.push(report::fault(&fault));
        }
        shown.push(one);
    }
    shown
}

// === impl Shown ===

impl<'a> Shown<'a> {
    async fn look(
        &mut self,
        config: &Config,
        connector: &dyn forgetd_connector::Connector,
        atomicity: forgetd_connector::Atomicity,
        home: &Home<'_>,
    ) -> Result<(), Fault> {
        let name = self.rule.database.as_str();
        let before = clock::now();
        let Look { now, step, findings } =
            preflight::look(self.rule, &config.policy, connector, name, atomicity).await?;
        let findings = findings.into_iter().chain(guard::skew(name, now, before, clock::now()));
        self.stuck = findings.filter(|finding| finding.severity == Severity::Error).collect();
        self.code = if self.stuck.is_empty() { 0 } else { 4 };
        let Some(step) = step.filter(|_| self.stuck.is_empty()) else { return Ok(()) };
        let book = home.book(&self.rule.name).await?;
        let measure = connector.measure(&step, RowCap(None)).await?;
        if let Count::Blind(cause) = measure.due {
            let message = "rows that are due cannot be counted, so nobody can say what would be approved";
            self.stuck = vec![Finding::blocks(cause, step.place(name), message)];
            self.code = 5;
            return Ok(());
        }
        let (cutoff, catalog) = (step.selection.terms.cutoff.0, plan::depends(&step));
        let seen = Seen { rule: self.rule, book: &book, measure: &measure, cutoff, catalog: &catalog, now: home.now };
        self.stops = guard::check(&seen);
        let along = guard::along(&home.along(&step, &config.policy).await?, home.now);
        // What an approval of those rules clears away.
        let own = !self.stops.is_empty();
        self.stops.extend(along);
        if own {
            // What an earlier approval covers as well: this one takes its place.
            let causes = guard::tripped(&seen).into_iter().map(|(cause, _)| cause).collect();
            let due = measure.due.rows().unwrap_or_default();
            self.approval = Some(RuleApproval { rule: self.rule, causes, catalog, due, cutoff });
            self.signed = book.signatures.waiting(home.now).map(|(by, until)| {
                format!("by {}; others can sign the same statement until {until}", by.join(" and "))
            });
        }
        self.measured = Some((cutoff, measure));
        Ok(())
    }

    /// The rule.
    pub(super) fn rule(&self) -> &'a Rule {
        self.rule
    }

    /// What an approver signs; nothing where there is nothing to approve.
    pub(super) fn statement(&self, config: &Config, reason: &str) -> Option<RuleStatement> {
        let RuleApproval { rule, causes, catalog, due, cutoff } = self.approval.clone()?;
        Some(RuleStatement {
            v: VERSION,
            instance: config.instance.clone(),
            rule: rule.name.clone(),
            rule_digest: rule.digest(),
            causes,
            catalog_digest: catalog,
            due,
            cutoff,
            policy_digest: config.policy.digest(),
            reason: reason.trim().into(),
            until: Statement::until(self.now),
        })
    }

    /// What is approved if the answer is yes.
    pub(super) fn approval(&self) -> Option<&RuleApproval<'a>> {
        self.approval.as_ref()
    }

    /// Whether there is anything to say about it.
    pub(super) fn is_stopped(&self) -> bool {
        !self.stops.is_empty() || !self.stuck.is_empty()
    }

    /// 0 where nothing but an approval is missing.
    pub(super) fn exit_code(&self) -> u8 {
        self.code
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let Rule { name, database, table, action, .. } = self.rule;
        let head = format!("{name}: {} {database}.{table}", action.on());
        if !self.stuck.is_empty() {
            let findings = report::indented(&report::findings(&self.stuck));
            return format!("{head}\n{findings}\n  no approval helps against this");
        }
        let mut table = report::table();
        let mut row = |name: &str, text: String| {
            table.add_row([format!("  {name}"), text]);
        };
        if let Some((cutoff, measure)) = &self.measured {
            let oldest = measure.oldest.map_or(String::new(), |oldest| format!(", the oldest of {oldest}"));
            row("due", format!("{} of {} rows{oldest}", count(measure.due), count(measure.total)));
            row("cutoff", cutoff.to_string());
        }
        for (cause, text) in &self.stops {
            row(cause.id(), text.clone());
        }
        row("approving", self.approving());
        if let Some(signed) = &self.signed {
            row("signed", signed.clone());
        }
        if self.approval.is_some() && !self.approvers.is_empty() {
            let Approvers { required, .. } = self.approvers;
            let names = self.approvers.names();
            row("needs", format!("signatures of {required} of {names}, of what `--statement` prints"));
        }
        if let Some(column) = table.column_mut(0) {
            column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
        }
        format!("{head}\n{}", report::text(&table))
    }

    fn approving(&self) -> String {
        let Some(approval) = &self.approval else {
            let why = if self.stops.is_empty() { "nothing stops it" } else { "not this rule is what waits" };
            return format!("{why}: there is nothing to approve");
        };
        let (good, once): (Vec<Cause>, Vec<Cause>) =
            approval.causes.iter().partition(|cause| cause.is_approved_for_good());
        let mut parts = vec![];
        if !good.is_empty() {
            parts.push("lets it act under this definition from now on".into());
        }
        if !once.is_empty() {
            let causes: Vec<&str> = once.into_iter().map(Cause::id).collect();
            parts.push(format!(
                "lets its next run, within 7 days, go past {} if about as many rows are due",
                causes.join(", ")
            ));
        }
        parts.join("; ")
    }
}

fn count(count: Count) -> String {
    match count {
        Count::Estimate(rows) => format!("about {}", report::thousands(rows)),
        count => count.rows().map_or_else(|| "unknown".into(), report::thousands),
    }
}
