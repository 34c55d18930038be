//! `forgetd approve`: a person's word where forgetd must not go on by itself.

mod restored;
mod shown;
mod signed;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::ask;
use super::run::explain;
use super::{USAGE, complain, load, print, prompt, say};
use crate::app;
use crate::config::Config;
use crate::keys::EvidenceKey;
use crate::lease;
use crate::rules::{Mode, Rule};
use crate::run::{Approver, Databases, Quiet, Refused, RuleApproval, Session, Sites, signing_key};
use crate::serve::request::{Approved, Ask};
use crate::shutdown;

use shown::Shown;

/// Options of `approve`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The rule; without it every rule that would act and is stopped.
    #[arg(conflicts_with = "restored")]
    pub(crate) rule: Option<String>,

    /// Go on after a database or the evidence was restored to an earlier state: begins a new generation of control
    /// tables and leaves an entry that says so.
    #[arg(long)]
    pub(crate) restored: bool,

    /// Why, in words that name no person; it becomes part of the evidence.
    #[arg(long, value_name = "TEXT", conflicts_with = "signed")]
    pub(crate) reason: Option<String>,

    /// Print what an approver of the policy signs with `ssh-keygen -Y sign -n forgetd -f KEY FILE`, and nothing else. It
    /// can be used for an hour.
    #[arg(long)]
    pub(crate) statement: bool,

    /// What was signed, as --statement printed it.
    #[arg(long, value_name = "FILE", requires = "signature", conflicts_with = "statement")]
    pub(crate) signed: Option<PathBuf>,

    /// The signature of an approver; as often as approvers have signed. Where more are needed, others can give theirs
    /// later.
    #[arg(long, value_name = "FILE", requires = "signed")]
    pub(crate) signature: Vec<PathBuf>,

    /// Answer the question that is asked on a terminal.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Approves. The exit code is the command's: 4 where something stops a rule all the same.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let reason = args.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    if args.restored && !reason && args.signed.is_none() {
        say("--restored needs --reason TEXT: it becomes part of the evidence");
        return USAGE;
    }
    if (args.statement || args.signed.is_some()) && args.rule.is_none() && !args.restored {
        say("a statement is of one rule: name it, or give --restored");
        return USAGE;
    }
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if (args.statement || args.signed.is_some()) && config.policy.approvers.is_empty() {
        say("the policy names no approvers, so nobody can sign; approve without, or name them under `approvers`");
        return USAGE;
    }
    let rules = match rules(&config, args) {
        Ok(rules) => rules,
        Err(code) => return code,
    };
    let given = match args.signed.as_deref().map(|statement| signed::read(statement, &args.signature)).transpose() {
        Ok(given) => given,
        Err(code) => return code,
    };
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let reason = args.reason.as_deref().unwrap_or_default();
    let code = match (args.restored, args.statement, &given) {
        (true, true, _) => restored::statement(&config, &databases, reason).await,
        (true, false, given) => Box::pin(restored::approve(&config, &databases, reason, given.as_ref())).await,
        (false, true, _) => signed::statement(&config, &databases, &rules, reason).await,
        (false, false, Some(given)) => Box::pin(signed::approve(&config, &databases, &rules, given)).await,
        (false, false, None) => Box::pin(look_and_approve(&config, &databases, &rules, args)).await,
    };
    databases.close().await;
    code
}

/// The rules that were asked for, as far as they act.
fn rules<'a>(config: &'a Config, args: &Args) -> Result<Vec<&'a Rule>, u8> {
    let acts = |rule: &&Rule| rule.runs() && rule.mode == Mode::Enforce;
    let Some(name) = &args.rule else { return Ok(config.policy.rules.iter().filter(acts).collect()) };
    match config.policy.rule(name) {
        Some(rule) if acts(&rule) => Ok(vec![rule]),
        Some(_) => {
            say(format_args!("rule {name} changes nothing: it needs no approval"));
            Err(0)
        }
        None => {
            say(format_args!("the policy has no rule {name:?}"));
            Err(USAGE)
        }
    }
}

/// Shows what stops each rule, asks, and approves what was shown.
async fn look_and_approve(config: &Config, databases: &Databases, rules: &[&Rule], args: &Args) -> u8 {
    let shown = shown::look(config, databases, rules).await;
    for rule in shown.iter().filter(|rule| rule.is_stopped() || args.rule.is_some()) {
        print(rule.text());
    }
    if args.rule.is_none() && !shown.iter().any(Shown::is_stopped) {
        print("nothing stops any rule: there is nothing to approve");
    }
    let approvals: Vec<&RuleApproval<'_>> = shown.iter().filter_map(Shown::approval).collect();
    let stuck = shown.iter().map(Shown::exit_code).max().unwrap_or(0);
    if approvals.is_empty() {
        return stuck;
    }
    let question = if config.policy.approvers.is_empty() { "approve?" } else { "note that you would, unsigned?" };
    if !prompt::agreed(question, args.yes).await {
        say("nothing was approved");
        return 1;
    }
    let who = actor();
    let by = Approver { who: &who, reason: args.reason.as_deref().unwrap_or_default() };
    let (key, stop) = match tools(config) {
        Ok(tools) => tools,
        Err(code) => return code,
    };
    let sites = Sites::survey(config, databases).await;
    let done = match Session::open(config, &sites, &key, Duration::ZERO, stop, &Quiet).await {
        Ok(session) => session.approve_rules(&approvals, by).await,
        Err(refused) => {
            let rules = approvals.iter().map(|approval| Approved::of(approval)).collect();
            let ask = Ask::Approve { rules, reason: by.reason.into() };
            return elsewhere(&sites, &refused, ask).await.max(stuck);
        }
    };
    match done {
        Ok(Ok(outcomes)) => {
            outcomes.iter().for_each(|(rule, outcome)| print(outcome.said(rule)));
            outcomes.iter().map(|(_, outcome)| outcome.exit_code()).fold(stuck, u8::max)
        }
        Ok(Err(fault)) => {
            say(format_args!("{fault}; {}", fault.cause().fix()));
            app::exit_code(&fault)
        }
        Err(refused) => explain(&refused),
    }
}

/// What the holder of the lease makes of it, if it serves; else why nothing was done. The exit code.
async fn elsewhere(sites: &Sites<'_>, refused: &Refused, ask: Ask) -> u8 {
    match refused {
        Refused::NotHolder(lease) if lease::serves(&lease.holder) => ask::and_show(sites, ask, false).await,
        refused => explain(refused),
    }
}

/// What every session needs. What is missing was said.
pub(super) fn tools(config: &Config) -> Result<(EvidenceKey, watch::Receiver<bool>), u8> {
    let key = signing_key(config).map_err(|problem| complain(&problem.into()))?;
    let stop = shutdown::listen().map_err(|error| {
        say(format_args!("signals cannot be listened to: {error}"));
        1
    })?;
    Ok((key, stop))
}

/// Who approves, as the environment says.
pub(super) fn actor() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    variable("FORGETD_ACTOR").unwrap_or_else(|| {
        let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".into());
        let host = variable("HOSTNAME").unwrap_or_else(|| "localhost".into());
        format!("{user}@{host}")
    })
}
