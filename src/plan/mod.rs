//! Plans: from a rule, the described tables and a moment to the step that lanes work on. Pure.
//!
//! Knows nothing about: connections, statements, the clock.

mod cascade;
mod columns;
mod depends;
mod fit;
mod held;
mod order;
mod references;
mod rewrite;
mod step;
mod terms;
#[cfg(test)]
pub(crate) mod testing;

pub use cascade::tables_below;
pub use depends::{along, depends};
pub use order::order;
pub use references::{Does, Reference, keepers, references};
pub use rewrite::treated;
pub use step::step;
pub use terms::{shield, tables, unkept};
