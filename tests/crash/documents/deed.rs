//! What a lane does with documents.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::counts::Found;
use super::people::People;
use super::{deleted, transformed};
use crate::dice::Dice;
use crate::harness::{Mongo, Policy, Program, Rule};

/// What happens to documents that are due.
#[derive(Clone)]
pub(super) enum Deed {
    Delete,
    Transform(Arc<People>),
}

/// What an application did in a round, by what the server acknowledged.
pub(super) enum Used {
    Deleted(deleted::Used),
    Transformed(transformed::Used),
}

/// What happened in a round.
pub(super) struct Outcome {
    /// Documents that forgetd deleted, or how often it transformed one.
    pub(super) truth: u64,
    /// How often the application made a document due again that was transformed. Where that was before whoever sealed it
    /// had looked, nobody can tell it from one that was not reached yet: its transforms are counted once.
    pub(super) again: u64,
    pub(super) found: Found,
}

// === impl Deed ===

impl Deed {
    pub(super) fn rule(&self) -> Rule {
        let rule = match self {
            Self::Delete => Rule::delete("items", "item", "at"),
            Self::Transform(_) => transformed::rule("items"),
        };
        rule.with("when_null: keep").with("where: { state: idle }")
    }

    pub(super) fn policy(&self, policy: Policy) -> Policy {
        match self {
            Self::Delete => policy,
            Self::Transform(_) => policy.pseudonyms(),
        }
    }

    pub(super) fn equip(&self, program: &Program) {
        if let Self::Transform(people) = self {
            people.equip(program);
        }
    }

    /// A document that is due, by its number.
    pub(super) fn document(&self, n: i64) -> Value {
        match self {
            Self::Delete => json!({ "_id": n, "at": deleted::old(n), "state": "idle", "note": "as it was" }),
            Self::Transform(people) => people.document(n),
        }
    }

    /// The application before it did anything.
    pub(super) fn application(&self) -> Used {
        match self {
            Self::Delete => Used::Deleted(deleted::Used::default()),
            Self::Transform(people) => Used::Transformed(transformed::Used::new(Arc::clone(people))),
        }
    }
}

// === impl Used ===

impl Used {
    /// One operation on one document.
    pub(super) fn once(&mut self, documents: &Mongo, id: i64, dice: &mut Dice) {
        match self {
            Self::Deleted(used) => used.once(documents, id, dice.below(10)),
            Self::Transformed(used) => used.once(documents, id, dice),
        }
    }

    /// How many operations met a document, and how many of them deleted it.
    pub(super) fn counts(&self) -> (u64, u64) {
        match self {
            Self::Deleted(used) => (used.operations, used.deleted),
            Self::Transformed(used) => (used.operations, used.deleted),
        }
    }

    /// The process died, and nobody has mended anything: what a document holds then is remembered.
    pub(super) fn died(&self, documents: &Mongo, seeded: &Range<i64>) -> Vec<Value> {
        match self {
            Self::Deleted(_) => vec![],
            Self::Transformed(_) => transformed::all(documents, seeded),
        }
    }

    /// The round is over, and its last run was clean. `before`: how many documents there were in it.
    pub(super) fn outcome(
        self,
        documents: &Mongo,
        seeded: &Range<i64>,
        before: u64,
        at_death: &[Value],
    ) -> Result<Outcome, String> {
        match self {
            Self::Deleted(used) => Ok(used.outcome(documents, before)),
            Self::Transformed(used) => used.outcome(documents, seeded, at_death),
        }
    }
}
