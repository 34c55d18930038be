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
    /// Rows whose `since` is NULL are due at once.
    NullIsDue = "null_is_due";
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
    /// The server's certificate is not checked.
    TlsUnverified = "tls_unverified";
    /// A commit does not survive a crash of the machine.
    DurabilityWeak = "durability_weak";
    /// Readers and batches wait for each other.
    JournalMode = "journal_mode";
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
