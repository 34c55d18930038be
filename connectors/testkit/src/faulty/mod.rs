//! A connector that breaks where a test says: the n-th call of an operation fails, or is done and its answer lost.

mod connector;
mod control;
mod lane;
mod script;

pub use connector::Faulty;
pub use script::{Ending, Operation, Script};
