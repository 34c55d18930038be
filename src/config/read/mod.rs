//! From nodes to the raw structs, by serde, with every problem at its place.
//!
//! serde stops at the first error. So the reader runs again with the field at fault marked as broken, until nothing is
//! left to say: a broken field reads as [`Field::Broken`] and is not complained about twice.

mod error;
mod field;
mod key;
mod reader;

use std::{cell::RefCell, collections::BTreeSet};

use serde::de::DeserializeOwned;

pub(super) use error::ReadError;
pub(super) use field::{At, Field, KeyAt, TextOr};

use super::{
    node::Node,
    place::{Place, Sources},
    problem::Problem,
};
use reader::Reader;

/// A file with more problems than this is not a policy; the rest is said when these are gone.
const PROBLEMS_MAX: usize = 200;

/// What one reading shares: what is known to be broken, and what was said already.
struct Session<'a> {
    sources: &'a Sources,
    broken: RefCell<BTreeSet<usize>>,
    problems: RefCell<Vec<Problem>>,
}

/// Reads a `T` and says everything that is wrong on the way. Nothing: not even the outermost shape is right.
pub(super) fn read<T: DeserializeOwned>(root: &Node, sources: &Sources) -> (Option<T>, Vec<Problem>) {
    let session = Session { sources, broken: RefCell::default(), problems: RefCell::default() };
    for _ in 0..PROBLEMS_MAX {
        match T::deserialize(Reader::new(root, &session)) {
            Ok(value) => return (Some(value), session.problems.into_inner()),
            Err(error) => {
                let fresh = error.absorber.is_some_and(|node| session.broken.borrow_mut().insert(node));
                let place = error.place.unwrap_or(root.place);
                if !error.silent {
                    session.say(place, error.message, error.fix);
                }
                if !fresh {
                    break;
                }
            }
        }
    }
    (None, session.problems.into_inner())
}

// === impl Session ===

impl Session<'_> {
    fn say(&self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.borrow_mut().push(self.sources.problem(place, message, fix));
    }

    /// Nodes do not move while they are read, so an address is a name.
    fn is_broken(&self, node: &Node) -> bool {
        self.broken.borrow().contains(&std::ptr::from_ref(node).addr())
    }

    /// Marks a node; false if it was marked before.
    fn mark(&self, node: &Node) -> bool {
        self.broken.borrow_mut().insert(std::ptr::from_ref(node).addr())
    }
}
