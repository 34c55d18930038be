//! Observing without control tables: no lease, no evidence, only a look.

use forgetd_connector::{Cause, RowCap};
use tokio::time::Instant;

use super::rule::{self, Blocked};
use super::{Report, Sites, Verdict};
use crate::config::Config;
use crate::rules::{Mode, Rule};
use crate::{clock, plan, preflight};

/// Looks at what each rule would do. A rule in enforce mode is blocked: without control tables nothing may change.
pub async fn observe(config: &Config, sites: &Sites<'_>, rules: &[&Rule]) -> Vec<Report> {
    let mut reports = Vec::with_capacity(rules.len());
    for rule in rules {
        if let Some(end) = config.quiet(&rule.database).until(clock::now()) {
            let detail = format!("database {} has a quiet window until {end}", rule.database);
            let report = Report::new(rule, String::new());
            reports.push(report.ended(Verdict::Partial, Some(Cause::QuietWindow), Some(detail)));
            continue;
        }
        let started = Instant::now();
        let report = Report::new(rule, ulid::Ulid::generate().to_string());
        let mut report = match look(config, sites, rule, report.clone()).await {
            Ok(report) => report,
            Err(blocked) => report.ended(blocked.verdict, Some(blocked.cause), Some(blocked.detail)),
        };
        report.seconds = started.elapsed().as_secs_f64();
        reports.push(report);
    }
    reports
}

async fn look(config: &Config, sites: &Sites<'_>, rule: &Rule, mut report: Report) -> Result<Report, Blocked> {
    let site = sites.site(&rule.database)?;
    if rule.mode == Mode::Enforce {
        // The home database's tables are missing, or this rule's own; either way it may not act.
        sites.home()?.generation()?;
        site.generation()?;
    }
    let connector = site.connector;
    let now = rule::time(site, rule).await?;
    let catalog = preflight::describe(rule, &config.policy, connector).await?;
    let step = plan::step(rule, &catalog, site.name, now, site.atomicity, &config.policy)
        .map_err(|findings| rule::blocked_by(&findings))?;
    let measure = connector.measure(&step, RowCap(None)).await?;
    report.cutoff = Some(step.selection.terms.cutoff.0);
    (report.due, report.due_exact) = rule::due(&measure)?;
    report.oldest = measure.oldest;
    report.left = report.due;
    if report.due == Some(0) {
        return Ok(report.ended(Verdict::Clean, None, None));
    }
    Ok(report.ended(Verdict::Partial, Some(Cause::Observe), None))
}
