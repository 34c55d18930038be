//! What a check notices without stopping a rule: stable ids.

use std::fmt;

macro_rules! notices {
    ($($(#[$doc:meta])* $name:ident = $id:literal;)+) => {
        /// A stable id of a finding that stops nothing. The id never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Notice {
            $($(#[$doc])* $name,)+
        }

        impl Notice {
            /// Every notice, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The id used in JSON and logs.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }
        }
    };
}

notices! {
    /// No index begins with `since`.
    SinceNotIndexed = "since_not_indexed";
    /// Values of `since` are no time in the form that the rule names.
    SinceUnreadable = "since_unreadable";
    /// Activity that comes at the very moment of a batch can be missed.
    LatestUnguarded = "latest_unguarded";
    /// A row that is used again after it was done keeps what is written into places that show nothing.
    MarkerNotCompared = "marker_not_compared";
    /// Rows whose `since` is NULL are due at once.
    NullIsDue = "null_is_due";
    /// The server is of a kind that was never tested, and the operator accepts that.
    EngineUntested = "engine_untested";
    /// The rule only looks.
    Observes = "observes";
    /// Two rules can delete the same row.
    RulesOverlap = "rules_overlap";
    /// No index serves a foreign key that points at the table.
    ForeignKeyNotIndexed = "foreign_key_not_indexed";
    /// Rows that a child references are passed over.
    ReferencesKeepRows = "references_keep_rows";
    /// Deleting a row changes its children.
    ReferencesAreSet = "references_are_set";
    /// forgetd enforces foreign keys where the application may not.
    ForeignKeysOn = "foreign_keys_on";
    /// A trigger runs before each delete and can cancel or refuse it.
    TriggerBeforeDelete = "trigger_before_delete";
    /// A trigger may keep what was deleted somewhere else.
    TriggerCopies = "trigger_copies";
    /// A trigger deletes from a table that was not announced.
    TriggerDeletes = "trigger_deletes";
    /// Views of the server that advice comes from cannot be read.
    LookIncomplete = "look_incomplete";
    /// The planner knows nothing of the table, or of the column that its period counts from.
    StatisticsMissing = "statistics_missing";
    /// Nothing vacuums the table by itself.
    AutovacuumOff = "autovacuum_off";
    /// A crash of the server empties the table.
    TableUnlogged = "table_unlogged";
    /// The table is one partition of several.
    IsPartition = "is_partition";
    /// Tables that inherit from this one keep their rows.
    ChildrenNotTouched = "children_not_touched";
    /// An index that begins with `since` serves no walk.
    IndexUnusable = "index_unusable";
    /// A materialized view keeps copies.
    MatviewKeepsCopies = "matview_keeps_copies";
    /// Subscribers are told of inserts and never of deletes.
    DeletesNotPublished = "deletes_not_published";
    /// Subscribers are told of deletes.
    DeletesPublished = "deletes_published";
    /// The rows come from another server.
    RowsSubscribed = "rows_subscribed";
    /// Deleted rows are logged with all their values.
    ReplicaIdentityFull = "replica_identity_full";
    /// The log piles up for a replication slot.
    SlotBehind = "slot_behind";
    /// The server may end batches before they are done.
    StatementTimeoutShort = "statement_timeout_short";
    /// The cluster refuses transactions of a size that a batch can have.
    TransactionLimited = "transaction_limited";
    /// Commits wait for a standby that is not there.
    SynchronousStandbyMissing = "synchronous_standby_missing";
    /// The space of deleted rows cannot be used again.
    VacuumHeldBack = "vacuum_held_back";
    /// ON DELETE SET would break NOT NULL.
    ReferencesCannotBeSet = "references_cannot_be_set";
    /// Older rows were never checked against a foreign key.
    ForeignKeyNotValid = "foreign_key_not_valid";
    /// A foreign key is switched off: deleting a row looks for no child.
    ForeignKeyOff = "foreign_key_off";
    /// A column looks like a reference to the table and is none.
    ReferenceWithoutKey = "reference_without_key";
    /// Something else deletes from the table by a clock of its own.
    OtherRetention = "other_retention";
    /// The connection goes through a pooler.
    Pooled = "pooled";
    /// The server's certificate is not checked.
    TlsUnverified = "tls_unverified";
    /// A commit does not survive a crash of the machine.
    DurabilityWeak = "durability_weak";
    /// A full-text table keeps the words of deleted rows.
    FullTextStays = "full_text_stays";
    /// Much of the file is free and holds what was there before.
    FreePages = "free_pages";
    /// Readers and batches wait for each other.
    JournalMode = "journal_mode";
    /// Values of `since` are dates with a zero for their year, month or day.
    ZeroDates = "zero_dates";
    /// The binary log keeps every value of a deleted row.
    BinlogKeepsRows = "binlog_keeps_rows";
    /// A foreign key changes rows, and no trigger of theirs is fired.
    CascadePastTriggers = "cascade_past_triggers";
    /// The table has no transactions.
    NotTransactional = "not_transactional";
    /// Documents have nothing where the moment should be, and are kept for it.
    SinceMissing = "since_missing";
    /// Documents have no number that counts their versions, and are not transformed.
    VersionMissing = "version_missing";
    /// The server keeps documents as they were before a change.
    ImagesKept = "images_kept";
    /// The collection validates what is written.
    ValidatorJudges = "validator_judges";
    /// Filters hold values, and the server can log filters.
    FiltersAreLogged = "filters_are_logged";
    /// Nothing outside the database remembers the evidence log.
    EvidenceUnanchored = "evidence_unanchored";
    /// The folder that remembers checkpoints is not there.
    RememberMissing = "remember_missing";
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Notice;
    use crate::Cause;

    #[test]
    fn ids_are_unique_and_no_causes() {
        let notices = Notice::ALL.iter().map(|notice| notice.id());
        let ids: BTreeSet<_> = notices.chain(Cause::ALL.iter().map(|cause| cause.id())).collect();
        assert_eq!(ids.len(), Notice::ALL.len() + Cause::ALL.len());
    }
}
