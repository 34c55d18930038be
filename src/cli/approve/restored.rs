//! Going on after a database or the evidence was put back to an earlier state.

use std::time::Duration;

use super::{elsewhere, explain, tools};
use crate::approval::{Given, RestoredStatement, Statement, VERSION};
use crate::cli::{print, say};
use crate::config::Config;
use crate::evidence::{EvidenceFault, Loss};
use crate::run::{Databases, Quiet, Session, Sites, relay, signing_key};
use crate::serve::request::{Ask, Signed};
use crate::{cli, clock};

/// Prints what is signed of what is found.
pub(super) async fn statement(config: &Config, databases: &Databases, reason: &str) -> u8 {
    let key = match signing_key(config) {
        Ok(key) => key,
        Err(problem) => return cli::complain(&problem.into()),
    };
    let sites = Sites::survey(config, databases).await;
    let loss: Result<Loss, EvidenceFault> = async {
        let relay = relay(config, &key)?;
        let controls = sites.controls();
        relay.recovery(&controls).look().await
    }
    .await;
    match loss {
        Ok(loss) if loss.found.is_empty() => {
            say("nothing was restored: there is nothing to approve");
            1
        }
        Ok(loss) => {
            let now = match sites.home() {
                Ok(home) => home.connector.now().await.unwrap_or_else(|_| clock::now()),
                Err(_) => clock::now(),
            };
            let statement = RestoredStatement {
                v: VERSION,
                instance: config.instance.clone(),
                found: loss.words(),
                origin: loss.origin,
                reason: reason.into(),
                until: Statement::until(now),
            };
            print(Statement::Restored(statement).text().trim_end());
            0
        }
        Err(fault) => {
            say(&fault);
            4
        }
    }
}

/// Goes on, if the policy names no approvers or enough of them have signed.
pub(super) async fn approve(config: &Config, databases: &Databases, reason: &str, given: Option<&Given>) -> u8 {
    let (key, stop) = match tools(config) {
        Ok(tools) => tools,
        Err(code) => return code,
    };
    let sites = Sites::survey(config, databases).await;
    let approved = match Session::open(config, &sites, &key, Duration::ZERO, stop, &Quiet).await {
        Ok(session) => session.approve_restored(reason, given).await,
        Err(refused) => {
            let ask = Ask::ApproveRestored { reason: reason.into(), signed: given.map(Signed::of) };
            return elsewhere(&sites, &refused, ask).await;
        }
    };
    match approved {
        Ok(Ok(said)) => {
            print(said);
            0
        }
        Ok(Err(fault)) => {
            say(&fault);
            4
        }
        Err(refused) => explain(&refused),
    }
}
