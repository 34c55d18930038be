//! `forgetd run`: one rule, or every rule, now.

use std::path::Path;
use std::time::Duration;

use forgetd_connector::Cause;

use super::ask;
use super::{BAD_CONFIG, NOT_HOLDER, UNAVAILABLE, USAGE, complain, load, print, progress::Bar, prompt, say};
use crate::app;
use crate::config::Config;
use crate::lease;
use crate::preflight;
use crate::rules::{Mode, Period, Rule};
use crate::run::{Databases, Refused, Report, Session, Sites, Verdict, observe, signing_key};
use crate::serve::request::Ask;
use crate::shutdown;

/// Options of `run`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The rule; every rule without it.
    #[arg(conflicts_with = "overdue")]
    pub(crate) rule: Option<String>,

    /// Only rules whose fire time passed since they were last served, those never served, and those without a schedule:
    /// for a CronJob beside an application that is not always there.
    #[arg(long)]
    pub(crate) overdue: bool,

    /// Wait this long for a living holder to go, for example 30s or 5m; without it, exit 75 at once. One that serves is
    /// not waited for: it is asked, and does the run itself.
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<String>,

    /// Print one JSON object a rule.
    #[arg(long)]
    pub(crate) json: bool,

    /// Answer the question that is asked on a terminal, and nothing else: what stops a rule stops it all the same.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Runs the rules and prints their results. The exit code is the worst verdict's.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let rules: Vec<&Rule> = match &args.rule {
        None => config.policy.rules.iter().filter(|rule| rule.runs()).collect(),
        Some(name) => match config.policy.rule(name) {
            Some(rule) if !rule.runs() => {
                say(format_args!("rule {name} keeps rows and never runs"));
                return USAGE;
            }
            Some(rule) => vec![rule],
            None => {
                say(format_args!("there is no rule called {name} in {}", file.display()));
                return USAGE;
            }
        },
    };
    let wait = match wait(args) {
        Ok(wait) => wait,
        Err(code) => return code,
    };
    let acting: Vec<&str> =
        rules.iter().filter(|rule| rule.mode == Mode::Enforce).map(|rule| rule.name.as_str()).collect();
    if !acting.is_empty() && !prompt::agreed(&question(&rules, &acting), args.yes).await {
        say("nothing was done");
        return 1;
    }
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let code = Box::pin(act(&config, &databases, &rules, wait, args)).await;
    databases.close().await;
    code
}

fn wait(args: &Args) -> Result<Duration, u8> {
    let Some(text) = &args.wait else { return Ok(Duration::ZERO) };
    let seconds = Period::parse(text).ok().and_then(|period| period.as_duration());
    seconds.ok_or_else(|| {
        say(format_args!("--wait {text}: write a duration such as 30s or 5m"));
        USAGE
    })
}

async fn act(config: &Config, databases: &Databases, rules: &[&Rule], wait: Duration, args: &Args) -> u8 {
    let stop = match shutdown::listen() {
        Ok(stop) => stop,
        Err(error) => {
            say(format_args!("signals cannot be listened to: {error}"));
            return 1;
        }
    };
    let sites = Sites::survey(config, databases).await;
    let rules = preflight::ordered(rules, |name| sites.site(name).ok().map(|site| site.connector)).await;
    let bar = Bar::default();
    let reports = if needs_lease(&sites, &rules) {
        let key = match signing_key(config) {
            Ok(key) => key,
            Err(problem) => return complain(&problem.into()),
        };
        let late = stop.clone();
        let ran = match Session::open(config, &sites, &key, wait, stop, &bar).await {
            Ok(session) => {
                let work =
                    async { if args.overdue { session.run_overdue(&rules).await } else { session.run(&rules).await } };
                tokio::select! {
                    ran = work => ran,
                    never = databases.cancel_when_late(late) => match never {},
                }
            }
            Err(Refused::NotHolder(lease)) if lease::serves(&lease.holder) && args.overdue => {
                say(format_args!("{} serves fire times itself: there is nothing to do", lease.holder));
                return 0;
            }
            Err(Refused::NotHolder(lease)) if lease::serves(&lease.holder) => {
                let names = rules.iter().map(|rule| rule.name.clone()).collect();
                return ask::and_show(&sites, Ask::Run { rules: names }, args.json).await;
            }
            Err(refused) => Err(refused),
        };
        match ran {
            Ok(reports) => reports,
            Err(refused) => {
                // Whoever reads the lines sees every rule that did not run, and why.
                if let (Refused::Unavailable(fault), true) = (&refused, args.json) {
                    rules.iter().for_each(|rule| show(&Report::refused(rule, fault), true));
                }
                let code = explain(&refused);
                if matches!(refused, Refused::NotHolder(_) | Refused::Locked(_)) {
                    say("wait for it with --wait DURATION");
                }
                return code;
            }
        }
    } else {
        observe(config, &sites, &rules).await
    };
    for report in &reports {
        show(report, args.json);
    }
    exit_code(&reports)
}

/// Observing needs no table and no key; a rule that acts needs both, and so does evidence of observing, where the
/// control tables are there.
fn needs_lease(sites: &Sites<'_>, rules: &[&Rule]) -> bool {
    let acts = rules.iter().any(|rule| rule.mode == Mode::Enforce);
    match sites.home() {
        Ok(home) => home.generation().is_ok(),
        // The answer of an unreachable home is the exit code 69, which opening a session gives.
        Err(_) => acts,
    }
}

pub(crate) fn explain(refused: &Refused) -> u8 {
    match refused {
        Refused::NotHolder(lease) => {
            let until = if lease::serves(&lease.holder) { ", and serves until it is ended" } else { "" };
            say(format_args!("another process acts for this instance: {} (term {}){until}", lease.holder, lease.term));
            NOT_HOLDER
        }
        Refused::Locked(fault) => {
            say(format_args!("{fault}: another process keeps the database locked"));
            NOT_HOLDER
        }
        Refused::Unavailable(fault) => {
            say(format_args!("{fault}; {}", fault.cause().fix()));
            app::exit_code(fault)
        }
        Refused::Evidence(fault) => {
            say(fault);
            BAD_CONFIG
        }
    }
}

/// What somebody has to agree to.
fn question(rules: &[&Rule], acting: &[&str]) -> String {
    let acts = |rule: &&&Rule| acting.contains(&rule.name.as_str());
    let transforms = |rule: &&Rule| rule.transform().is_some();
    let does = match rules.iter().filter(acts).partition::<Vec<&Rule>, _>(|rule| transforms(rule)) {
        (transforming, deleting) if transforming.is_empty() && !deleting.is_empty() => "delete",
        (_, deleting) if deleting.is_empty() => "transform",
        _ => "delete and transform",
    };
    format!("{does} what is due by {}?", acting.join(", "))
}

fn show(report: &Report, json: bool) {
    if json {
        if let Ok(line) = serde_json::to_string(report) {
            print(line);
        }
        return;
    }
    print(report.text());
}

/// The worst verdict's code; 75 where another holder took over, 69 where a database went away; an observing run with rows due is no failure.
fn exit_code(reports: &[Report]) -> u8 {
    if reports.iter().any(|report| report.cause == Some(Cause::Fenced)) {
        return NOT_HOLDER;
    }
    if reports.iter().any(|report| report.verdict == Verdict::Failed && report.cause == Some(Cause::Unreachable)) {
        return UNAVAILABLE;
    }
    reports.iter().map(Report::verdict).fold(Verdict::Clean, Verdict::worse).exit_code()
}
