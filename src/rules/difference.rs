//! What a new policy changes, rule by rule and in names alone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Change, Policy, Rule, changes};

/// What one policy has that another one has not. No literal is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Rules that are new.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub added: BTreeSet<String>,
    /// Rules that are gone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<String>,
    /// Rules that are others, with the settings that are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<String, Vec<String>>,
}

// === impl Difference ===

impl Difference {
    /// From one policy to another one.
    pub fn between(before: &Policy, after: &Policy) -> Self {
        let names = |policy: &Policy| policy.rules.iter().map(|rule| rule.name.clone()).collect::<BTreeSet<_>>();
        let (old, new) = (names(before), names(after));
        let changed = old.intersection(&new).filter_map(|name| {
            let changes = rule_changes(before.rule(name)?, after.rule(name)?);
            let settings: Vec<String> = changes.into_iter().map(|change| change.field).collect();
            (!settings.is_empty()).then(|| (name.clone(), settings))
        });
        Self {
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
            changed: changed.collect(),
        }
    }

    /// Whether both have the same rules.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What changed in a rule: of its definition, and when it fires.
pub fn rule_changes(before: &Rule, after: &Rule) -> Vec<Change> {
    let mut changes = changes(&before.definition(), &after.definition());
    if before.schedule != after.schedule {
        let text = |rule: &Rule| rule.schedule.as_ref().map_or_else(|| "none".into(), ToString::to_string);
        changes.push(Change { field: "schedule".into(), from: Some(text(before)), to: Some(text(after)) });
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use forgetd_connector::{Predicate, Value};
    use jiff::tz::TimeZone;

    use super::{Difference, rule_changes};
    use crate::rules::testing::rule;
    use crate::rules::{Mode, Period, Policy, Rule, Schedule};

    #[test]
    fn rules_are_new_gone_or_others_and_no_literal_is_said() {
        let secret = |text: &str| Predicate::equal("email", Value::Text(text.into()));
        let before = Policy::new(vec![rule("same", "a"), rule("gone", "b"), rule("old", "c"), rule("night", "d")]);
        let after = Policy::new(vec![
            rule("same", "a"),
            rule("new", "b"),
            Rule { keep_for: Period::parse("60d").unwrap(), predicate: secret("a@b.se"), ..rule("old", "c") },
            Rule { schedule: Schedule::parse("0 3 * * *", TimeZone::UTC).ok(), ..rule("night", "d") },
        ]);
        let found = Difference::between(&before, &after);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!((found.added.clone(), found.removed.clone()), (names(&["new"]), names(&["gone"])));
        let changed: BTreeMap<String, Vec<String>> = [
            ("night".to_owned(), vec!["schedule".to_owned()]),
            ("old".to_owned(), vec!["keep_for".to_owned(), "where".to_owned()]),
        ]
        .into();
        assert_eq!(found.changed, changed);
        let said: Vec<String> =
            rule_changes(&before.rules[2], &after.rules[2]).iter().map(ToString::to_string).collect();
        assert!(!serde_json::to_string(&found).unwrap().contains("a@b.se") && !said.join(" ").contains("a@b.se"));
        assert!(Difference::between(&after, &after).is_empty());
        let observing = Policy::new(vec![Rule { mode: Mode::Observe, ..rule("same", "a") }]);
        assert_eq!(Difference::between(&before, &observing).changed["same"], ["mode"]);
    }
}
