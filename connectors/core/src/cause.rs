//! Why something is not clean: stable ids that appear in verdicts, metrics and evidence.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $fix:literal;)+) => {
        /// A stable reason. The id never changes once released; the fix is a sentence for the operator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[$doc])* #[serde(rename = $id)] $name,)+
        }

        impl Cause {
            /// Every cause, for pre-created series and documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The id used in JSON, metrics and evidence.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// What the operator can do about it.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)+ }
            }
        }
    };
}

causes! {
    /// The rule's cap for one run was reached; the rest goes on in the next run.
    Cap = "cap", "nothing to do: the next run goes on; raise `cap.rows_per_run` to go faster";
    /// The rule only observes and rows are due.
    Observe = "observe", "set `mode: enforce` on the rule to delete what is due";
    /// Rows were locked by other sessions to the end.
    Locked = "locked", "find the session that holds the locks; the next run tries again";
    /// A child row still references the row.
    ForeignKey = "foreign_key", "add a rule for the referencing table, or delete its rows first";
    /// A check constraint refused the change of the row.
    Check = "check", "look at the table's check constraints and triggers";
    /// A unique constraint refused the change of the row.
    Unique = "unique", "look at the table's unique constraints and triggers";
    /// A trigger or another statement raised an error for the row.
    RowRefused = "row_refused", "look at the table's triggers: one of them refuses this row";
    /// The row is too large to be worked on.
    Size = "size", "the row is larger than the engine allows for this change, or its values are more than a transform reads (8 MiB): shorten them, or `redact` the column";
    /// Rows that are due survived a run that reported success.
    Survivors = "survivors", "rows became due or were written while the run went on, or something undoes the change; run again and look at triggers";
    /// A trigger cancels deletes without an error.
    TriggerCancels = "trigger_cancels", "a BEFORE DELETE trigger returns NULL: change it or take the table out of the policy";
    /// A rewrite rule replaces deletes.
    DeleteRule = "delete_rule", "drop the ON DELETE rule of the table or take the table out of the policy";
    /// The engine's own counters disagree with what was announced.
    EffectDiffers = "effect_differs", "a trigger, rule or cascade changes other rows than the plan says; nothing was changed by this batch";
    /// The counters needed to compare effects are off.
    TrackCounts = "track_counts", "set `track_counts = on` on the server";
    /// Row security hides rows from the role.
    RowSecurity = "row_security", "give the role BYPASSRLS or a policy that shows it every row";
    /// The role lacks a privilege.
    Privilege = "privilege", "run `forgetd install --print` and grant what it lists";
    /// The server, or this connection, refuses writes.
    ReadOnly = "read_only", "connect to the primary; on it, see that no setting of the server, the database or the role makes sessions read-only";
    /// A statement ran into a timeout that the server or the role sets.
    StatementTimeout = "statement_timeout", "raise `statement_timeout` for the role or index the `since` column";
    /// The table is published and has no replica identity.
    ReplicaIdentity = "replica_identity", "give the table a primary key or a REPLICA IDENTITY";
    /// Control tables are missing, emptied, older or newer than this version knows.
    ControlTables = "control_tables", "run `forgetd install` with a role that may create them";
    /// The database or the evidence was restored to an earlier state.
    Restored = "restored", "find out what was restored, then `forgetd approve --restored --reason TEXT`";
    /// A guard on the number of rows tripped.
    RowsMax = "guard_rows_max", "look at `forgetd plan`; raise `guard.rows_max` if the number is right";
    /// A guard on the share of the table tripped.
    ShareMax = "guard_share_max", "look at `forgetd plan`; raise `guard.share_max` if the share is right";
    /// More rows are due than the rule usually deletes.
    TimesUsual = "guard_times_usual", "look at `forgetd plan` for where so many come from; `forgetd approve RULE` lets the next run delete them";
    /// Every row of the table is due.
    WholeTableDue = "whole_table_due", "check `keep_for`, `since`, `where` and the clocks: a rule rarely means a whole table; `forgetd approve RULE` if this one does";
    /// The cutoff moved further since the last run than time should have.
    CutoffJump = "cutoff_jump", "check the clocks of server and machine, and how long no run succeeded; then `forgetd approve RULE`";
    /// The rule is new or changed, and nobody approved it yet.
    CoolOff = "cool_off", "look at `forgetd plan`, then `forgetd approve RULE`; or wait: it acts by itself when `guard.cool_off` is over";
    /// The described tables are not those that the plan, or the approval, was made for.
    CatalogDrift = "catalog_drift", "look at what changed in the table, its key and what hangs on it; then run again, or `forgetd approve RULE` where the approval is older than the change";
    /// The database's clock and ours are too far apart.
    ClockSkew = "clock_skew", "set the clock of the server or of this machine; nothing is deleted by a clock that may be wrong";
    /// A trigger or column default moves the moment that a transform's period counts from.
    SinceMoved = "since_moved", "a trigger or ON UPDATE column changes the column of `since` whenever the row is updated: change it, or count from another column";
    /// A value cannot be read as what the transform says it is.
    ValueUnfit = "value_unfit", "look for values in the column that are no such thing; `redact` takes any value";
    /// There is no number in the field that counts the versions of a document.
    VersionUnfit = "version_unfit", "let the application write a number there with every change, or take `version` out of the rule: old values are compared then";
    /// What a transform writes does not fit the column.
    TransformUnfit = "transform_unfit", "choose another transform for the column, or make the column fit";
    /// What a transform writes is not unique enough.
    NotUnique = "not_unique", "choose a transform that keeps values apart, or take the column out of the rule";
    /// Nothing tells whether a row was transformed.
    NoShape = "no_shape", "add `marker:` with a column that is NULL until the row is done, or choose transforms whose outcome can be told from other values";
    /// Other tables refer to the column.
    Referenced = "referenced", "leave the key as it is, or let the references follow it (ON UPDATE CASCADE and `references: follow`)";
    /// The engine writes the column itself.
    Generated = "generated", "transform the columns that it is made of, or take the column out of the rule";
    /// There is no key to make tokens with.
    PseudonymKey = "pseudonym_key", "run `forgetd keys list`; make a key with `forgetd keys new pseudonym` and name it in `pseudonym_keys`";
    /// Too many receipts wait for the relay.
    EvidenceBacklog = "evidence_backlog", "the evidence log cannot take entries: look at the relay's errors";
    /// Too many requests wait for the holder.
    Requests = "requests", "nobody answers what is asked: see that a `forgetd serve` runs for this instance and that its log is free of errors";
    /// The evidence log cannot be read, extended or trusted.
    Evidence = "evidence", "run `forgetd evidence verify` and look at its problems";
    /// There is no room for the evidence log in its folder.
    EvidenceNoSpace = "evidence_no_space", "free space in the file system of the folder that is named, or make it larger (`df` shows how full it is); what waits is written by itself then";
    /// The table does not exist, or the role cannot see it.
    TableMissing = "table_missing", "correct `table:` or grant USAGE and SELECT";
    /// A column of the rule does not exist.
    ColumnMissing = "column_missing", "correct the column's name in the rule";
    /// A column's type does not fit its use in the rule.
    ColumnType = "column_type", "use a date or timestamp column, or say `as:` for numbers and text";
    /// The engine does not take a condition in its own language.
    Native = "where_native", "correct `where_native`: one expression on the table's columns, in the engine's own SQL";
    /// The column holds naive times and the rule names no zone.
    ZoneMissing = "zone_missing", "write `since: { column: .., zone: Area/City }`";
    /// The column can be NULL and the rule does not say what that means.
    WhenNullMissing = "when_null_missing", "add `when_null: keep`, `delete` or `{ use: other_column }`";
    /// The table has no key that the action needs.
    NoKey = "no_key", "add a primary key or a unique not-null key";
    /// The object is no plain table.
    TableKind = "table_kind", "name the plain tables (or the partitions) themselves";
    /// The table keeps a history of its own: what is deleted, or written over, stays there.
    HistoryKept = "history_kept", "let the server keep no history of the table, or take it out of the policy";
    /// A cascade would remove rows of a table that has no rule.
    Cascade = "cascade", "add a rule for the referencing table, or change the foreign key's action";
    /// The server is of a kind this version does not work with.
    Unsupported = "unsupported", "docs/engines.md lists every product, how it is recognised, and whether it is worked with";
    /// The database cannot be reached.
    Unreachable = "unreachable", "check the URL, the network and the server";
    /// Another holder took over.
    Fenced = "fenced", "nothing to do: another process acts for this instance";
    /// A commit's fate could not be found out.
    Unknown = "unknown", "look at the database's availability; the next run settles it";
    /// A crashed run was closed because policy, tables or time moved on.
    Superseded = "superseded", "nothing to do: a new run replaces it";
    /// The run was asked to stop and ended at a batch's boundary.
    Interrupted = "interrupted", "nothing to do: the next run goes on";
    /// A person wants the rule to rest.
    Paused = "paused", "`forgetd resume RULE` when it may run again";
    /// A quiet window of the database is open.
    QuietWindow = "quiet_window", "nothing to do: it goes on when the window ends; change `throttle.quiet` of the database to let it go on now";
    /// A replica is further behind than the database's limit.
    ReplicaLag = "replica_lag", "nothing to do, if it catches up: batches go on by themselves; else look at the replica, or raise `throttle.replica_lag_secs_max`";
    /// A replica that the database names cannot be asked how far it is behind.
    ReplicaUnreachable = "replica_unreachable", "let the replica answer, or take it out of `replicas` of the database";
    /// A server that the database names as its replica shows other control tables, or none.
    NotMyReplica = "not_my_replica", "correct `replicas` of the database: the server does not replicate its control tables";
    /// What the throttle goes by cannot be read.
    SignalUnread = "signal_unread", "let the role read it (PostgreSQL: grant pg_monitor), or take the limit out of `throttle`";
    /// The server keeps much of its log for a replication slot.
    LogKept = "log_kept", "look for a slot that nobody reads (pg_replication_slots) and drop it, or raise `throttle.log_kept_mib_max`";
    /// More sessions are at work than the database's limit.
    Load = "load", "nothing to do, if it is rare: batches go on when the load falls; else raise `throttle.active_sessions_max`";
    /// Other sessions wait for locks that batches hold.
    LockWaits = "lock_waits", "nothing to do, if it is rare: batches go on when nobody waits; else find out who writes to rows that are due (`docs/runbooks/ForgetdPausedTooLong.md`), or lower `throttle.batch_ms_target`";
    /// The operator's own signal says no.
    Veto = "veto", "nothing to do, if it is meant so: batches go on when `throttle.veto` does not say no any more";
    /// Its fire time is longer ago than it may begin late.
    StartingDeadline = "starting_deadline", "look at why nobody was there in time; raise `schedule.starting_deadline` if the rule may begin that late";
    /// Processes of the instance have had different policies for long.
    PolicySplit = "policy_split", "let the rollout come to its end, or take it back, so that every process has the same files; then `forgetd approve RULE` for what waits";
    /// Its fire time came while it still ran.
    Overlap = "overlap", "nothing to do, if it is rare; else let the rule fire less often or raise its limits";
    /// An error of forgetd itself or of the server that has no better name.
    Internal = "internal", "report it with the log lines around it";
}

// === impl Cause ===

impl Cause {
    /// Whether a person's approval of it holds until the rule or its tables change again, and not for one run only.
    pub const fn is_approved_for_good(self) -> bool {
        matches!(self, Self::CoolOff | Self::CatalogDrift)
    }

    /// Whether it holds batches back for a while: nothing is wrong with the rule, and its run goes on afterwards.
    pub const fn is_of_the_throttle(self) -> bool {
        matches!(
            self,
            Self::ReplicaLag
                | Self::ReplicaUnreachable
                | Self::NotMyReplica
                | Self::SignalUnread
                | Self::LogKept
                | Self::Load
                | Self::LockWaits
                | Self::Veto
        )
    }

    /// Whether a run that ended with it stands open, and goes on later.
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Interrupted | Self::QuietWindow) || self.is_of_the_throttle()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Cause;

    #[test]
    fn ids_are_unique_and_survive_json() {
        let ids: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        assert_eq!(ids.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            let json = serde_json::to_string(cause).unwrap();
            assert_eq!(json, format!("\"{}\"", cause.id()));
        }
    }
}
