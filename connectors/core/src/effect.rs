//! What a batch is asked to do, and what it did.

use std::collections::BTreeMap;

use crate::{Cause, Cursor, Key, TableRef};

/// What one batch shall do.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Where to begin; absent: at the start of the lane.
    pub from: Option<Cursor>,
    /// The most rows to change.
    pub rows_max: u32,
    /// What to do about rows that others have locked.
    pub locks: LockWait,
    /// Which tables' counters to compare with what was announced.
    pub compare: Compare,
    /// Whether the keys of changed rows are wanted (for commitments).
    pub want_keys: bool,
}

/// How locked rows are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Wait up to `lock_wait_ms`, then fail with [`crate::FaultClass::Locked`].
    Wait,
    /// Pass over them and count them.
    Skip,
}

/// Which counters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The table and its cascade closure.
    Announced,
    /// Every table of the database: triggers are not in the closure.
    All,
}

/// What an atomic batch did, still uncommitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Rows of the rule's own table that were changed.
    pub changed: u64,
    /// Rows that went from other announced tables, by table; zero counts are left out.
    pub cascaded: BTreeMap<TableRef, u64>,
    /// Rows that stay and whose reference to a deleted one was set to NULL or its default, by table: one for each foreign key
    /// that did; zero counts are left out. A row of another table that was set first, and then went by another foreign key in
    /// the same batch, may stand here and among `cascaded`.
    pub references_set: BTreeMap<TableRef, u64>,
    /// Due rows in the walked span that were locked and passed over.
    pub locked: u64,
    /// Due rows that were passed over because they cannot be transformed, by cause; those that a transform leaves as
    /// they are, although they are due, among them.
    pub unfit: BTreeMap<Cause, u64>,
    /// The keys of changed rows, if they were wanted.
    pub keys: Option<Vec<Key>>,
    /// Where the next batch begins.
    pub next: Next,
}

/// What follows a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next batch begins here; always past where this one began.
    At(Cursor),
    /// The lane is walked to its end.
    End,
}

/// The keys a sealed batch will work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    /// Keys of rows that were due when they were read; may be empty.
    pub keys: Vec<Key>,
    /// Where the next batch begins.
    pub next: Next,
}

/// What became of a sealed batch's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that the change reported as changed by us: where an answer was lost, at least so many.
    pub changed: u64,
    /// Keys that no longer match: gone by us or, meanwhile, by the application. Never fewer than were changed by us.
    pub gone: u64,
    /// Keys that still match: what kept them is a lock or an error of theirs.
    pub kept: u64,
    /// Rows of other announced tables that went with them, or followed them, by table; zero counts are left out.
    pub cascaded: BTreeMap<TableRef, u64>,
    /// As in [`Effect::references_set`].
    pub references_set: BTreeMap<TableRef, u64>,
    /// Of those that still match, the rows that cannot be transformed, by cause.
    pub unfit: BTreeMap<Cause, u64>,
}

// === impl Next ===

impl Next {
    /// The cursor, unless the lane ended.
    pub fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::At(cursor) => Some(cursor),
            Self::End => None,
        }
    }
}
