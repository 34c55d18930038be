//! The program itself, as an operator starts it: whole process, start and recount included.

use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::process::{command, finish, watch};
use crate::{RowEvidence, Scene};

#[derive(Default)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
}

pub(crate) async fn run(url: &str, scene: &Scene) -> Run {
    let batch = scene.batch;
    let rows = match scene.evidence {
        RowEvidence::Counts => "counts",
        RowEvidence::Commitments => "commitments",
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("forgetd.yaml");
    std::fs::write(
        &config,
        format!(
            "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {url}\n    throttle: {{ batch_rows_max: {batch} }}\n\
             evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
             rules:\n  - name: events\n    table: public.events\n    keep_for: 30d\n    since: created_at\n    \
             action: delete\n    mode: enforce\n    \
             evidence: {{ rows: {rows} }}\n"
        ),
    )
    .unwrap();
    let key = folder.path().join("key");
    finish(command(&config).args(["keys", "new", "evidence", "--out"]).arg(key));
    finish(command(&config).arg("install"));
    finish(command(&config).arg("approve"));
    let started = Instant::now();
    let child = command(&config).args(["run", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (child, peak_kib) = watch(child).await;
    let seconds = started.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_default();
    assert_eq!(line["verdict"], "clean", "{text}");
    Run {
        seconds,
        longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
        #[allow(clippy::cast_precision_loss, reason = "kibibytes")]
        peak_mib: peak_kib as f64 / 1024.0,
        changed: line["changed"].as_u64().unwrap(),
    }
}
