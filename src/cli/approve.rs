//! `forgetd approve`: a person's word where forgetd must not go on by itself.

use std::path::Path;
use std::time::Duration;

use super::run::{explain, signing_key};
use super::{USAGE, complain, load, print, say};
use crate::app;
use crate::run::{Quiet, Session, Sites};
use crate::shutdown;

/// Options of `approve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on after a database or the evidence was restored to an earlier state: begins a new generation of control
    /// tables and leaves an entry that says so.
    #[arg(long, required = true)]
    restored: bool,

    /// Why, in words that name no person; it becomes part of the evidence.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Approves. The exit code is the command's.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let Some(reason) = args.reason.as_deref().filter(|reason| !reason.trim().is_empty()) else {
        say("--restored needs --reason TEXT: it becomes part of the evidence");
        return USAGE;
    };
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let key = match signing_key(&config) {
        Ok(key) => key,
        Err(problem) => return complain(&problem.into()),
    };
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let stop = match shutdown::listen() {
        Ok(stop) => stop,
        Err(error) => {
            say(format_args!("signals cannot be listened to: {error}"));
            return 1;
        }
    };
    let sites = Sites::survey(&config, &databases).await;
    let approved = match Session::open(&config, &sites, &key, Duration::ZERO, stop, &Quiet).await {
        Ok(session) => session.approve_restored(reason).await,
        Err(refused) => Err(refused),
    };
    let code = match approved {
        Ok(Ok(said)) => {
            print(said);
            0
        }
        Ok(Err(fault)) => {
            say(&fault);
            4
        }
        Err(refused) => explain(&refused),
    };
    databases.close().await;
    code
}
