//! What changed between two versions of a rule, in words that repeat no literal. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use super::Period;

/// Fields whose content can hold a literal of somebody's data, or is only prose: that they changed is said, not how.
const HIDDEN: [&str; 3] = ["where", "where_native", "purpose"];

/// Fields that hold periods, which are shown as people write them.
const PERIODS: [&str; 2] = ["keep_for", "cool_off"];

/// One field that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field, as a policy names it; `guard.rows_max` for one inside another.
    pub field: String,
    /// What it was; absent where it is not shown.
    pub from: Option<String>,
    /// What it is; absent where it is not shown.
    pub to: Option<String>,
}

/// The fields in which two definitions ([`super::Rule::definition`]) differ, in order of their names.
pub fn changes(old: &Json, new: &Json) -> Vec<Change> {
    let mut changes = vec![];
    collect("", old, new, &mut changes);
    changes
}

fn collect(prefix: &str, old: &Json, new: &Json, changes: &mut Vec<Change>) {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (from, to) = (old.get(name), new.get(name));
        if from == to {
            continue;
        }
        let field = format!("{prefix}{name}");
        if HIDDEN.contains(&name.as_str()) {
            changes.push(Change { field, from: None, to: None });
        } else if field == "transform" {
            let (from, to) = (from.unwrap_or(&Json::Null), to.unwrap_or(&Json::Null));
            changes.extend(transformed(from, to).into_iter().map(|field| Change { field, from: None, to: None }));
        } else if field == "guard" {
            collect("guard.", from.unwrap_or(&Json::Null), to.unwrap_or(&Json::Null), changes);
        } else if PERIODS.contains(&name.as_str()) {
            changes.push(Change { field, from: Some(period(from)), to: Some(period(to)) });
        } else {
            changes.push(Change { field, from: Some(shown(from)), to: Some(shown(to)) });
        }
    }
}

/// The places and settings of a transform that differ, by name: constants can hold anything.
fn transformed(old: &Json, new: &Json) -> Vec<String> {
    let part = |of: &Json, name: &str| of.get(name).cloned().unwrap_or(Json::Null);
    let (from, to) = (part(old, "transform"), part(new, "transform"));
    let names = |places: &Json| places.as_object().map(|places| places.keys().cloned().collect()).unwrap_or_default();
    let mut places: BTreeSet<String> = names(&from);
    places.extend::<BTreeSet<String>>(names(&to));
    let mut fields: Vec<String> = places.into_iter().filter(|place| from.get(place) != to.get(place)).collect();
    fields.extend(
        ["marker", "references", "version"]
            .into_iter()
            .filter(|name| part(old, name) != part(new, name))
            .map(Into::into),
    );
    fields.into_iter().map(|field| format!("transform.{field}")).collect()
}

fn period(value: Option<&Json>) -> String {
    let period = value.and_then(Json::as_str).and_then(|text| Period::parse(text).ok());
    period.map_or_else(|| shown(value), |period| period.short())
}

/// A value as people read it: texts bare, nothing as `none`, parts by their names.
fn shown(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "none".into(),
        Some(Json::String(text)) if text.is_empty() => "none".into(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(items)) => items.iter().map(|item| shown(Some(item))).collect::<Vec<_>>().join(", "),
        Some(Json::Object(parts)) if parts.is_empty() => "none".into(),
        Some(Json::Object(parts)) => {
            let said = |part: &Json| !matches!(part, Json::String(text) if text.is_empty());
            let parts = parts.iter().filter(|(_, part)| said(part));
            let parts: Vec<String> = parts.map(|(name, part)| format!("{name} {}", digestless(part))).collect();
            parts.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// A digest says nothing to a reader: its beginning is enough to see that it changed.
fn digestless(part: &Json) -> String {
    let text = shown(Some(part));
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) { text[..8].to_owned() } else { text }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{}: {from} -> {to}", self.field),
            _ => write!(f, "{} changed", self.field),
        }
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Predicate, Since, SinceColumn, Value, WhenNull};
    use jiff::tz::TimeZone;

    use super::changes;
    use crate::rules::testing::rule;
    use crate::rules::{Action, Mode, Period, Policy, Rule};

    fn said(new: &Rule) -> Vec<String> {
        changes(&rule("leads", "lead").definition(), &new.definition()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn changes_are_named_and_literals_are_not() {
        let base = || rule("leads", "lead");
        let zone = TimeZone::get("Europe/Stockholm").ok();
        let since = Since::Column(SinceColumn { column: "at".into(), zone, form: None });
        assert_eq!(said(&base()), [""; 0]);
        let mut guarded = base();
        guarded.guard.rows_max = Some(5);
        let text = Value::Text("MARKER".into());
        for (new, expected) in [
            (Rule { keep_for: Period::parse("36d").unwrap(), ..base() }, "keep_for: 30d -> 36d"),
            (Rule { mode: Mode::Observe, ..base() }, "mode: enforce -> observe"),
            (Rule { when_null: Some(WhenNull::Delete), ..base() }, "when_null: none -> delete"),
            (Rule { predicate: Predicate::equal("status", text), ..base() }, "where changed"),
            (Rule { native: Some("MARKER".into()), ..base() }, "where_native changed"),
            (Rule { since, ..base() }, "since: column closed_at -> column at, zone Europe/Stockholm"),
            (guarded, "guard.rows_max: none -> 5"),
        ] {
            assert_eq!(said(&new), [expected]);
        }
    }

    #[test]
    fn a_rule_that_keeps_less_changes_those_it_shields() {
        let keeper =
            |days| Rule { action: Action::Keep, keep_for: Period::parse(days).unwrap(), ..rule("won", "lead") };
        let leads = |policy: &Policy| policy.rule("leads").unwrap().definition();
        let with = |days| leads(&Policy::new(vec![rule("leads", "lead"), keeper(days)]));
        let without = leads(&Policy::new(vec![rule("leads", "lead")]));
        let gone = changes(&with("9d"), &without);
        assert_eq!((gone.len(), gone[0].field.as_str(), gone[0].to.as_deref()), (1, "kept_by", Some("none")));
        assert_eq!(changes(&with("9d"), &with("8d")).len(), 1);
    }

    #[test]
    fn tables_that_look_alike_are_told_apart() {
        let of = |table: &str| Rule { table: forgetd_connector::TableRef::parse(table), ..rule("leads", "lead") };
        assert_eq!(of(r"a\.b.c").table.to_string(), of(r"a.b\.c").table.to_string());
        assert_ne!(of(r"a\.b.c").digest(), of(r"a.b\.c").digest());
    }
}
