//! The set of rules.

use super::{Action, Rule};
use crate::approval::Approvers;

/// All rules of an instance, in the order of their names, and who approves them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Who may approve.
    pub approvers: Approvers,
}

// === impl Policy ===

impl Policy {
    /// A policy of these rules that names no approvers; each rule that changes rows learns which rules keep rows of its table.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let keepers: Vec<Rule> = rules.iter().filter(|rule| rule.action == Action::Keep).cloned().collect();
        for rule in rules.iter_mut().filter(|rule| rule.runs()) {
            // A name without a schema can be any of them.
            let same = |keeper: &&Rule| {
                keeper.database == rule.database && (keeper.table.is(&rule.table) || rule.table.is(&keeper.table))
            };
            rule.kept_by = keepers.iter().filter(same).map(|keeper| (keeper.name.clone(), keeper.digest())).collect();
        }
        Self { rules, approvers: Approvers::default() }
    }

    /// The rule called `name`.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}
