//! `forgetd explain RULE`: its statements, how the engine would run them, when it fires next; with `--key -`, why one row
//! goes or stays, and when. Changes nothing.

mod verdict;

use std::path::Path;

use forgetd_connector::{Explained, Fault, Statements, Step};
use jiff::Timestamp;
use serde_json::json;

use super::{
    USAGE,
    check::{Opened, atomicity, open, reach},
    complain, load, print, report, row_key, say,
};
use crate::{app, clock, config::Config, preflight, rules::Rule};
use verdict::Answer;

/// How many fire times are shown.
const FIRES: usize = 5;

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rule.
    rule: String,

    /// Say why the row with this key goes or stays, and when. The key is read from standard input, one line for each key
    /// column.
    #[arg(long, value_name = "-", value_parser = ["-"])]
    key: Option<String>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Explains. The exit code is the command's: 78 for a broken configuration, 64 for an unknown rule or key, 69 where the
/// database does not answer, 4 where the rule is blocked.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let Some(rule) = config.policy.rule(&args.rule) else {
        say(format_args!("the policy has no rule {:?}", args.rule));
        return USAGE;
    };
    if !rule.runs() {
        say(format_args!("rule {} keeps rows and sends no statements; explain the rules that change some", rule.name));
        return USAGE;
    }
    let key = match args.key.as_ref().map(|_| row_key::read()).transpose() {
        Ok(key) => key,
        Err(code) => return code,
    };
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let code = explain(rule, &config, &open(&config, &databases), key.as_deref(), args.json).await;
    databases.close().await;
    code.unwrap_or_else(|fault| {
        say(format_args!("{fault}; {}", fault.cause().fix()));
        app::exit_code(&fault)
    })
}

async fn explain(
    rule: &Rule,
    config: &Config,
    opened: &Opened<'_>,
    key: Option<&[String]>,
    json: bool,
) -> Result<u8, Fault> {
    let connector = reach(opened, &rule.database)?;
    let Some(database) = config.database(&rule.database) else { return Ok(USAGE) };
    let atomicity = atomicity(database, connector);
    let look = preflight::look(rule, &config.policy, connector, &database.name, atomicity).await?;
    let Some(step) = look.step else {
        print(report::findings(&look.findings));
        return Ok(4);
    };
    let Some(lines) = key else {
        let statements = connector.statements(&step)?;
        let explained = connector.explain(&step).await?;
        let fires = fires(rule, clock::now());
        print(if json {
            whole_json(rule, &step, &statements, &explained, &fires)
        } else {
            whole(rule, &step, &statements, &explained, &fires)
        });
        return Ok(0);
    };
    let key = match row_key::typed(&step.table, lines) {
        Ok(key) => key,
        Err(said) => {
            say(said);
            return Ok(USAGE);
        }
    };
    let Some(judged) = connector.judge(&step, &key).await? else {
        say(format_args!("{} has no row with this key", step.table.name));
        return Ok(USAGE);
    };
    let answer = verdict::answer(rule, &config.policy, &judged);
    print(if json { serde_json::to_string(&answer).unwrap_or_default() } else { about(&answer) });
    Ok(0)
}

/// The next fire times, in the schedule's zone and in UTC.
fn fires(rule: &Rule, now: Timestamp) -> Vec<(String, Timestamp)> {
    let Some(schedule) = &rule.schedule else { return vec![] };
    let local = |at: Timestamp| (at.to_zoned(schedule.zone().clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(), at);
    schedule.fires(now).take(FIRES).map(local).collect()
}

fn whole(
    rule: &Rule,
    step: &Step,
    statements: &Statements,
    explained: &[Explained],
    fires: &[(String, Timestamp)],
) -> String {
    let mut parts = vec![
        format!("{}: {} {}.{}", rule.name, rule.action.on(), rule.database, step.table.name),
        format!("  keeps {} after {}; cutoff {}", rule.keep_for, rule.since, step.selection.terms.cutoff.0),
        format!("  walks by {}", statements.walk),
    ];
    let statement = |name: &str, text: &str| format!("\n{name}\n{}", report::indented(text));
    parts.push(statement("predicate", &statements.predicate));
    for (name, text) in [("peek", &statements.peek), ("change", &statements.change), ("count", &statements.count)] {
        parts.push(statement(name, text));
        if let Some(plan) = explained.iter().find(|explained| explained.statement == name) {
            parts.push(format!("  the engine's plan:\n{}", report::indented(&report::indented(&plan.text))));
        }
    }
    parts.push("\nnext fire times".into());
    match &rule.schedule {
        None => parts.push("  none: the rule has no schedule and runs when somebody runs it".into()),
        Some(schedule) => {
            parts.push(format!("  {schedule}"));
            parts.extend(fires.iter().map(|(local, at)| format!("  {local}   {at}")));
        }
    }
    parts.join("\n")
}

fn whole_json(
    rule: &Rule,
    step: &Step,
    statements: &Statements,
    explained: &[Explained],
    fires: &[(String, Timestamp)],
) -> String {
    json!({
        "rule": rule.name,
        "database": rule.database,
        "table": step.table.name.to_string(),
        "cutoff": step.selection.terms.cutoff.0,
        "statements": statements,
        "explained": explained,
        "schedule": rule.schedule.as_ref().map(ToString::to_string),
        "fires": fires.iter().map(|(local, at)| json!({ "local": local, "utc": at })).collect::<Vec<_>>(),
    })
    .to_string()
}

fn about(answer: &Answer) -> String {
    let mut lines = vec![if answer.due { "the row goes" } else { "the row stays" }.to_owned()];
    lines.extend(answer.reasons.iter().map(|reason| format!("  {reason}")));
    match (answer.due, answer.due_from) {
        (true, _) => {}
        (false, Some(from)) => lines.push(format!("when: with the first run after {from}")),
        (false, None) => lines.push("when: not while the row stays as it is".into()),
    }
    lines.join("\n")
}
