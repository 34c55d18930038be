//! The program itself, as an operator starts it: whole process, start and recount included.

use std::path::Path;
use std::process::Command;

use crate::data::{COLLECTION, DAYS};
use crate::process::{command, prepare, run_rule};

pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
    pub(crate) batches: u64,
}

/// What happens to the documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Delete,
    Transform,
}

// === impl Deed ===

impl Deed {
    /// The command that does it at once.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Self::Delete => "one deleteMany",
            Self::Transform => "one updateMany",
        }
    }
}

// === impl Run ===

impl Run {
    #[allow(clippy::cast_precision_loss, reason = "documents")]
    pub(crate) fn speed(&self) -> f64 {
        self.changed as f64 / self.seconds
    }
}

/// Runs this build, or another; without a size of its batches by default settings.
pub(crate) async fn run(program: Option<&Path>, url: &str, deed: Deed, batch: Option<u32>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("forgetd.yaml");
    let action = match deed {
        Deed::Delete => "delete".to_owned(),
        Deed::Transform => {
            let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
            let (email, text) = (token("email"), token("text"));
            format!(
                "{{ transform: {{ columns: {{ profile.email: {email}, profile.name: {text}, profile.phone: {text} }} }} }}"
            )
        }
    };
    let throttle = batch.map_or("{}".into(), |rows| format!("{{ batch_rows_max: {rows}, batch_ms_target: 10000 }}"));
    let policy = format!(
        "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {{ file: url }}\n    throttle: {throttle}\n\
         evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
         pseudonym_keys: [{{ id: k1, domain: people, file: people.key }}]\n\
         rules:\n  - name: bench\n    table: {COLLECTION}\n    keep_for: {DAYS}d\n    since: at\n    when_null: keep\n    \
         mode: enforce\n    action: {action}\n"
    );
    std::fs::write(&config, policy).unwrap();
    std::fs::write(folder.path().join("url"), url).unwrap();
    let command = |config: &Path| match program {
        None => command(config),
        Some(program) => {
            let mut command = Command::new(program);
            command.arg("--config").arg(config).env("FORGETD_LOG", "error");
            command
        }
    };
    let program = || command(&config);
    prepare(program, folder.path());
    let (seconds, peak_mib, line) = run_rule(program).await;
    Run {
        seconds,
        longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
        peak_mib,
        changed: line["changed"].as_u64().unwrap(),
        batches: line["batches"].as_u64().unwrap(),
    }
}
