//! The program itself, as an operator starts it: whole process, start and recount included.

use crate::process::{command, prepare, run_rule};

pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) changed: u64,
    /// Rows of the largest batch.
    pub(crate) largest: u64,
    pub(crate) lanes: u64,
}

/// How many rows a batch has.
#[derive(Clone, Copy)]
pub(crate) enum Batch {
    /// Whatever the defaults come to.
    Default,
    /// So many, however long that takes.
    Rows(u32),
}

impl Batch {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Default => "default settings".into(),
            Self::Rows(rows) => format!("{rows} rows a batch"),
        }
    }

    fn throttle(self) -> String {
        match self {
            Self::Default => "{}".into(),
            Self::Rows(rows) => format!("{{ batch_rows_max: {rows}, batch_ms_target: 10000 }}"),
        }
    }
}

/// What happens to the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Delete,
    Transform,
}

/// A policy that can be run: keys made, control tables installed, its one rule approved.
pub(crate) struct Prepared {
    folder: tempfile::TempDir,
}

// === impl Prepared ===

impl Prepared {
    pub(crate) fn new(url: &str, deed: Deed, batch: Batch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("forgetd.yaml"), policy(deed, batch)).unwrap();
        std::fs::write(folder.path().join("url"), format!("{url}?ssl-mode=disabled")).unwrap();
        let prepared = Self { folder };
        prepare(|| prepared.program(), prepared.folder.path());
        prepared
    }

    fn program(&self) -> std::process::Command {
        let mut program = command(&self.folder.path().join("forgetd.yaml"));
        // As the image sets it.
        program.env("MYSQL_ASYNC_BUFFER_SIZE_CAP", "65536");
        program
    }

    pub(crate) async fn run(&self) -> Run {
        let (seconds, peak_mib, line) = run_rule(|| self.program()).await;
        Run {
            seconds,
            longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
            peak_mib,
            changed: line["changed"].as_u64().unwrap(),
            largest: line["batch_rows_max"].as_u64().unwrap(),
            lanes: line["lanes"].as_u64().unwrap(),
        }
    }
}

fn policy(deed: Deed, batch: Batch) -> String {
    let (table, action) = match deed {
        Deed::Delete => ("event", "delete".to_owned()),
        Deed::Transform => {
            let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
            let (email, text) = (token("email"), token("text"));
            ("person", format!("{{ transform: {{ columns: {{ email: {email}, name: {text}, phone: {text} }} }} }}"))
        }
    };
    let throttle = batch.throttle();
    format!(
        "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {{ file: url }}\n    throttle: {throttle}\n\
         evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
         pseudonym_keys: [{{ id: k1, domain: people, file: people.key }}]\n\
         rules:\n  - name: bench\n    table: {table}\n    keep_for: 30d\n    since: {{ column: at, zone: UTC }}\n    mode: enforce\n    \
         action: {action}\n"
    )
}
