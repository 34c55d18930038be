//! `evidence recover`: what is lost, and the way on.

use std::path::{Path, PathBuf};

use super::log::{self, Configured, Stop};
use super::{print, say};
use crate::cli::complain;
use crate::cli::run::explain;
use crate::evidence::Loss;
use crate::evidence::store::Folder;
use crate::run::{Quiet, Session, signing_key};
use crate::shutdown;

/// Options of `evidence recover`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rebuild a lost folder from this copy of it; else it is rebuilt from the receipts that the databases kept.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    /// Why it is right to go on, in words that name no person. What cannot be rebuilt goes on under a new origin
    /// whose first entry says this and embeds the last known checkpoint.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Recovers. 0: the log can go on. 4: a reason is needed.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    match log::configured(file, async |log| recover(log, args).await).await {
        Ok(code) | Err(code) => code,
    }
}

async fn recover(log: &Configured<'_>, args: &Args) -> Result<u8, Stop> {
    let recovery = log.relay.recovery(&log.controls);
    let loss = recovery.look().await?;
    show(&loss);
    if loss.found.is_empty() {
        return Ok(0);
    }
    if loss.rebuildable {
        let copy = args.from.as_ref().map(Folder::new);
        match recovery.rebuild(copy.as_ref()).await {
            Ok(head) => {
                print(format_args!("rebuilt: {} entries, root {}", head.size, hex::encode(head.root)));
                return Ok(0);
            }
            Err(fault) => say(format_args!("it cannot be rebuilt: {fault}")),
        }
    }
    let Some(reason) = args.reason.as_deref().filter(|reason| !reason.trim().is_empty()) else {
        print("to go on all the same, give --reason TEXT: it becomes part of the evidence");
        return Ok(4);
    };
    go_on(log, reason).await
}

/// Going on changes databases, so it needs the lease.
async fn go_on(log: &Configured<'_>, reason: &str) -> Result<u8, Stop> {
    let key = signing_key(log.config).map_err(|problem| Stop::Said(complain(&problem.into())))?;
    let stop = shutdown::listen().map_err(|error| {
        say(format_args!("signals cannot be listened to: {error}"));
        Stop::Said(1)
    })?;
    let wait = std::time::Duration::ZERO;
    let session = Session::open(log.config, log.sites, &key, wait, stop, &Quiet).await;
    let said = match session {
        Ok(session) => session.approve_restored(reason, None).await,
        Err(refused) => Err(refused),
    };
    match said {
        Ok(Ok(said)) => {
            print(said);
            Ok(0)
        }
        Ok(Err(fault)) => Err(fault.into()),
        Err(refused) => Ok(explain(&refused)),
    }
}

fn show(loss: &Loss) {
    print(format_args!("log {}", loss.origin));
    let words = |head: &Option<forgetd_connector::Head>| match head {
        Some(head) => format!("{} entries, root {}", head.size, hex::encode(head.root)),
        None => "none".into(),
    };
    print(format_args!("  head row           {}", words(&loss.head)));
    print(format_args!("  newest known head  {}", words(&loss.newest)));
    for fault in &loss.found {
        print(format_args!("  {}: {}", fault.place, fault.found));
    }
    if loss.found.is_empty() {
        print("  nothing is wrong");
    }
}
