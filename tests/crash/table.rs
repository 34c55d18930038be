//! The table that a lane works on, and what must be true of its rows.

use crate::harness::{Database, Policy, Program, Rule};

/// Rows that are not due, in the table from the start to the end.
pub(crate) const KEPT: u64 = 500;

/// Rows to one moment, where several have the same.
const TIED: u64 = 12;

/// A table called `item`, with rows that stay as they are and rows that are due.
pub(crate) trait Table {
    /// What is done with them.
    fn rule(&self) -> Rule;

    /// The policy with what the rule needs beside it.
    fn policy(&self, policy: Policy) -> Policy {
        policy
    }

    /// Puts what the rule needs into the program's folder.
    fn equip(&self, _program: &Program) {}

    /// Adds rows that are due: in turn twelve to one moment, and each on a moment of its own.
    fn seed(&self, data: &dyn Database);

    /// Rows that were worked on, of all that were seeded, as a count that costs little.
    fn begun(&self, data: &dyn Database) -> u64;

    /// What became of every row, or only of those that were seeded last.
    fn tally(&self, data: &dyn Database, of: Of) -> Tally;
}

/// The seconds between the first row's moment and that of row `id`, for the seed of this number.
pub(crate) fn spread(seed: u64, rows: u64, tied: u64, alone: u64) -> String {
    if seed.is_multiple_of(2) {
        format!("(id % {} * {tied})", (rows / TIED).max(1))
    } else {
        format!("(id % {rows} * {alone})")
    }
}

/// Which rows are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// All of them.
    All,
    /// Those of the last two seeds.
    Last,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Due rows that are gone, or that are not what they were.
    pub(crate) changed: u64,
    /// Due rows that are what they were.
    pub(crate) left: u64,
    /// Rows of which a part is what it was and a part is done.
    pub(crate) half: u64,
    /// Rows that were written more than once, or hold what doing them once does not make.
    pub(crate) twice: u64,
    /// Rows that had to stay as they are and did not.
    pub(crate) wronged: u64,
}
