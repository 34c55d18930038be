//! What foreign keys make of a delete, in words. Pure.

use forgetd_connector::{Action, Child, Except, ForeignKey, OnDelete, Stays, Step};
use serde::Serialize;

use super::held::joined;

/// One foreign key that a delete meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// Its name.
    pub foreign_key: String,
    /// The table that references, and its columns.
    pub child: String,
    /// What happens to its rows.
    pub does: Does,
    /// Whether an index serves the search for them.
    pub indexed: bool,
}

/// What a foreign key does when its parent's row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// The parent's row stays while a child is there: it is skipped and counted.
    SkipParent,
    /// The child goes with it, because a rule of its own allows it.
    DeleteChild,
    /// The child's columns change.
    ChangeChild,
    /// The child's columns change, unless a rule keeps it: then the parent's row stays.
    ChangeChildNotKept,
}

/// Every foreign key that the step meets, directly or through a cascade.
pub fn references(step: &Step) -> Vec<Reference> {
    let reference = |key: &ForeignKey| Reference {
        foreign_key: key.name.clone(),
        child: format!("{} ({})", key.child, key.child_columns.join(", ")),
        does: match key.on_delete {
            OnDelete::Refuse => Does::SkipParent,
            OnDelete::Cascade => Does::DeleteChild,
            OnDelete::Set if keepers(step, key).is_empty() => Does::ChangeChild,
            OnDelete::Set => Does::ChangeChildNotKept,
        },
        indexed: key.indexed,
    };
    match step.action {
        Action::Delete => step.table.referenced_by.iter().map(reference).collect(),
        // The rows stay where they are.
        Action::Transform(_) => vec![],
    }
}

/// The rules whose rows hold what they reference by `key`, wherever below the step: what a delete sets, it sets in rows that
/// no rule keeps.
pub fn keepers<'a>(step: &'a Step, key: &ForeignKey) -> Vec<&'a str> {
    let mut names = vec![];
    for except in &step.selection.except {
        let Except::Child(Child { foreign_key, table, on, stays }) = except else { continue };
        match stays {
            Stays::IfKept(kept) if *foreign_key == key.name && *table == key.child && *on == joined(key) => {
                names.extend(kept.iter().map(|step| step.rule.as_str()));
            }
            Stays::IfKept(_) => {}
            Stays::UnlessDue(due) => names.extend(due.iter().flat_map(|step| keepers(step, key))),
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { foreign_key, child, does, indexed } = self;
        match does {
            Does::SkipParent => {
                write!(f, "a row that {child} references stays and is counted as skipped ({foreign_key})")?
            }
            Does::DeleteChild => write!(f, "rows of {child} go with it ({foreign_key})")?,
            Does::ChangeChild => write!(f, "{child} is set to NULL or its default ({foreign_key})")?,
            Does::ChangeChildNotKept => write!(
                f,
                "{child} is set to NULL or its default ({foreign_key}); a row that a kept one references stays"
            )?,
        }
        if *indexed { Ok(()) } else { f.write_str("; no index serves the search") }
    }
}
