//! The configuration's files, and that they change: an editor saves them, Kubernetes swaps the folder they are in.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::daemon::Daemon;
use crate::config::{self, Config, LoadOptions, Problems};
use crate::rules::{Difference, Rule, rule_changes};

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

/// Logs what a new configuration changes: rules with their settings, databases and the rest by name. No literal of a rule
/// is said.
pub(super) fn tell(before: Option<&Config>, after: &Config) {
    let policy = after.policy.digest();
    let Some(before) = before else {
        tracing::info!(policy, rules = after.policy.rules.len(), "configuration loaded");
        return;
    };
    let difference = Difference::between(&before.policy, &after.policy);
    for rule in &difference.added {
        tracing::info!(rule, digest = after.policy.rule(rule).map(Rule::digest), "rule added");
    }
    for rule in &difference.removed {
        tracing::info!(rule, "rule removed");
    }
    for rule in difference.changed.keys() {
        if let (Some(old), Some(new)) = (before.policy.rule(rule), after.policy.rule(rule)) {
            let changes: Vec<String> = rule_changes(old, new).iter().map(ToString::to_string).collect();
            let (was, digest) = (old.digest(), new.digest());
            tracing::info!(rule, changes = changes.join("; "), before = was, digest, "rule changed");
        }
    }
    let others = others(before, after);
    if !others.is_empty() {
        tracing::info!(settings = others.join(", "), "settings changed");
    }
    tracing::info!(policy, rules = after.policy.rules.len(), "configuration loaded again");
}

/// What changed beside the rules, as a policy names it.
fn others(before: &Config, after: &Config) -> Vec<String> {
    let mut changed = vec![];
    let names: BTreeSet<&str> =
        before.databases.iter().chain(&after.databases).map(|database| database.name.as_str()).collect();
    // What they print holds no secret, and everything else.
    let text = |config: &Config, name: &str| config.database(name).map(|database| format!("{database:?}"));
    changed.extend(
        names
            .into_iter()
            .filter(|name| text(before, name) != text(after, name))
            .map(|name| format!("databases.{name}")),
    );
    let mut note = |name: &str, differs: bool| {
        if differs {
            changed.push(name.to_owned());
        }
    };
    note("instance", before.instance != after.instance);
    note("coordination", before.coordination != after.coordination);
    note("evidence", format!("{:?}", before.evidence) != format!("{:?}", after.evidence));
    note("http.listen (from the next start on)", before.listen != after.listen);
    note("pseudonym_keys", format!("{:?}", before.pseudonym_keys) != format!("{:?}", after.pseudonym_keys));
    note("approvers", before.policy.approvers.fingerprints() != after.policy.approvers.fingerprints());
    note("approvals_required", before.policy.approvers.required != after.policy.approvers.required);
    changed
}
