//! `forgetd plan`: what every rule would do right now, with the statements it would send. Changes nothing.

mod diff;
mod json;
mod markdown;
mod months;
mod rule_plan;
mod text;

use std::path::{Path, PathBuf};

use super::{
    USAGE,
    check::{Opened, open, reach},
    complain,
    home::Home,
    load, print, say,
};
use crate::{app, config::Config, preflight, rules::Rule};

pub use markdown::markdown;
pub use rule_plan::RulePlan;
pub use text::text;

/// What `plan` can be asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The rule; every rule if left out.
    pub rule: Option<String>,
    /// Print one JSON object per rule, each on a line.
    #[arg(long)]
    pub json: bool,
    /// Print Markdown, for a comment on a change of the policy.
    #[arg(long, conflicts_with = "json")]
    pub md: bool,
    /// Compare two policies instead: what the new one makes due, and what it no longer does. The databases are the new
    /// one's.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "rule")]
    pub diff: Vec<PathBuf>,
    /// Count every row that is due, however many there are.
    #[arg(long)]
    pub exact: bool,
    /// Exit with 2 when something is due.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Runs `plan`. The exit code is the command's: 78 for a broken configuration, 64 for an unknown rule, else as
/// [`exit_code`] says.
pub async fn run(file: &Path, args: &Args) -> u8 {
    if let [old, new] = args.diff.as_slice() {
        let Args { json, md, exact, detailed_exitcode, .. } = *args;
        return diff::run(old, new, diff::Asked { json, md, exact, detailed_exitcode }).await;
    }
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
    } else if args.md {
        print(markdown(&plans));
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
    let home = Home::look(config, opened).await;
    for rule in preflight::ordered(&chosen, |name| reach(opened, name).ok()).await {
        plans.push(rule_plan::plan(rule, config, opened, &home, args).await);
    }
    plans
}

/// The exit code of a set of plans: 69 where a database did not answer, 5 where the role cannot see, 4 where a finding
/// or a guard stops a rule, 2 where something is due and that was asked for.
pub fn exit_code(plans: &[RulePlan], args: &Args) -> u8 {
    if plans.iter().any(|plan| plan.unreachable) {
        69
    } else if plans.iter().any(|plan| plan.blind) {
        5
    } else if plans.iter().any(RulePlan::is_blocked) {
        4
    } else if args.detailed_exitcode && plans.iter().any(|plan| plan.due().is_some_and(|due| due > 0)) {
        2
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
