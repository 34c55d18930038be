//! Which rows a rule means.

use crate::{Cutoff, Joined, Predicate, Since, Step, TableRef, Undone};

/// The rows of one table that are due at one cutoff. Every statement that looks at or changes a row is built from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The table.
    pub table: TableRef,
    /// What makes a row due.
    pub terms: Terms,
    /// The signs that a row is not done, for a transform: a row without one of them is not due. Empty: that is not asked.
    pub undone: Vec<Undone>,
    /// Rows whose moment lies before this one are left to the next sweep; absent: every row is looked at. A row without a
    /// moment is looked at in any case.
    pub floor: Option<Cutoff>,
    /// What keeps a row all the same. Evaluated with the terms in every statement, never apart from them.
    pub except: Vec<Except>,
}

/// When a row's period is over, and for which rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The moment the period counts from.
    pub since: Since,
    /// The frozen instant.
    pub cutoff: Cutoff,
    /// What it means that there is no such moment.
    pub when_null: WhenNull,
    /// What else must hold.
    pub predicate: Predicate,
    /// A condition in the engine's own language that must hold too; true only where it is true.
    pub native: Option<String>,
}

/// Rows that are not due whatever the terms say.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every one is `Kept`, and there are few")]
pub enum Except {
    /// Rows that another rule still keeps: its predicate and native condition are true, and its period is not known to
    /// be over. A moment that is missing or cannot be read keeps the row, unless that rule's `when_null` says `Delete`.
    Kept {
        /// The rule.
        rule: String,
        /// Its terms; the cutoff is its own.
        terms: Terms,
    },
    /// Rows that this selection means. For comparing two policies.
    Due(Box<Selection>),
    /// Rows whose children must stay as they are.
    Child(Child),
}

/// The rows that a delete would take along or change, by a foreign key that acts: of another table, or of the same one. A
/// row one of whose children must stay as it is stays with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The foreign key's name.
    pub foreign_key: String,
    /// The table that holds it.
    pub table: TableRef,
    /// Which rows belong together; never empty.
    pub on: Vec<Joined>,
    /// Which of them must stay.
    pub stays: Stays,
}

/// Which children must stay as they are. Steps are of the child's own table, and never run from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Stays {
    /// The key cascades: a child goes if one of these steps means it, those of the rules that delete from its table.
    UnlessDue(Vec<Step>),
    /// The key sets the reference: a child stays if the terms of one of these steps keep it, in the sense of
    /// [`Except::Kept`]. They are those of the rules that keep rows of its table; never empty.
    IfKept(Vec<Step>),
}

/// What it means that there is no moment to count from: NULL, all of several NULL, no activity at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenNull {
    /// The row is never due.
    Keep,
    /// The row is always due.
    Delete,
    /// This column of the same type counts instead (of a collection the path to a field, as [`crate::Path::parse`] reads
    /// it); if it is NULL too, the row is kept. Only beside a single column.
    Use(String),
}

// === impl Selection ===

impl Selection {
    /// The selection of these terms alone.
    pub fn new(table: TableRef, terms: Terms) -> Self {
        Self { table, terms, undone: vec![], floor: None, except: vec![] }
    }

    /// Every other table that deciding about a row looks into, in order, with repetitions.
    pub fn other_tables(&self) -> Vec<&TableRef> {
        let mut tables: Vec<&TableRef> = self.terms.since.other_table().into_iter().collect();
        for except in &self.except {
            match except {
                Except::Kept { terms, .. } => tables.extend(terms.since.other_table()),
                Except::Due(selection) => tables.extend(selection.other_tables()),
                Except::Child(child) => {
                    tables.push(&child.table);
                    tables.extend(child.steps().iter().flat_map(|step| step.selection.other_tables()));
                }
            }
        }
        tables
    }

    /// Whether a row's fate can change while the row itself does not: then rows are locked first and judged after.
    ///
    /// A native condition can hold a subquery, so it counts as one that looks elsewhere.
    pub fn looks_elsewhere(&self) -> bool {
        let native = |terms: &Terms| terms.native.is_some();
        !self.other_tables().is_empty()
            || native(&self.terms)
            || self.except.iter().any(|except| match except {
                Except::Kept { terms, .. } => native(terms),
                Except::Due(selection) => selection.looks_elsewhere(),
                Except::Child(_) => true,
            })
    }
}

// === impl Child ===

impl Child {
    /// The steps that say which children must stay.
    pub fn steps(&self) -> &[Step] {
        match &self.stays {
            Stays::UnlessDue(steps) | Stays::IfKept(steps) => steps,
        }
    }
}
