//! The configuration's files, and that they change: an editor saves them, Kubernetes swaps the folder they are in.

use std::convert::Infallible;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::daemon::Daemon;
use crate::config::{self, Config, LoadOptions, Problems};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Where the configuration comes from, and what the files held when they were last loaded.
pub(super) struct Source {
    options: LoadOptions,
    seen: Option<[u8; 32]>,
    /// What they held at the last look.
    newer: Option<[u8; 32]>,
}

// === impl Source ===

impl Source {
    /// Loads the configuration for the first time.
    pub(super) fn open(options: LoadOptions) -> (Self, Result<Config, Problems>) {
        let mut source = Self { options, seen: None, newer: None };
        let loaded = source.load();
        (source, loaded)
    }

    /// Loads it again. What the files held is looked at before: what changes meanwhile is loaded next time.
    fn load(&mut self) -> Result<Config, Problems> {
        self.seen = self.fingerprint();
        config::load(&self.options)
    }

    /// Whether the files hold something else than when they were loaded, and the same as at the look before: a file that
    /// is still being written is not read.
    fn is_settled(&mut self) -> bool {
        let now = self.fingerprint();
        let settled = now != self.seen && now == self.newer;
        self.newer = now;
        settled
    }

    /// A hash of every file's name and bytes; nothing where one cannot be read, which loading will say.
    fn fingerprint(&self) -> Option<[u8; 32]> {
        let mut hash = Sha256::new();
        for file in config::files(&self.options) {
            let bytes = std::fs::read(&file).ok()?;
            hash.update(file.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        Some(hash.finalize().into())
    }
}

/// Loads the configuration again whenever its files change, and when SIGHUP asks for it. Never returns.
pub(super) async fn watch(mut source: Source, daemon: &Daemon) -> Infallible {
    let mut asked = signal(SignalKind::hangup()).ok();
    loop {
        let hup = async {
            match &mut asked {
                Some(asked) => drop(asked.recv().await),
                None => std::future::pending().await,
            }
        };
        let by_signal = timeout(LOOK_EVERY, hup).await.is_ok();
        if by_signal || source.is_settled() {
            daemon.take(source.load());
        }
    }
}

/// Logs what a new configuration changes.
pub(super) fn tell(before: Option<&Config>, after: &Config) {
    let policy = after.policy.digest();
    let Some(before) = before else {
        tracing::info!(policy, rules = after.policy.rules.len(), "configuration loaded");
        return;
    };
    for rule in &after.policy.rules {
        match before.policy.rule(&rule.name) {
            None => tracing::info!(rule = %rule.name, digest = rule.digest(), "rule added"),
            Some(old) if old.digest() != rule.digest() => {
                tracing::info!(rule = %rule.name, before = old.digest(), digest = rule.digest(), "rule changed");
            }
            Some(_) => {}
        }
    }
    for rule in before.policy.rules.iter().filter(|rule| after.policy.rule(&rule.name).is_none()) {
        tracing::info!(rule = %rule.name, "rule removed");
    }
    tracing::info!(policy, rules = after.policy.rules.len(), "configuration loaded again");
}
