//! `forgetd pause` and `forgetd resume`: rules rest while a person wants them to.

use std::path::Path;
use std::time::Duration;

use forgetd_connector::{Connector, Control, Fault, FenceRaise};

use super::approve::{actor, tools};
use super::ask;
use super::run::explain;
use super::{NOT_HOLDER, USAGE, complain, fault_code, load, print, say};
use crate::config::Config;
use crate::run::Tenure;
use crate::run::standing::{self, Paused};
use crate::serve::request::Ask;
use crate::{app, clock};

/// Options of `pause`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The rule; every rule without it.
    pub(crate) rule: Option<String>,

    /// Why, in words that name no person; it is shown wherever the rule is.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Options of `resume`.
#[derive(Debug, Default, clap::Args)]
pub struct ResumeArgs {
    /// The rule; every rule without it.
    pub(crate) rule: Option<String>,
}

/// Lets rules rest from the next batch on.
pub async fn pause(file: &Path, args: &Args) -> u8 {
    let reason = args.reason.clone().unwrap_or_default();
    change(file, args.rule.as_deref(), |rules| Ask::Pause { rules, reason: reason.clone() }).await
}

/// Lets them work again.
pub async fn resume(file: &Path, args: &ResumeArgs) -> u8 {
    change(file, args.rule.as_deref(), |rules| Ask::Resume { rules }).await
}

async fn change(file: &Path, rule: Option<&str>, ask: impl Fn(Vec<String>) -> Ask) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let runs = config.policy.rules.iter().filter(|known| known.runs());
    let names: Vec<String> =
        runs.map(|known| known.name.clone()).filter(|name| rule.is_none_or(|rule| rule == name)).collect();
    if names.is_empty() {
        say(format_args!("there is no rule {} that runs in {}", rule.unwrap_or_default(), file.display()));
        return USAGE;
    }
    let home = config.home().map_or("", |home| home.name.as_str());
    let connector = match app::connect_database(&config, home).await {
        Ok(Ok(connector)) => connector,
        Ok(Err(fault)) => return fault_code(&fault),
        Err(problem) => return complain(&problem.into()),
    };
    let control = connector.control();
    let code = match ask::holder(control, ask(names.clone()), false).await {
        Some(code) => code,
        None => alone(&config, connector.as_ref(), &ask(names)).await,
    };
    connector.close().await;
    code
}

/// Nobody serves: the lease is taken for the moment that writing it down takes.
async fn alone(config: &Config, home: &dyn Connector, ask: &Ask) -> u8 {
    let control = home.control();
    let (key, _) = match tools(config) {
        Ok(tools) => tools,
        Err(code) => return code,
    };
    let tenure = match Tenure::take(config, home, &key, Duration::ZERO, None).await {
        Ok(tenure) => tenure,
        Err(refused) => return explain(&refused),
    };
    let term = tenure.claim().term();
    let code = match control.raise_fence(term).await {
        Ok(FenceRaise::Raised) => write(control, term, ask).await.map_or_else(|fault| fault_code(&fault), |()| 0),
        Ok(FenceRaise::Later(_)) => NOT_HOLDER,
        Err(fault) => fault_code(&fault),
    };
    if let Err(fault) = control.release(tenure.claim().holder(), term).await {
        tracing::warn!(error = %fault, "the lease could not be released; it expires by itself");
    }
    code
}

async fn write(control: &dyn Control, term: u64, ask: &Ask) -> Result<(), Fault> {
    let (rules, reason) = match ask {
        Ask::Pause { rules, reason } => (rules, Some(reason)),
        Ask::Resume { rules } => (rules, None),
        _ => return Ok(()),
    };
    for rule in rules {
        let paused = reason.map(|reason| Paused { since: clock::now(), who: actor(), reason: reason.clone() });
        print(standing::rest(control, term, rule, paused).await?);
    }
    Ok(())
}
