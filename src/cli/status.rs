//! `forgetd status`: who acts, and how the rules stand, as the home database remembers it. Reads only.

use std::path::Path;

use forgetd_connector::{Cause, Connector, ControlState, Facts, Fault, UnsupportedEngine};
use jiff::Timestamp;
use serde_json::json;

use super::{complain, fault_code, load, print, report};
use crate::config::{Config, Database};
use crate::rules::{Mode, Rule};
use crate::run::standing::Standing;
use crate::{app, clock, preflight};

/// Options of `status`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Print one JSON object a rule.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows how the rules stand. The exit code is 0 whatever that is; 69 where the home database is away.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let home = config.home().map_or("", |home| home.name.as_str());
    let connector = match app::connect_database(&config, home).await {
        Ok(Ok(connector)) => connector,
        Ok(Err(fault)) => return fault_code(&fault),
        Err(problem) => return complain(&problem.into()),
    };
    let code = match look(&config, home, connector.as_ref(), args.json).await {
        Ok(()) => 0,
        Err(fault) => fault_code(&fault),
    };
    connector.close().await;
    code
}

async fn look(config: &Config, home: &str, connector: &dyn Connector, json: bool) -> Result<(), Fault> {
    let control = connector.control();
    let ready = matches!(control.inspect().await?, ControlState::Ready(_));
    let lease = if ready { control.lease().await? } else { None };
    let standings = if ready { control.standings().await? } else { vec![] };
    let standing = |rule: &Rule| {
        let row = standings.iter().find(|row| row.rule == rule.name);
        row.map(|row| Standing::read(&row.body)).unwrap_or_default()
    };
    let rules: Vec<(&Rule, Standing)> =
        config.policy.rules.iter().filter(|rule| rule.runs()).map(|rule| (rule, standing(rule))).collect();
    if json {
        for (rule, standing) in &rules {
            print(line(config, rule, standing));
        }
        return Ok(());
    }
    print(match (ready, lease) {
        (false, _) => "there are no control tables: nothing acts; run `forgetd install`".into(),
        (true, Some(lease)) if lease.alive => format!("{} acts, term {}", lease.holder, lease.term),
        (true, _) if connector.facts().read_only => {
            format!("nobody acts: the home database takes no writes; {}", Cause::ReadOnly.fix())
        }
        (true, _) => "nobody acts".into(),
    });
    untested(config, home, connector.facts());
    let mut table = report::table();
    table.set_header(["rule", "mode", "last run", "verdict", "left", "next"]);
    for (rule, standing) in &rules {
        table.add_row(row(config, rule, standing));
    }
    print(report::text(&table));
    for database in &config.databases {
        if let Some(end) = database.quiet.until(clock::now()) {
            print(format_args!("{}: quiet until {}: nothing is started there", database.name, minute(end)));
        }
    }
    for (rule, standing) in &rules {
        if let Some(cause) = standing.last.as_ref().and_then(|last| last.cause) {
            print(format_args!("{}: {cause}: {}", rule.name, cause.fix()));
        }
        if let Some(paused) = &standing.paused {
            let reason = if paused.reason.is_empty() { String::new() } else { format!(": {}", paused.reason) };
            print(format_args!("{}: paused by {} since {}{reason}", rule.name, paused.who, minute(paused.since)));
        }
    }
    Ok(())
}

/// Databases that are worked with, or may be, although no test ever ran on their product. Only the home database was asked.
fn untested(config: &Config, home: &str, facts: &Facts) {
    if let Some(finding) = preflight::untested(facts, home) {
        print(format_args!("{home}: warning: {}", finding.message));
    }
    let accepts = |database: &&Database| database.unsupported_engine == UnsupportedEngine::Accept;
    for database in config.databases.iter().filter(|database| database.name != home).filter(accepts) {
        print(format_args!(
            "{}: `unsupported_engine: accept` is written; `forgetd check --connect` says whether its product was tested",
            database.name
        ));
    }
}

const fn mode(rule: &Rule) -> &'static str {
    match rule.mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

fn next(config: &Config, rule: &Rule, standing: &Standing) -> Option<Timestamp> {
    let fire = rule.schedule.as_ref()?.after(standing.served.unwrap_or_else(clock::now))?;
    let quiet = config.quiet(&rule.database).until(fire.max(clock::now()));
    Some(quiet.unwrap_or(fire))
}

fn row(config: &Config, rule: &Rule, standing: &Standing) -> [String; 6] {
    let last = standing.last.as_ref();
    let verdict = last.map_or_else(|| "-".into(), |last| last.verdict.to_string());
    [
        rule.name.clone(),
        mode(rule).into(),
        last.map_or_else(|| "never".into(), |last| minute(last.at)),
        if standing.paused.is_some() { format!("{verdict}, paused") } else { verdict },
        last.and_then(|last| last.left).map_or_else(|| "-".into(), |left| left.to_string()),
        next(config, rule, standing).map_or_else(|| "-".into(), minute),
    ]
}

fn line(config: &Config, rule: &Rule, standing: &Standing) -> serde_json::Value {
    let last = standing.last.as_ref();
    json!({
        "rule": rule.name,
        "mode": mode(rule),
        "run_id": last.map(|last| &last.run_id),
        "at": last.map(|last| last.at),
        "verdict": last.map(|last| last.verdict),
        "cause": last.and_then(|last| last.cause),
        "detail": last.and_then(|last| last.detail.as_ref()),
        "cutoff": last.and_then(|last| last.cutoff),
        "due": last.and_then(|last| last.due),
        "changed": last.map(|last| last.changed),
        "left": last.and_then(|last| last.left),
        "skipped": last.map(|last| &last.skipped),
        "batches": last.map(|last| last.batches),
        "batch_rows_max": last.map(|last| last.batch_rows_max),
        "longest_tx_ms": last.map(|last| last.longest_tx_ms),
        "seconds": last.map(|last| last.seconds),
        "last_clean": standing.last_clean,
        "blocked": standing.blocked,
        "paused": standing.paused,
        "next": next(config, rule, standing),
    })
}

/// To the minute, in UTC.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
