//! What a transform writes, against the described table: its places, its marker, and how a row is known to be done; or
//! everything that cannot be. Pure.

use forgetd_connector::{
    Cause, Column, ColumnKind, Finding, Marker, Path, Place, Rewrite, Since, Table, TableKind, TableRef, Undone, Value,
    WhenNull, Writable,
};

use super::{columns, fit, step::Looked};
use crate::rules::{Action, Policy, Rule, Transform};
use crate::transform::{self, Holder, Treated, Treatment};

/// What is written, and the signs that a row is not done.
pub(super) struct Rewritten {
    pub(super) rewrite: Rewrite,
    pub(super) undone: Vec<Undone>,
}

/// The places of `transform` in `table`, or why they cannot be written. `now` is what a marker of a time says.
pub(super) fn rewrite(
    rule: &Rule,
    transform: &Transform,
    table: &Table,
    place: &str,
    looked: &Looked<'_>,
) -> Result<Rewritten, Vec<Finding>> {
    let policy = looked.policy;
    let mut findings = vec![];
    let mut follows = vec![];
    for (path, treatment) in &transform.places {
        match table.field(&path.column) {
            None => findings.push(missing(table, &path.column, place)),
            Some(column) => {
                findings.extend(columns::unnamed(table, path, place));
                let column = column.as_ref();
                let place = format!("{place}.{path}");
                let at = At { rule, transform, table, column, path, treatment, policy, place };
                findings.extend(at.written());
                findings.extend(fit::misfits(&at));
                match at.referenced() {
                    Ok(tables) => follows.extend(tables),
                    Err(found) => findings.push(found),
                }
            }
        }
    }
    if table.key.is_empty() {
        let message =
            format!("{} has no primary key and no unique not-null key, and a transform needs one", table.name);
        findings.push(Finding::blocks(Cause::NoKey, place, message));
    }
    let marker = marker(rule, transform, table, place, looked).unwrap_or_else(|finding| {
        findings.push(finding);
        None
    });
    let version = version(rule, transform, table, place, looked).unwrap_or_else(|finding| {
        findings.push(finding);
        None
    });
    findings.extend(no_shape(transform, table, place));
    if !findings.is_empty() {
        return Err(findings);
    }
    follows.sort();
    follows.dedup();
    let undone = undone(rule, transform, table, marker.as_ref());
    Ok(Rewritten { rewrite: Rewrite { marker, version, places: places(transform, table), follows }, undone })
}

/// One place of a rule in its column.
pub(super) struct At<'a> {
    pub(super) rule: &'a Rule,
    pub(super) transform: &'a Transform,
    pub(super) table: &'a Table,
    pub(super) column: &'a Column,
    pub(super) path: &'a Path,
    pub(super) treatment: &'a Treatment,
    pub(super) policy: &'a Policy,
    /// `database.table.path`.
    pub(super) place: String,
}

// === impl At ===

impl At<'_> {
    pub(super) fn refuse(&self, cause: Cause, message: String) -> Finding {
        Finding::blocks(cause, &self.place, message)
    }

    /// Why nobody may write the column, if so.
    fn written(&self) -> Vec<Finding> {
        let Self { column, table, .. } = self;
        let name = &column.name;
        let mut findings = vec![];
        match column.fit.writable {
            Writable::Free => {}
            Writable::Generated => {
                findings.push(self.refuse(Cause::Generated, format!("{name} is generated from other columns")));
            }
            Writable::Identity => {
                let message = format!("{name} is an identity column: the engine counts it");
                findings.push(self.refuse(Cause::Generated, message));
            }
        }
        if column.fit.partitions {
            let message = format!("{name} decides in which partition of {} a row lies", table.name);
            findings.push(self.refuse(Cause::TransformUnfit, message).with_fix("take the column out of the rule"));
        }
        findings.extend(self.moments());
        findings.extend(self.references());
        findings
    }

    /// The moment that a rule counts from is what it was: nobody may be purged early, or late, because it became coarser.
    fn moments(&self) -> Option<Finding> {
        // Inside a document a place is what its path says; in a table it is its column.
        let name = match self.table.kind {
            TableKind::Collection => &self.path.to_string(),
            _ => &self.column.name,
        };
        let rules = self.policy.rules.iter().filter(|other| other.database == self.rule.database);
        let other = rules.chain([self.rule]).find(|other| counts_from(other, self.table, name))?;
        let message = if other.name == self.rule.name {
            format!("the period counts from {name}, and a transform never moves that")
        } else {
            format!("rule {} counts from {name}, and a transform never moves that", other.name)
        };
        Some(self.refuse(Cause::TransformUnfit, message).with_fix("take the column out of the rule"))
    }

    /// A token where a row is referenced points at nothing.
    fn references(&self) -> Option<Finding> {
        if *self.treatment == Treatment::Redact(Value::Null) {
            return None;
        }
        let reference = self.table.references.iter().find(|key| key.columns.contains(&self.column.name))?;
        let message = format!(
            "{} references {} ({}), where no such row would be",
            self.column.name, reference.parent, reference.name
        );
        let fix = "transform the referenced column instead and let the reference follow it, or write `redact: null`";
        Some(self.refuse(Cause::Referenced, message).with_fix(fix))
    }

    /// The tables whose references follow, or why the column stays as it is.
    fn referenced(&self) -> Result<Vec<TableRef>, Finding> {
        let Self { table, column, .. } = self;
        let keys: Vec<_> = table
            .referenced_by
            .iter()
            .filter(|key| key.parent == table.name && key.parent_columns.contains(&column.name))
            .collect();
        if let Some(stiff) = keys.iter().find(|key| !self.transform.references_follow || !key.follows) {
            let message = match (self.transform.references_follow, stiff.follows) {
                (false, true) => {
                    format!("{} ({}) references {} and would change with it", stiff.child, stiff.name, column.name)
                }
                _ => format!("{} ({}) references {} and does not follow it", stiff.child, stiff.name, column.name),
            };
            return Err(self.refuse(Cause::Referenced, message));
        }
        if keys.is_empty() && table.key.contains(&column.name) {
            let message = format!("{} is part of the key of {}", column.name, table.name);
            let fix = "leave the key as it is: it tells rows apart and says nothing about somebody by itself; if it does, add a key that does not";
            return Err(self.refuse(Cause::Referenced, message).with_fix(fix));
        }
        let kept = |child: &TableRef| {
            let keeps = |other: &&Rule| other.action == Action::Keep && other.database == self.rule.database;
            self.policy.rules.iter().filter(keeps).find(|other| child.is(&other.table))
        };
        if let Some((key, keeper)) = keys.iter().find_map(|key| Some((key, kept(&key.child)?))) {
            let message = format!(
                "{} ({}) follows {}, and rule {} keeps its rows as they are",
                key.child, key.name, column.name, keeper.name
            );
            return Err(self.refuse(Cause::Referenced, message).with_fix("take the column out of the rule"));
        }
        Ok(keys.iter().map(|key| key.child.clone()).collect())
    }
}

/// The field that counts versions, where the rule names one.
fn version(
    rule: &Rule,
    transform: &Transform,
    table: &Table,
    place: &str,
    looked: &Looked<'_>,
) -> Result<Option<String>, Finding> {
    let Some(path) = &transform.version else { return Ok(None) };
    let place_of = format!("{place}.{path}");
    if table.kind != TableKind::Collection {
        let message = format!("{} holds rows, and a version is one of a document", table.name);
        let fix = "remove `version`: rows are locked before they change, or their old values are compared";
        return Err(Finding::blocks(Cause::TransformUnfit, place_of, message).with_fix(fix));
    }
    if let Some(finding) = columns::unnamed(table, path, place) {
        return Err(finding);
    }
    let name = path.to_string();
    if table.key.contains(&path.column) {
        let message = format!("{name} is of the key, which never changes");
        return Err(Finding::blocks(Cause::TransformUnfit, place_of, message).with_fix("name another field"));
    }
    let rules = looked.policy.rules.iter().filter(|other| other.database == rule.database);
    match rules.chain([rule]).find(|other| counts_from(other, table, &name)) {
        Some(other) => {
            let message = format!("rule {} counts from {name}, and a transform never moves that", other.name);
            Err(Finding::blocks(Cause::TransformUnfit, place_of, message).with_fix("name another field"))
        }
        None => Ok(Some(name)),
    }
}

/// Whether `rule` counts its period from a column of this table, or from what lies inside this field of a document.
fn counts_from(rule: &Rule, table: &Table, column: &str) -> bool {
    let own = table.name.is(&rule.table);
    let inside = |used: &str| used.strip_prefix(column).is_some_and(|rest| rest.starts_with(['.', '[']));
    let is = |used: &str| used == column || (table.kind == TableKind::Collection && inside(used));
    let used = matches!(&rule.when_null, Some(WhenNull::Use(used)) if is(used));
    match &rule.since {
        Since::Latest(latest) => {
            let there = table.name.is(&latest.table);
            (there && (is(&latest.at.column) || latest.on.iter().any(|on| is(&on.other))))
                || (own && latest.or.as_ref().is_some_and(|or| is(&or.column)))
                || (own && latest.on.iter().any(|on| is(&on.own)))
        }
        since => own && (used || since.columns().iter().any(|since| is(&since.column))),
    }
}

/// What happens where in `table`, in the order of the paths: places of one column stand beside each other.
pub fn treated(transform: &Transform, table: &Table) -> Vec<Treated> {
    let treated = |(path, treatment): (&Path, &Treatment)| {
        let holder = fit::holder_for(table.field(&path.column)?.as_ref(), path, treatment);
        Some(Treated { path: path.clone(), treatment: treatment.clone(), holder })
    };
    transform.places.iter().filter_map(treated).collect()
}

/// What is written, in the same order.
fn places(transform: &Transform, table: &Table) -> Vec<Place> {
    let place = |Treated { path, treatment, holder }: Treated| Place {
        put: transform::put(&treatment, holder),
        samples: transform::samples(&treatment, holder),
        path,
    };
    treated(transform, table).into_iter().map(place).collect()
}

/// The signs that a row is not done. A marker speaks for the places that show nothing themselves; the others are looked at
/// all the same, so that what is written into a row that was done is found.
fn undone(rule: &Rule, transform: &Transform, table: &Table, marker: Option<&Marker>) -> Vec<Undone> {
    let mut undone = vec![];
    if let Some(marker) = marker {
        undone.push(Undone::Unmarked(marker.column.clone()));
        if let Some(since) = comparable(rule, table, &marker.column) {
            undone.push(Undone::MarkedBefore { marker: marker.column.clone(), since });
        }
    }
    for (path, treatment) in &transform.places {
        let shape = table
            .field(&path.column)
            .and_then(|column| transform::shape(treatment, fit::holder_for(&column, path, treatment)));
        undone.extend(shape.map(|shape| Undone::Other { path: path.clone(), shape }));
    }
    undone
}

/// The column of `since` whose moments can be compared with those of the marker.
fn comparable(rule: &Rule, table: &Table, marker: &str) -> Option<String> {
    let Since::Column(since) = &rule.since else { return None };
    let (marker, column) = (table.field(marker)?, table.field(&since.column)?);
    let times = matches!(column.kind, ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Any);
    let same = marker.kind == column.kind && marker.type_name == column.type_name;
    (times && same && since.form.is_none()).then(|| since.column.clone())
}

/// What is written into the marker, where there is one.
fn marker(
    rule: &Rule,
    transform: &Transform,
    table: &Table,
    place: &str,
    looked: &Looked<'_>,
) -> Result<Option<Marker>, Finding> {
    let Some(name) = &transform.marker else { return Ok(None) };
    let now = looked.now;
    let Some(column) = table.field(name) else { return Err(missing(table, name, place)) };
    if let Some(finding) = columns::unnameable(table, name, place) {
        return Err(finding);
    }
    let place = format!("{place}.{name}");
    if column.fit.writable != Writable::Free {
        let message = format!("the marker {name} is written by the engine itself");
        return Err(
            Finding::blocks(Cause::Generated, place, message).with_fix("name a column that nothing else writes")
        );
    }
    if !column.nullable {
        let message = format!("the marker {name} cannot be NULL, so nothing tells a row that is not done");
        return Err(Finding::blocks(Cause::NoShape, place, message)
            .with_fix("name a column that is NULL until the row is done"));
    }
    let shares = |other: &&Rule| {
        (other.name != rule.name && other.database == rule.database && table.name.is(&other.table))
            && other.transform().is_some_and(|other| other.marker.as_ref() == Some(name))
    };
    if let Some(other) = looked.policy.rules.iter().find(shares) {
        let message = format!("rule {} sets the marker {name} too, so it tells of neither that it is done", other.name);
        return Err(Finding::blocks(Cause::NoShape, place, message).with_fix("give each rule a marker of its own"));
    }
    let now = now.to_zoned(rule.zone());
    let value = match (fit::holder(&column, &Path::column(name)), column.kind) {
        (_, ColumnKind::Instant | ColumnKind::Any) => {
            Value::Text(now.timestamp().strftime("%Y-%m-%d %H:%M:%S%:z").to_string())
        }
        (_, ColumnKind::NaiveTime) => Value::Text(now.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        (_, ColumnKind::Date) => Value::Text(now.strftime("%Y-%m-%d").to_string()),
        (_, ColumnKind::Bool) => Value::Bool(true),
        (_, ColumnKind::Integer) => Value::Int(1),
        (Holder::Text, _) if column.fit.chars_max.is_none_or(|chars| chars >= 20) && column.fit.labels.is_empty() => {
            Value::Text(now.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        _ => {
            let message = format!("{name} ({}) cannot be a marker", column.type_name);
            let fix = "name a column of a time, a truth value or an integer";
            return Err(Finding::blocks(Cause::ColumnType, place, message).with_fix(fix));
        }
    };
    Ok(Some(Marker { column: name.clone(), value }))
}

/// Without a marker every place has to show that it is done.
fn no_shape(transform: &Transform, table: &Table, place: &str) -> Option<Finding> {
    if transform.marker.is_some() {
        return None;
    }
    let silent = |(path, treatment): &(&Path, &Treatment)| {
        let column = table.field(&path.column);
        column.is_some_and(|column| transform::shape(treatment, fit::holder_for(&column, path, treatment)).is_none())
    };
    let names: Vec<String> = transform.places.iter().filter(silent).map(|(path, _)| path.to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let message = format!("nothing tells whether {} of {} is done", names.join(", "), table.name);
    Some(Finding::blocks(Cause::NoShape, format!("{place}.{}", names[0]), message))
}

fn missing(table: &Table, name: &str, place: &str) -> Finding {
    let message = format!("{} has no column {name}", table.name);
    Finding::blocks(Cause::ColumnMissing, format!("{place}.{name}"), message)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
