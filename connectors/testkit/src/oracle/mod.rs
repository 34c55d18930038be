//! The oracle: which rows are due, worked out in memory, one row at a time.
//!
//! It shares the words of a selection with the connectors and nothing of how they evaluate it: no SQL, no bound that
//! was derived from the cutoff, no code of the seam but its types. Where a column says less than an instant, the oracle
//! lists the instants that it could mean and takes the last.

mod condition;
mod like;
mod moment;
mod native;
mod number;
mod period;
mod truth;

use forgetd_connector::{Child, Except, Selection, Stays, TableRef, Terms};

pub use moment::is_time;
pub use native::Native;
pub use truth::Truth;

use crate::table::{Row, TableSpec};

/// The tables that judging a row can look into, the judged one among them.
#[derive(Clone, Debug)]
pub struct World<'a>(Vec<&'a TableSpec>);

/// The ids of the rows that are due, ascending.
///
/// Panics where the selection names a table, a column or a native condition that the world does not have.
pub fn due<'a>(world: impl Into<World<'a>>, selection: &Selection) -> Vec<i64> {
    split(&world.into(), selection).0
}

/// The ids of the rows that survive, ascending.
pub fn survivors<'a>(world: impl Into<World<'a>>, selection: &Selection) -> Vec<i64> {
    split(&world.into(), selection).1
}

fn split(world: &World<'_>, selection: &Selection) -> (Vec<i64>, Vec<i64>) {
    let table = world.table(&selection.table);
    let (mut due, mut kept) = (vec![], vec![]);
    for row in &table.rows {
        if is_due(world, table, row, selection) { due.push(row.0) } else { kept.push(row.0) }
    }
    due.sort_unstable();
    kept.sort_unstable();
    (due, kept)
}

fn is_due(world: &World<'_>, table: &TableSpec, row: &Row, selection: &Selection) -> bool {
    let excepted = |except: &Except| match except {
        Except::Kept { terms, .. } => is_kept(world, table, row, terms),
        Except::Due(other) => is_due(world, table, row, other),
        Except::Child(child) => stays_with_a_child(world, table, row, child),
    };
    matches(table, row, &selection.terms)
        && period::over(world, table, row, &selection.terms) == Truth::True
        && !selection.except.iter().any(excepted)
}

/// Whether these terms keep the row. What is not known to be over is kept.
fn is_kept(world: &World<'_>, table: &TableSpec, row: &Row, terms: &Terms) -> bool {
    matches(table, row, terms) && period::over(world, table, row, terms) != Truth::True
}

/// Whether a child of the row must stay: none of the rules of its own table lets it go, or one of them keeps it.
fn stays_with_a_child(world: &World<'_>, table: &TableSpec, row: &Row, child: &Child) -> bool {
    let other = world.table(&child.table);
    let belongs = |theirs: &&Row| period::belongs(&child.on, (other, theirs), (table, row));
    let stays = |theirs: &Row| match &child.stays {
        Stays::UnlessDue(steps) => !steps.iter().any(|step| is_due(world, other, theirs, &step.selection)),
        Stays::IfKept(steps) => steps.iter().any(|step| is_kept(world, other, theirs, &step.selection.terms)),
    };
    other.rows.iter().filter(belongs).any(stays)
}

/// Whether everything beside the period is true. Unknown is not.
fn matches(table: &TableSpec, row: &Row, terms: &Terms) -> bool {
    let native = terms.native.as_deref().map_or(Truth::True, |text| {
        Native::called(text).unwrap_or_else(|| panic!("the oracle does not know `{text}`")).holds(row.0)
    });
    native == Truth::True && condition::holds(table, row, &terms.predicate) == Truth::True
}

// === impl World ===

impl<'a> World<'a> {
    fn table(&self, name: &TableRef) -> &'a TableSpec {
        self.0.iter().find(|table| table.name == name.name).expect("a table of the world")
    }
}

impl<'a> From<&'a TableSpec> for World<'a> {
    fn from(table: &'a TableSpec) -> Self {
        Self(vec![table])
    }
}

impl<'a> From<&'a [TableSpec]> for World<'a> {
    fn from(tables: &'a [TableSpec]) -> Self {
        Self(tables.iter().collect())
    }
}

impl<'a> From<&'a Vec<TableSpec>> for World<'a> {
    fn from(tables: &'a Vec<TableSpec>) -> Self {
        tables.as_slice().into()
    }
}

impl<'a, const N: usize> From<[&'a TableSpec; N]> for World<'a> {
    fn from(tables: [&'a TableSpec; N]) -> Self {
        Self(tables.to_vec())
    }
}

#[cfg(test)]
mod tests;
