//! The set of rules.

use super::Rule;

/// All rules of an instance, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<Rule>,
}

// === impl Policy ===

impl Policy {
    /// The rule called `name`.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}
