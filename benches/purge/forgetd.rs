//! The program itself, as an operator starts it: whole process, start and recount included.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::process::{command, prepare, run_rule};
use crate::{RowEvidence, Scene};

const CONFIG: &str = "forgetd.yaml";

#[derive(Default)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
    /// How many lanes worked.
    pub(crate) lanes: u64,
}

/// A policy whose control tables are installed and whose rule is approved.
pub(crate) struct Prepared {
    folder: TempDir,
}

pub(crate) async fn run(url: &str, scene: &Scene) -> Run {
    Prepared::new(url, scene).run().await
}

// === impl Prepared ===

impl Prepared {
    pub(crate) fn new(url: &str, scene: &Scene) -> Self {
        let lanes = if scene.one_lane { "    max_connections: 2\n" } else { "" };
        // A session that only holds its snapshot is company for the first two seconds.
        let batch = scene.batch.map_or_else(String::new, |batch| {
            format!("    throttle: {{ batch_rows_max: {batch}, batch_ms_target: 10000, share_beside_others: 1 }}\n")
        });
        let rows = match scene.evidence {
            RowEvidence::Counts => "counts",
            RowEvidence::Commitments => "commitments",
        };
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(CONFIG);
        std::fs::write(
            &config,
            format!(
                "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {url}\n{batch}{lanes}\
             evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
             rules:\n  - name: events\n    table: public.events\n    keep_for: 30d\n    since: created_at\n    \
             action: delete\n    mode: enforce\n    \
             evidence: {{ rows: {rows} }}\n"
            ),
        )
        .unwrap();
        let program = || command(&config);
        prepare(program, folder.path());
        Self { folder }
    }

    pub(crate) async fn run(&self) -> Run {
        let config = self.config();
        let program = || command(&config);
        let (seconds, peak_mib, line) = run_rule(program).await;
        Run {
            seconds,
            longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
            peak_mib,
            changed: line["changed"].as_u64().unwrap(),
            lanes: line["lanes"].as_u64().unwrap(),
        }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join(CONFIG)
    }
}
