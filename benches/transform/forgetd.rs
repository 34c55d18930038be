//! The program itself, as an operator starts it.

use crate::process::{command, prepare, run_rule};

pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
}

// === impl Run ===

impl Run {
    #[allow(clippy::cast_precision_loss, reason = "rows")]
    pub(crate) fn speed(&self) -> f64 {
        self.changed as f64 / self.seconds
    }
}

pub(crate) async fn run(url: &str, table: &str, since: &str, batch: Option<u32>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("forgetd.yaml");
    let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
    let batch = batch.map_or_else(String::new, |batch| {
        format!("    throttle: {{ batch_rows_max: {batch}, batch_ms_target: 10000 }}\n")
    });
    let policy = format!(
        "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {url}\n{batch}\
         evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
         pseudonym_keys: [{{ id: k1, domain: people, file: people.key }}]\n\
         rules:\n  - name: people\n    table: {table}\n    keep_for: 30d\n    since: {since}\n    mode: enforce\n    \
         action:\n      transform:\n        columns:\n          email: {}\n          name: {}\n          phone: {}\n",
        token("email"),
        token("text"),
        token("text"),
    );
    std::fs::write(&config, policy).unwrap();
    let program = || command(&config);
    prepare(program, folder.path());
    let (seconds, peak_mib, line) = run_rule(program).await;
    Run {
        seconds,
        longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
        peak_mib,
        changed: line["changed"].as_u64().unwrap(),
    }
}
