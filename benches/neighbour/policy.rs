//! Who purges meanwhile, and how.

use std::time::Duration;

use crate::process::{command, prepare, run_rule_within};

/// What goes on beside the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Nothing: what the measurement itself comes to.
    Nobody,
    /// One DELETE of everything.
    OneDelete,
    /// pt-archiver with bulk delete, 1,000 rows at a time without a pause.
    PtArchiver,
    /// forgetd with this `throttle`, which has a name.
    Forgetd(&'static str, &'static str),
}

/// All that are compared.
pub(crate) const POLICIES: &[Policy] = &[
    Policy::Nobody,
    Policy::OneDelete,
    Policy::PtArchiver,
    Policy::Forgetd("forgetd, default settings", "{}"),
    Policy::Forgetd(
        "forgetd, full speed, 1000 rows",
        "{ batch_rows_max: 1000, batch_ms_target: 10000, share_beside_others: 1 }",
    ),
    Policy::Forgetd(
        "forgetd, full speed, 10000 rows",
        "{ batch_rows_max: 10000, batch_ms_target: 10000, share_beside_others: 1 }",
    ),
];

/// What one run of the program came to.
pub(crate) struct Purged {
    pub(crate) rows: f64,
    pub(crate) longest_ms: f64,
    pub(crate) seconds: f64,
    pub(crate) peak_mib: f64,
}

/// A policy that can be run: keys made, control tables installed, its one rule approved.
pub(crate) struct Prepared {
    folder: tempfile::TempDir,
}

// === impl Policy ===

impl Policy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::OneDelete => "one DELETE",
            Self::PtArchiver => "pt-archiver",
            Self::Forgetd(name, _) => name,
        }
    }
}

// === impl Prepared ===

impl Prepared {
    /// For a table of the database at `url`, whose rows are due after 30 days since `since`.
    pub(crate) fn new(url: &str, table: &str, since: &str, throttle: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = format!(
            "version: 1\ninstance: bench\ndatabases:\n  db:\n    url: {{ file: url }}\n    throttle: {throttle}\n\
             evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
             rules:\n  - name: bench\n    table: {table}\n    keep_for: 30d\n    since: {since}\n    mode: enforce\n    \
             action: delete\n"
        );
        std::fs::write(folder.path().join("forgetd.yaml"), policy).unwrap();
        std::fs::write(folder.path().join("url"), url).unwrap();
        let config = folder.path().join("forgetd.yaml");
        prepare(|| command(&config), folder.path());
        Self { folder }
    }

    /// The whole program, as an operator starts it, and stops it where it takes longer than `within`.
    pub(crate) async fn run(&self, within: Duration) -> Purged {
        let config = self.folder.path().join("forgetd.yaml");
        let (seconds, peak_mib, line) = run_rule_within(|| command(&config), within).await;
        Purged {
            #[allow(clippy::cast_precision_loss, reason = "rows")]
            rows: line["changed"].as_u64().unwrap() as f64,
            longest_ms: line["longest_tx_ms"].as_f64().unwrap(),
            seconds,
            peak_mib,
        }
    }
}
