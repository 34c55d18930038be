//! Names as documents have them: those that no path to a field can hold have others there, and some columns are fields of a
//! field.

use std::collections::BTreeSet;

use forgetd_connector::{Path, PathStep, Predicate, Since, SinceColumn, WhenNull};
use forgetd_testkit::Cell;
use forgetd_testkit::generator::{Case, RuleSpec};
use serde_json::Value as Json;

/// Names that no path to a field can hold, or that mean something in one, and what stands for each.
const RENAMED: &[(&str, &str)] = &[
    ("user name", "user_name"),
    ("a.b", "a_b"),
    ("x[]", "x_each"),
    ("quo\"te", "quote"),
    (r"back\slash", "backslash"),
    ("`tick`", "tick"),
    ("it's", "its"),
    ("x y", "x_y"),
    ("0", "nought"),
    ("$", "dollar"),
    ("[0]", "zeroth"),
    ("q\"q", "qq"),
    ("x.y", "x_dot_y"),
    ("born.at", "born_at"),
    ("note[]", "note_each"),
    ("phone \"no\"", "phone"),
];

/// Columns that are fields of a field, where no condition asks about them: it would look for them by another path.
const NESTED: &[(&str, &str)] = &[
    ("seen_at", "meta.seen_at"),
    ("v", "meta.v"),
    ("amount", "person.amount"),
    ("born.at", "person.born_at"),
    ("email", "person.email"),
    ("full name", "person.full name"),
    ("agreed", "person.consent.agreed"),
    ("done at", "person.done at"),
];

/// The names of one case.
pub(super) struct Names {
    asked: BTreeSet<String>,
}

// === impl Names ===

impl Names {
    pub(super) fn of(case: &Case) -> Self {
        let tests = case.rules().flat_map(|rule| rule.predicate.tests());
        Self { asked: tests.map(|test| test.path.column.clone()).collect() }
    }

    /// The case with these names, wherever one stands.
    pub(super) fn given(&self, mut case: Case) -> Case {
        for table in &mut case.tables {
            table.columns.iter_mut().for_each(|column| column.name = self.column(column.name));
            table.rows.iter_mut().flat_map(|row| &mut row.1).for_each(inside);
        }
        let rules = std::iter::once(&mut case.rule).chain(&mut case.keepers).chain(&mut case.counted);
        rules.for_each(|rule| self.rule(rule));
        if let Some(spec) = &mut case.transform {
            spec.places.iter_mut().for_each(|place| self.path(&mut place.path));
            spec.tokens.iter_mut().for_each(|(_, path)| self.path(path));
            spec.marker = spec.marker.map(|marker| self.column(marker));
            spec.unique = spec.unique.map(|unique| self.column(unique));
            for edit in &mut spec.edits {
                edit.column = self.column(edit.column);
                inside(&mut edit.cell);
            }
            spec.inserts.iter_mut().flat_map(|row| &mut row.1).for_each(inside);
        }
        case
    }

    fn column(&self, name: &str) -> &'static str {
        let nested = NESTED.iter().filter(|_| !self.asked.contains(name));
        match nested.chain(RENAMED).find(|(column, _)| *column == name) {
            Some((_, other)) => other,
            None => name.to_owned().leak(),
        }
    }

    fn put(&self, name: &mut String) {
        *name = self.column(name).into();
    }

    fn path(&self, path: &mut Path) {
        self.put(&mut path.column);
        for step in &mut path.steps {
            if let PathStep::Field(name) = step {
                *name = member(name);
            }
        }
    }

    fn rule(&self, rule: &mut RuleSpec) {
        let since = |since: &mut SinceColumn| self.put(&mut since.column);
        match &mut rule.since {
            Since::Column(column) => since(column),
            Since::Greatest(all) => all.iter_mut().for_each(since),
            Since::Latest(latest) => {
                since(&mut latest.at);
                latest.or.iter_mut().for_each(since);
                for joined in &mut latest.on {
                    self.put(&mut joined.other);
                    self.put(&mut joined.own);
                    if joined.own == "id" {
                        joined.own = "_id".into();
                    }
                }
            }
        }
        if let Some(WhenNull::Use(column)) = &mut rule.when_null {
            self.put(column);
        }
        self.predicate(&mut rule.predicate);
    }

    fn predicate(&self, predicate: &mut Predicate) {
        match predicate {
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter_mut().for_each(|part| self.predicate(part)),
            Predicate::Not { part, .. } => self.predicate(part),
            Predicate::Test(test) => self.path(&mut test.path),
        }
    }
}

/// The name of a member inside a document.
fn member(name: &str) -> String {
    RENAMED.iter().find(|(member, _)| *member == name).map_or(name, |(_, other)| other).into()
}

fn inside(cell: &mut Cell) {
    if let Cell::Json(json) = cell {
        *json = renamed(json.take());
    }
}

fn renamed(json: Json) -> Json {
    match json {
        Json::Array(elements) => elements.into_iter().map(renamed).collect(),
        Json::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (member(&name), renamed(value)));
            Json::Object(members.collect())
        }
        other => other,
    }
}
