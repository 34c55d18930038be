//! `where`: from the tree that was written to a predicate.

mod checks;

use std::collections::BTreeSet;

use forgetd_connector::{Path, PathStep, Predicate};

use super::say::{self, Say};
use crate::{
    config::{
        limits,
        place::Place,
        raw_where::{KEYWORDS, RawWhere},
        read::{At, Field},
    },
    rules::normal,
};

/// What must hold, in normal form. Nothing: broken, and said.
pub(super) fn predicate(raw: &At<RawWhere>, say: &mut Say<'_>) -> Option<Predicate> {
    Reading { say, values_seen: 0, tests_seen: 0 }.mapping(raw, 0).map(normal)
}

/// A mapping's entries.
type Entries = [(At<String>, Field<RawWhere>)];

/// One condition being read, and how much of it there was.
struct Reading<'a, 'b> {
    say: &'a mut Say<'b>,
    values_seen: usize,
    tests_seen: usize,
}

// === impl Reading ===

impl Reading<'_, '_> {
    fn refuse<T>(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) -> Option<T> {
        self.say.at(place, message, fix);
        None
    }

    /// A mapping is AND.
    fn mapping(&mut self, at: &At<RawWhere>, depth: usize) -> Option<Predicate> {
        let RawWhere::Map(entries) = &at.value else {
            let message = format!("expected a mapping of columns to conditions, found {}", at.value.word());
            return self.refuse(at.place, message, "write for example `{ status: closed }`, or remove the key");
        };
        self.entries(entries, at.place, depth)
    }

    /// Reads every entry before it gives up, so that all of it is said.
    fn entries(&mut self, entries: &Entries, place: Place, depth: usize) -> Option<Predicate> {
        if entries.is_empty() {
            return self.refuse(place, "an empty mapping holds for every row", "write a condition, or remove the key");
        }
        if depth > limits::NESTING_MAX {
            let fix = format!("nest `any`, `all` and `not` no deeper than {}", limits::NESTING_MAX);
            return self.refuse(place, "the condition is nested too deeply", fix);
        }
        let mut paths = BTreeSet::new();
        for (key, _) in entries {
            // The same key twice is refused before; here it is the same path in other letters.
            if !KEYWORDS.contains(&key.value.as_str()) && Path::parse(&key.value).is_ok_and(|path| !paths.insert(path))
            {
                self.say.at(key.place, "the path is written twice", r"keep one of them: `\a` and `a` are the same");
            }
        }
        let parts: Vec<Option<Predicate>> =
            entries.iter().map(|(key, value)| self.entry(key, value.get()?, depth)).collect();
        Some(Predicate::All(parts.into_iter().collect::<Option<_>>()?))
    }

    fn entry(&mut self, key: &At<String>, value: &At<RawWhere>, depth: usize) -> Option<Predicate> {
        match key.value.as_str() {
            "any" => self.list(key, value, depth).map(Predicate::Any),
            "all" => self.list(key, value, depth).map(Predicate::All),
            "not" => self.negation(value, depth),
            "or_null" => {
                let fix = r"write it among the operators of a column, or in `not`; a column of this name is `\or_null`";
                self.refuse(key.place, "`or_null` belongs to no condition here", fix)
            }
            _ => {
                let path = self.path(key);
                // A path that fits everything, so that nothing is said for its sake.
                let broken = || Path { column: String::new(), steps: vec![PathStep::Field(String::new())] };
                let tests = self.tests(&path.clone().unwrap_or_else(broken), value);
                path.and(tests)
            }
        }
    }

    /// The parts of `any` and `all`.
    fn list(&mut self, key: &At<String>, value: &At<RawWhere>, depth: usize) -> Option<Vec<Predicate>> {
        let word = &key.value;
        let RawWhere::List(items) = &value.value else {
            let message = format!("`{word}` takes a list of mappings, found {}", value.value.word());
            let fix = format!(r"write `{word}: [{{ .. }}, {{ .. }}]`; a column of this name is `\{word}`");
            return self.refuse(value.place, message, fix);
        };
        if items.is_empty() {
            let never = if word == "any" { "so no row would ever match" } else { "so it says nothing" };
            let message = format!("the list of `{word}` is empty, {never}");
            return self.refuse(value.place, message, "write conditions, or remove the key");
        }
        let parts: Vec<Option<Predicate>> = items.iter().map(|item| self.mapping(item.get()?, depth + 1)).collect();
        parts.into_iter().collect()
    }

    fn negation(&mut self, value: &At<RawWhere>, depth: usize) -> Option<Predicate> {
        let RawWhere::Map(entries) = &value.value else {
            let message = format!("`not` takes a mapping, found {}", value.value.word());
            let fix = r"write `not: { .. }`, or `not: { any: [..] }` for several; a column of this name is `\not`";
            return self.refuse(value.place, message, fix);
        };
        let (own, parts): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(|(key, _)| key.value == "or_null");
        let or_null = self.or_null(own.first().map(|(_, value)| value));
        if parts.is_empty() && !own.is_empty() {
            return self.refuse(value.place, "`not` holds nothing to negate", "write a condition beside `or_null`");
        }
        let part = self.entries(&parts, value.place, depth + 1);
        Some(Predicate::Not { part: Box::new(part?), or_null: or_null? })
    }

    fn or_null(&mut self, field: Option<&Field<RawWhere>>) -> Option<bool> {
        field.map_or(Some(false), |field| self.truth("or_null", field.get()?))
    }

    fn path(&mut self, key: &At<String>) -> Option<Path> {
        let path = match Path::parse(&key.value) {
            Ok(path) => path,
            Err(error) => {
                let (message, fix) = say::split(&error);
                return self.refuse(key.place, message, fix);
            }
        };
        if key.value.contains('\0') {
            return self.refuse(key.place, "the path holds a character that no name can have", "remove it");
        }
        if path.steps.len() > limits::NESTING_MAX {
            let fix = format!("write at most {} steps behind the column", limits::NESTING_MAX);
            return self.refuse(key.place, "the path is too long", fix);
        }
        Some(path)
    }
}
