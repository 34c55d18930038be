//! Opening the log that a command is about: a folder, a web address, or the configured one.

use std::path::{Path, PathBuf};

use forgetd_connector::{Cause, Control};

use super::say;
use crate::app;
use crate::cli::{UNAVAILABLE, complain, load};
use crate::config::Config;
use crate::evidence::store::{Files, Folder};
use crate::evidence::verify::Url;
use crate::evidence::{EvidenceFault, Relay};
use crate::run::{Sites, relay, signing_key};

/// The configured log, connected.
pub(super) struct Configured<'a> {
    pub(super) config: &'a Config,
    pub(super) sites: &'a Sites<'a>,
    pub(super) relay: &'a Relay,
    pub(super) controls: Vec<(&'a str, &'a dyn Control)>,
}

/// Why a command ends early: said already, or to be said.
pub(super) enum Stop {
    Said(u8),
    Fault(EvidenceFault),
}

impl From<EvidenceFault> for Stop {
    fn from(fault: EvidenceFault) -> Self {
        Self::Fault(fault)
    }
}

// === impl Stop ===

impl Stop {
    /// Says why, and gives the exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Said(code) => code,
            Self::Fault(fault) => {
                say(&fault);
                match fault.cause {
                    Cause::Unreachable => UNAVAILABLE,
                    Cause::Restored | Cause::Evidence | Cause::EvidenceNoSpace | Cause::ControlTables => 4,
                    _ => 1,
                }
            }
        }
    }
}

/// Connects to everything that the configuration names, does the work, and closes.
pub(super) async fn configured<T>(
    file: &Path,
    work: impl AsyncFnOnce(&Configured<'_>) -> Result<T, Stop>,
) -> Result<T, u8> {
    let config = load(file)?;
    let key = signing_key(&config).map_err(|problem| complain(&problem.into()))?;
    let databases = app::connect(&config).await.map_err(|problems| complain(&problems))?;
    let sites = Sites::survey(&config, &databases).await;
    let done = match relay(&config, &key) {
        Ok(relay) => {
            let controls = sites.controls();
            work(&Configured { config: &config, sites: &sites, relay: &relay, controls }).await
        }
        Err(fault) => Err(fault.into()),
    };
    databases.close().await;
    done.map_err(Stop::code)
}

/// Opens a folder or a web address; without either the configured log.
pub(super) async fn files<T>(
    file: &Path,
    target: Option<&str>,
    work: impl AsyncFnOnce(&dyn Files) -> Result<T, Stop>,
) -> Result<T, u8> {
    match target {
        None => {
            configured(file, async |log| {
                let files = log.relay.files(&log.controls).await?;
                work(&*files).await
            })
            .await
        }
        Some(target) => work(&*outside(target)).await.map_err(Stop::code),
    }
}

/// A log that needs no configuration.
pub(super) fn outside(target: &str) -> Box<dyn Files> {
    match Url::new(target) {
        Some(url) => Box::new(url),
        None => Box::new(Folder::new(PathBuf::from(target))),
    }
}
