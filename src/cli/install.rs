//! `forgetd install`: the only verb that runs DDL in a user's database.

use std::path::{Path, PathBuf};

use forgetd_connector::{Atomicity, Installed};

use super::{complain, load, print, say};
use crate::app;
use crate::config::{Config, Control, Secret};
use crate::rules::Rule;
use crate::run::Databases;
use crate::{clock, plan, preflight};

/// Options of `install`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Print the DDL and the least-privilege grants for a DBA instead of running anything.
    #[arg(long)]
    print: bool,

    /// The role the grants are for.
    #[arg(long, default_value = "forgetd", value_name = "ROLE")]
    role: String,

    /// Install into this database only.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,

    /// Connect with the URL in this file instead of the configured one: a role that may create tables. Needs one
    /// database, or --database.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
}

/// Installs, or prints what it would run. The exit code is the command's.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let mut config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Some(name) = &args.database
        && !config.databases.iter().any(|database| database.name == *name)
    {
        say(format_args!("--database {name}: no such entry in databases:"));
        return super::USAGE;
    }
    if let Err(code) = narrow(&mut config, args) {
        return code;
    }
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let mut code = 0;
    for database in &config.databases {
        if args.database.as_ref().is_some_and(|name| *name != database.name) {
            continue;
        }
        code = code.max(match one(&config, &databases, database, args).await {
            Ok(()) => 0,
            Err(fault) => {
                say(format_args!("{fault}; {}", fault.cause().fix()));
                app::exit_code(&fault)
            }
        });
    }
    databases.close().await;
    code
}

/// Puts the other role's URL in place.
fn narrow(config: &mut Config, args: &Args) -> Result<(), u8> {
    let Some(url) = &args.url_file else { return Ok(()) };
    let mut chosen: Vec<_> = config
        .databases
        .iter_mut()
        .filter(|database| args.database.as_ref().is_none_or(|name| *name == database.name))
        .collect();
    match chosen.as_mut_slice() {
        [database] => {
            database.url = Secret::File(url.clone()).into();
            Ok(())
        }
        _ => {
            say("--url-file is for one database: name it with --database");
            Err(super::USAGE)
        }
    }
}

async fn one(
    config: &Config,
    databases: &Databases,
    database: &crate::config::Database,
    args: &Args,
) -> Result<(), forgetd_connector::Fault> {
    let connector = databases.get(&database.name)?;
    let here = matches!(database.control, Control::Named(_));
    if args.print {
        print(format_args!("-- {}: {}", database.name, connector.facts().server()));
        if here {
            print(connector.control().ddl());
            print(connector.control().grants(&args.role));
        }
        let atomicity = if here { connector.capabilities().atomicity } else { Atomicity::Sealed };
        let here = |rule: &&Rule| rule.database == database.name && rule.runs();
        for rule in config.policy.rules.iter().filter(here) {
            let catalog = preflight::describe(rule, &config.policy, connector).await?;
            match plan::step(rule, &catalog, &database.name, clock::now(), atomicity, &config.policy) {
                Ok(step) => print(connector.step_grants(&step, &args.role)),
                Err(findings) => {
                    for finding in findings {
                        print(format_args!("-- rule {}: {}: {}", rule.name, finding.place, finding.message));
                    }
                }
            }
        }
        return Ok(());
    }
    if !here {
        print(format_args!("{}: nothing to install, its control tables are elsewhere", database.name));
        return Ok(());
    }
    match connector.control().install().await? {
        Installed::Created(_) => print(format_args!("{}: control tables created", database.name)),
        Installed::Unchanged(_) => print(format_args!("{}: control tables are there and complete", database.name)),
    }
    Ok(())
}
