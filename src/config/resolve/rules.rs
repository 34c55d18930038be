//! The rules of all files.

use std::collections::BTreeMap;

use forgetd_connector::{Predicate, Since, TableRef, WhenNull};
use jiff::tz::TimeZone;

use super::{
    condition, native,
    say::{Say, is_name},
    schedule, since,
    transform::{self, Domains},
};
use crate::{
    config::{
        Database, limits,
        place::Place,
        raw::PeriodText,
        raw_rule::{RawAction, RawCap, RawDefaults, RawGuard, RawRule},
        read::{At, Field},
        words,
    },
    rules::{Action, Cap, CoolOff, Guard, Mode, Policy, RowEvidence, Rule, Schedule},
};

/// The policy. Broken rules are left out; their problems have been said.
pub(super) fn policy(
    files: Vec<Field<Vec<Field<RawRule>>>>,
    defaults: &Field<RawDefaults>,
    databases: Option<&[(Database, Place)]>,
    domains: Domains<'_>,
    say: &mut Say<'_>,
) -> Policy {
    let empty = RawDefaults::default();
    let defaults = defaults.value().unwrap_or(&empty);
    let zone = defaults.zone.get().and_then(|zone| say.zone(zone));
    let reading = Reading { defaults, zone, databases, domains };
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
    /// The zone of `defaults`.
    zone: Option<TimeZone>,
    databases: Option<&'a [(Database, Place)]>,
    domains: Domains<'a>,
}

/// How a rule acts; a rule that keeps does not.
#[derive(Default)]
struct Acting {
    mode: Mode,
    cap: Cap,
    guard: Guard,
    row_evidence: RowEvidence,
    schedule: Option<Schedule>,
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
        required(
            raw.action.is_absent(),
            "action",
            "write `action: delete`, `action: { transform: .. }`, or `action: keep`",
        );
        let database = self.database(raw, at.place, say);
        let table = raw.table.get().and_then(|table| self::table(table, say));
        let keep_for = raw.keep_for.get().and_then(|keep| say.period(&keep.value, keep.place));
        let since = raw.since.get().and_then(|since| since::since(since, self.zone.as_ref(), say));
        let when_null = self.when_null(raw, since.as_ref(), say);
        let predicate = match &raw.condition {
            Field::Absent => Some(Predicate::always()),
            field => field.get().and_then(|condition| condition::predicate(condition, say)),
        };
        let native = native::native(&raw.where_native, say);
        let action = raw.action.get().and_then(|at| match &at.value {
            RawAction::Delete => Some(Action::Delete),
            RawAction::Transform(raw) => {
                Some(Action::Transform(Box::new(transform::transform(raw, at.place, self.domains, say)?)))
            }
            RawAction::Keep => Some(Action::Keep),
        });
        let acting = match action {
            Some(Action::Keep) => {
                keeps(raw, say);
                Acting::default()
            }
            Some(Action::Delete | Action::Transform(_)) | None => self.acting(raw, say),
        };
        Some(Rule {
            purpose: say.text(raw.purpose.or(&defaults.purpose)),
            name: name?,
            database: database?,
            table: table?,
            legal_basis: raw.legal_basis.or(&defaults.legal_basis).value().copied(),
            keep_for: keep_for?,
            since: since?,
            when_null,
            predicate: predicate?,
            native,
            action: action?,
            kept_by: BTreeMap::new(),
            mode: acting.mode,
            cap: acting.cap,
            guard: acting.guard,
            row_evidence: acting.row_evidence,
            schedule: acting.schedule,
        })
    }

    fn when_null(&self, raw: &RawRule, since: Option<&Since>, say: &mut Say<'_>) -> Option<WhenNull> {
        let at = raw.when_null.or(&self.defaults.when_null).get()?;
        let rule = raw.since.get().filter(|_| raw.when_null.is_absent()).map(|since| since.place);
        since::when_null(at, since, rule, say)
    }

    /// How a rule acts.
    fn acting(&self, raw: &RawRule, say: &mut Say<'_>) -> Acting {
        let defaults = self.defaults;
        let schedule = raw.schedule.or(&defaults.schedule).get().map(|schedule| schedule::schedule(schedule, say));
        let row_evidence = raw.evidence.value().map(|evidence| &evidence.rows);
        let row_evidence = row_evidence.and_then(Field::value);
        let default_evidence = defaults.evidence.value().and_then(|evidence| evidence.rows.value());
        Acting {
            mode: raw.mode.or(&defaults.mode).value().copied().unwrap_or_default(),
            cap: cap(&raw.cap, &defaults.cap, say),
            guard: guard(&raw.guard, &defaults.guard, say),
            row_evidence: row_evidence.or(default_evidence).copied().unwrap_or_default(),
            schedule: schedule.unwrap_or_default(),
        }
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

pub(super) fn table(at: &At<String>, say: &mut Say<'_>) -> Option<TableRef> {
    let table = TableRef::parse(&at.value);
    let empty = table.name.is_empty() || table.schema.as_deref().is_some_and(str::is_empty);
    if empty || at.value.contains(['\0', '*', '%']) {
        say.at(at.place, "this is no name of a table", "write `name` or `schema.name`; patterns are not read");
        return None;
    }
    Some(table)
}

/// A rule that keeps changes nothing, so nothing that says how to act stands in it.
fn keeps(raw: &RawRule, say: &mut Say<'_>) {
    let places = [
        ("mode", raw.mode.get().map(|at| at.place), "it holds whether other rules observe or enforce"),
        ("cap", raw.cap.get().map(|at| at.place), "it changes no rows"),
        ("guard", raw.guard.get().map(|at| at.place), "it changes no rows"),
        ("schedule", raw.schedule.get().map(|at| at.place), "it never fires; rules that delete ask it each time"),
        ("evidence", raw.evidence.get().map(|at| at.place), "it changes no rows"),
    ];
    for (key, place, why) in places {
        if let Some(place) = place {
            let message = format!("`{key}` says nothing beside `action: keep`");
            say.at(place, message, format!("remove it from a rule that keeps: {why}"));
        }
    }
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
    let times = own.times_usual.or(&default.times_usual).get();
    if let Some(At { place, .. }) = times.filter(|times| !(times.value > 1.0 && times.value.is_finite())) {
        say.at(*place, "the usual number of rows always stopped the run", "write a number above 1, for example 5");
    }
    Guard {
        rows_max: own.rows_max.or(&default.rows_max).value().copied(),
        share_max: share.map(|share| share.value),
        times_usual: times.map(|times| times.value),
        cool_off: own.cool_off.or(&default.cool_off).get().map_or_else(CoolOff::default, |at| cool_off(at, say)),
    }
}

/// A period, or the word that switches waiting off. What cannot be read was said; the default is as good as any then.
fn cool_off(at: &At<PeriodText>, say: &mut Say<'_>) -> CoolOff {
    if at.value.0 == "none" {
        return CoolOff::None;
    }
    say.period(&at.value, at.place).map_or_else(CoolOff::default, CoolOff::Lasts)
}
