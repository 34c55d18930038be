//! Every metric, once: its name, its labels and what it says. A name, a label and what they mean never change once
//! released. `docs/metrics.md` is written from here.

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up, from zero when the process starts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels. Their values are names of the configuration or words of closed sets, never a value of a table.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal)*] $help:literal;)+) => {
        $(pub(super) const $id: About =
            About { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+

        /// Every metric, in the order of the documentation.
        pub const ALL: &[About] = &[$($id),+];
    };
}

metrics! {
    BUILD_INFO = Gauge "forgetd_build_info" ["version"]
        "1, with the version of forgetd.";
    CONFIG_VALID = Gauge "forgetd_config_valid" []
        "1 while the configuration files, as they are now, are in force; 0 while they are refused and older ones go on.";
    CONFIG_LOADED = Gauge "forgetd_config_last_reload_success_timestamp_seconds" []
        "When the configuration in force was loaded; 0 = never.";
    POLICY_INFO = Gauge "forgetd_policy_info" ["sha256"]
        "1, with the digest of the policy in force.";
    POLICY_SPLIT = Gauge "forgetd_policy_split" []
        "1 while processes of the instance have had different policies for more than 15 minutes, as the holder knows it.";
    HOLDER = Gauge "forgetd_holder" []
        "1 while this process acts for the instance.";
    LEASE_TERM = Gauge "forgetd_lease_term" []
        "The newest term of the instance that this process knows; 0 = none.";

    RULE_INFO = Gauge "forgetd_rule_info" ["rule" "database" "engine" "table" "action" "mode"]
        "1, with what the rule is about.";
    RULE_INTERVAL = Gauge "forgetd_rule_schedule_interval_seconds" ["rule"]
        "The longest time between two fire times of the rule; 0 = it has no schedule.";
    RULE_NEXT_RUN = Gauge "forgetd_rule_next_run_timestamp_seconds" ["rule"]
        "When the rule fires next; 0 = never by itself.";
    RULE_OLDEST_DUE = Gauge "forgetd_rule_oldest_due_timestamp_seconds" ["rule"]
        "The moment that the oldest due row counts from; 0 = none is due. THE indicator of compliance: its age beside `keep_for`.";
    RULE_DUE = Gauge "forgetd_rule_due_rows" ["rule"]
        "Rows that were due when somebody last looked; 0 before the first look, whose time is forgetd_rule_measured_timestamp_seconds.";
    RULE_DUE_CAPPED = Gauge "forgetd_rule_due_rows_capped" ["rule"]
        "1 where counting stopped at that number and more rows can be due.";
    RULE_MEASURED = Gauge "forgetd_rule_measured_timestamp_seconds" ["rule"]
        "When due rows were last counted; 0 = never.";
    RULE_LAST_RUN = Gauge "forgetd_rule_last_run_timestamp_seconds" ["rule"]
        "When the last run ended, whatever came of it; 0 = never.";
    RULE_LAST_CLEAN = Gauge "forgetd_rule_last_clean_timestamp_seconds" ["rule"]
        "When the last run that was clean ended; 0 = never.";
    RULE_LAST_SECONDS = Gauge "forgetd_rule_last_run_seconds" ["rule"]
        "How long the last run took; 0 before the first.";
    RULE_LAST_VERDICT = Gauge "forgetd_rule_last_verdict" ["rule" "verdict"]
        "1 for the verdict of the last run, 0 for the others.";
    RULE_BLOCKED = Gauge "forgetd_rule_blocked" ["rule" "cause"]
        "1 for the cause for which the rule may not or cannot act, 0 for the others.";
    RULE_BLOCKED_SINCE = Gauge "forgetd_rule_blocked_since_timestamp_seconds" ["rule"]
        "Since when the rule is blocked for that cause; 0 = it is not.";

    RUNS = Counter "forgetd_runs_total" ["rule" "verdict"]
        "Runs that ended, by verdict.";
    RUNS_SKIPPED = Counter "forgetd_runs_skipped_total" ["rule" "cause"]
        "Fire times without a run, by cause.";
    RUN_IN_PROGRESS = Gauge "forgetd_run_in_progress" ["rule"]
        "1 while a run of the rule is under way.";
    ROWS_CHANGED = Counter "forgetd_rows_changed_total" ["rule" "action"]
        "Rows changed and committed.";
    ROWS_SKIPPED = Counter "forgetd_rows_skipped_total" ["rule" "cause"]
        "Due rows passed over, by cause; a row that is passed over in every run counts in every run.";
    ROWS_HELD = Gauge "forgetd_rows_held" ["rule"]
        "Rows that would be due and that a hold keeps; always 0 while there are no holds.";
    BATCHES = Counter "forgetd_batches_total" ["database" "result"]
        "Batches, by what became of them.";
    BATCH_SECONDS = Histogram "forgetd_batch_duration_seconds" ["database"]
        "How long batches took, from the first statement to the answer of the commit.";

    GUARD_TRIPS = Counter "forgetd_guard_trips_total" ["rule" "guard"]
        "Runs that a guard stopped with no row changed.";
    PAUSED = Gauge "forgetd_paused" ["database" "reason"]
        "1 for the reason for which no batch starts in the database, 0 for the others.";
    PAUSE_SECONDS = Counter "forgetd_pause_seconds_total" ["database" "reason"]
        "Time in which no batch was started in the database, by reason.";
    REST_SECONDS = Counter "forgetd_rest_seconds_total" ["database"]
        "Time in which batches rested, to leave room to others at work on the server.";
    DATABASE_UP = Gauge "forgetd_database_up" ["database"]
        "Whether the database answered when it was last asked: 1 or 0; NaN while this process does not ask it.";
    DATABASE_ERRORS = Counter "forgetd_database_errors_total" ["database" "class"]
        "Errors of the database, by what they mean for a batch.";
    REPLICA_LAG = Gauge "forgetd_replica_lag_seconds" ["database"]
        "How far the slowest replica, of a MongoDB set the majority, was behind when it was last asked; NaN while nobody asks.";
    CONNECTIONS = Gauge "forgetd_database_connections" ["database"]
        "Connections that this process holds to the database.";

    EVIDENCE_ENTRIES = Counter "forgetd_evidence_entries_total" []
        "Entries that this process appended to the evidence log.";
    EVIDENCE_FAILURES = Counter "forgetd_evidence_append_failures_total" []
        "Attempts of this process to append that failed.";
    EVIDENCE_PENDING = Gauge "forgetd_evidence_pending_receipts" []
        "Receipts that wait for the relay.";
    EVIDENCE_CHECKPOINT = Gauge "forgetd_evidence_last_checkpoint_timestamp_seconds" []
        "When the newest checkpoint that this process knows was signed; 0 = none.";
    EVIDENCE_OK = Gauge "forgetd_evidence_verify_ok" []
        "What the last check of the evidence log found: 1 or 0; NaN before the first.";
    EVIDENCE_VERIFIED = Gauge "forgetd_evidence_last_verify_timestamp_seconds" []
        "When the evidence log was last checked; 0 = never.";
}

// === impl Kind ===

impl Kind {
    /// The word in documentation and exposition.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

// === impl About ===

impl About {
    /// The metric's row in the table of `docs/metrics.md`.
    pub fn row(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", self.name, self.kind.word(), labels.join(", "), self.help)
    }
}
