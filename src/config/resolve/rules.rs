//! The rules of all files.

use std::collections::BTreeMap;

use forgetd_connector::{Predicate, TableRef, Value};

use super::{
    say::{Say, is_name},
    since,
};
use crate::{
    config::{
        Database, limits,
        literal::{Literal, RawCondition, RawWhere},
        place::Place,
        raw_rule::{RawAction, RawCap, RawDefaults, RawGuard, RawRule},
        read::{At, Field},
        words,
    },
    rules::{Action, Cap, Guard, Period, Policy, Rule},
};

/// The policy. Broken rules are left out; their problems have been said.
pub(super) fn policy(
    files: Vec<Field<Vec<Field<RawRule>>>>,
    defaults: &Field<RawDefaults>,
    databases: Option<&[(Database, Place)]>,
    say: &mut Say<'_>,
) -> Policy {
    let empty = RawDefaults::default();
    let reading = Reading { defaults: defaults.value().unwrap_or(&empty), databases };
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    let mut rules = vec![];
    let broken = files.iter().any(|file| matches!(file, Field::Broken));
    for rule in files.iter().filter_map(Field::value).flatten().filter_map(Field::get) {
        if let Some(name) = rule.value.name.get() {
            if let Some(first) = places.get(&name.value) {
                let message = format!("a rule {} was written already", words::key(&name.value));
                let fix = format!("rename one of them; the first is at {}", say.sources.name(*first));
                say.at(name.place, message, fix);
            } else {
                places.insert(name.value.clone(), name.place);
            }
        }
        rules.extend(reading.rule(rule, say));
    }
    let none = files.iter().all(|file| file.value().is_none_or(Vec::is_empty));
    if none && !broken {
        say.missing("no file has a rule", "add one under `rules:`; without rules nothing is ever deleted");
    }
    Policy::new(rules)
}

struct Reading<'a> {
    defaults: &'a RawDefaults,
    databases: Option<&'a [(Database, Place)]>,
}

// === impl Reading ===

impl Reading<'_> {
    /// Reads every part before it gives up, so that all of it is said.
    fn rule(&self, at: &At<RawRule>, say: &mut Say<'_>) -> Option<Rule> {
        let (raw, defaults) = (&at.value, self.defaults);
        let name = name(raw, at.place, say);
        let mut required = |field: bool, what: &str, fix: &str| {
            if field {
                let rule = name.as_deref().map_or("the rule".into(), |name| format!("rule {}", words::key(name)));
                say.at(at.place, format!("{rule} has no `{what}`"), fix);
            }
        };
        required(raw.table.is_absent(), "table", "write `table: schema.name`");
        required(raw.keep_for.is_absent(), "keep_for", "write how long rows are kept, for example `keep_for: 30d`");
        required(raw.since.is_absent(), "since", "name the column the period counts from");
        required(raw.action.is_absent(), "action", "write `action: delete`");
        let database = self.database(raw, at.place, say);
        let table = raw.table.get().and_then(|table| self::table(table, say));
        let keep_for = raw.keep_for.get().and_then(|keep| say.period(&keep.value, keep.place));
        let since = raw.since.get().and_then(|since| since::since(since, say));
        let when_null = raw.when_null.or(&defaults.when_null).get();
        let when_null = when_null.map(|when_null| since::when_null(when_null, since.as_ref(), say));
        let predicate = predicate(&raw.condition, say);
        let schedule = raw.schedule.or(&defaults.schedule).get().map(|schedule| since::schedule(schedule, say));
        let cap = cap(&raw.cap, &defaults.cap, say);
        let guard = guard(&raw.guard, &defaults.guard, say);
        let row_evidence = raw.evidence.value().map(|evidence| &evidence.rows);
        let row_evidence = row_evidence.and_then(Field::value);
        let default_evidence = defaults.evidence.value().and_then(|evidence| evidence.rows.value());
        Some(Rule {
            purpose: say.text(raw.purpose.or(&defaults.purpose)),
            name: name?,
            database: database?,
            table: table?,
            legal_basis: raw.legal_basis.or(&defaults.legal_basis).value().copied(),
            keep_for: keep_for?,
            since: since?,
            when_null: when_null.unwrap_or_default(),
            predicate: predicate?,
            native: None,
            action: match raw.action.value()? {
                RawAction::Delete => Action::Delete,
            },
            kept_by: BTreeMap::new(),
            mode: raw.mode.or(&defaults.mode).value().copied().unwrap_or_default(),
            cap,
            guard,
            row_evidence: row_evidence.or(default_evidence).copied().unwrap_or_default(),
            schedule: schedule.unwrap_or_default(),
        })
    }

    fn database(&self, raw: &RawRule, place: Place, say: &mut Say<'_>) -> Option<String> {
        let databases = self.databases?;
        let names: Vec<&str> = databases.iter().map(|(database, _)| database.name.as_str()).collect();
        match (&raw.database, databases) {
            (Field::Given(name), _) if names.contains(&name.value.as_str()) => Some(name.value.clone()),
            (Field::Given(name), _) => {
                say.at(name.place, "`database` names no entry of `databases`", words::meant(&name.value, &names));
                None
            }
            (Field::Broken, _) => None,
            (Field::Absent, [(only, _)]) => Some(only.name.clone()),
            (Field::Absent, _) => {
                let fix = format!("name one of: {}", names.join(", "));
                say.at(place, "the rule has no `database`, and there are several", fix);
                None
            }
        }
    }
}

fn name(raw: &RawRule, place: Place, say: &mut Say<'_>) -> Option<String> {
    let name = match &raw.name {
        Field::Absent => {
            say.at(place, "the rule has no `name`", "name it: the name stands in evidence and metrics");
            return None;
        }
        field => field.get()?,
    };
    if !is_name(&name.value) {
        let message = "a rule's name begins with a letter or digit and holds lower case letters, digits, `-` and `_`";
        say.at(name.place, message, format!("rename it, in at most {} bytes", limits::NAME_BYTES_MAX));
        return None;
    }
    Some(name.value.clone())
}

fn table(at: &At<String>, say: &mut Say<'_>) -> Option<TableRef> {
    let table = TableRef::parse(&at.value);
    let empty = table.name.is_empty() || table.schema.as_deref().is_some_and(str::is_empty);
    if empty || at.value.contains(['\0', '*', '%']) {
        say.at(at.place, "this is no name of a table", "write `name` or `schema.name`; patterns are not read");
        return None;
    }
    Some(table)
}

/// A mapping is AND; a value is equality; a list is IN.
fn predicate(field: &Field<RawWhere>, say: &mut Say<'_>) -> Option<Predicate> {
    let columns = match field {
        Field::Absent => return Some(Predicate::All(vec![])),
        field => &field.get()?.value.0,
    };
    let parts: Vec<Option<Predicate>> = columns
        .iter()
        .map(|(column, condition)| {
            let At { value, place } = condition.get()?;
            if column.is_empty() {
                say.at(*place, "a column's name is empty", "name a column");
                return None;
            }
            let column = column.clone();
            match value {
                RawCondition::One(value) => Some(Predicate::equal(&column, value.clone())),
                RawCondition::Many(values) => {
                    values_of(values, *place, say).map(|values| Predicate::one_of(&column, values))
                }
            }
        })
        .collect();
    Some(Predicate::All(parts.into_iter().collect::<Option<_>>()?))
}

fn values_of(values: &[Field<Literal>], place: Place, say: &mut Say<'_>) -> Option<Vec<Value>> {
    if values.is_empty() {
        say.at(place, "the list is empty, so no row would ever match", "write values, or remove the column");
        return None;
    }
    if values.len() > limits::IN_VALUES_MAX {
        let fix = format!("write at most {}, or select by another column", limits::IN_VALUES_MAX);
        say.at(place, "the list has too many values", fix);
        return None;
    }
    values.iter().map(|value| value.value().map(|Literal(value)| value.clone())).collect()
}

fn cap(rule: &Field<RawCap>, defaults: &Field<RawCap>, say: &mut Say<'_>) -> Cap {
    let own = rule.value().map_or(Field::Absent, |cap| cap.rows_per_run.clone());
    let default = defaults.value().map_or(Field::Absent, |cap| cap.rows_per_run.clone());
    let Some(At { value, place }) = own.or(&default).get() else { return Cap::default() };
    if *value == 0 {
        say.at(*place, "a cap of 0 rows never lets the rule act", "write at least 1, or `mode: observe`");
    }
    Cap { rows_per_run: Some(*value) }
}

fn guard(rule: &Field<RawGuard>, defaults: &Field<RawGuard>, say: &mut Say<'_>) -> Guard {
    let (own, none) = (rule.value(), RawGuard::default());
    let (own, default) = (own.unwrap_or(&none), defaults.value().unwrap_or(&none));
    let share = own.share_max.or(&default.share_max).get();
    if let Some(At { place, .. }) = share.filter(|share| !(share.value > 0.0 && share.value <= 1.0)) {
        say.at(*place, "a share is above 0 and at most 1", "write for example 0.2 for a fifth of the table");
    }
    let cool_off = own.cool_off.or(&default.cool_off).get();
    let cool_off: Option<Period> = cool_off.and_then(|period| say.period(&period.value, period.place));
    Guard {
        rows_max: own.rows_max.or(&default.rows_max).value().copied(),
        share_max: share.map(|share| share.value),
        cool_off,
    }
}
