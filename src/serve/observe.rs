//! Where there are no control tables: each process looks for itself, and remembers only as long as it lives.

use std::time::Duration;

use super::agenda;
use super::daemon::Daemon;
use crate::config::Config;
use crate::rules::Rule;
use crate::run::{self, Sites};
use crate::{app, clock};

/// The longest until the control tables are looked for again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks at what is due to be looked at. How long there is nothing to do then.
pub(super) async fn round(daemon: &Daemon, config: &Config) -> Duration {
    daemon.forget_others(config);
    let due: Vec<&Rule> =
        config.policy.rules.iter().filter(|rule| rule.runs() && is_due(daemon, config, rule)).collect();
    if !due.is_empty() {
        match app::connect_counted(config, |name| daemon.metrics.connections(name)).await {
            Ok(databases) => {
                daemon.databases(&databases);
                let sites = Sites::survey(config, &databases).await;
                for report in run::observe(config, &sites, &due).await {
                    daemon.ran(&report);
                    let mut observed = daemon.observed.borrow_mut();
                    let now = clock::now();
                    observed.entry(report.rule.clone()).or_default().ran(&report, Some(now), now);
                }
                databases.close().await;
            }
            Err(problems) => daemon.broken(problems.to_string()),
        }
    }
    show(daemon, config)
}

/// Whether its fire time has come. A rule that is seen for the first time is looked at at once: it changes nothing.
fn is_due(daemon: &Daemon, config: &Config, rule: &Rule) -> bool {
    let observed = daemon.observed.borrow();
    let now = clock::now();
    let quiet = config.quiet(&rule.database);
    let Some(standing) = observed.get(&rule.name) else { return quiet.until(now).is_none() };
    agenda::next(rule, standing, quiet, daemon.started, now, daemon.spread).is_some_and(|next| next.at <= now)
}

fn show(daemon: &Daemon, config: &Config) -> Duration {
    let now = clock::now();
    let mut pause = LOOK_EVERY;
    for rule in config.policy.rules.iter().filter(|rule| rule.runs()) {
        let standing = daemon.observed.borrow().get(&rule.name).cloned().unwrap_or_default();
        let next = agenda::next(rule, &standing, config.quiet(&rule.database), daemon.started, now, daemon.spread)
            .map(|next| next.at);
        if let Some(next) = next {
            pause = pause.min(next.duration_since(now).try_into().unwrap_or(Duration::ZERO));
        }
        daemon.show_rule(rule, standing, next, now);
    }
    pause.max(Duration::from_secs(1))
}
