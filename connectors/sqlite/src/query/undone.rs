//! Whether a transform is done with a row: by a marker, or by how its values look. All of it is 0 or 1, never NULL.

use forgetd_connector::{
    Action, Atomicity, Cause, Check, Column, Comparison, Cutoff, Fault, Path, Predicate, Selection, Shape, Since,
    SinceColumn, Step, Table, Terms, Undone, Until, Value, WhenNull,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::check::{self, Operand};
use super::coarse;
use super::composer::{Composer, Refused};
use super::json::Asked;
use super::{Query, quote};
use crate::codec;

// === impl Composer ===

impl Composer<'_> {
    /// What must hold beside the terms, so that a transform looks at a row.
    pub(super) fn unfinished(&mut self, selection: &Selection) -> Result<Vec<String>, Refused> {
        let mut parts = vec![];
        if !selection.undone.is_empty() {
            parts.push(self.undone(&selection.undone, &selection.terms)?);
        }
        if let Some(floor) = selection.floor {
            parts.push(self.behind(&selection.terms, floor)?);
        }
        Ok(parts)
    }

    /// Whether a row has a sign that it is not done.
    pub(super) fn undone(&mut self, signs: &[Undone], terms: &Terms) -> Result<String, Refused> {
        let signs: Vec<String> = signs.iter().map(|sign| self.sign(sign, terms)).collect::<Result<_, _>>()?;
        Ok(format!("({})", signs.join("\n    or ")))
    }

    /// Whether a row's moment does not lie before the floor. What has no moment is looked at, and what cannot be read.
    fn behind(&mut self, terms: &Terms, floor: Cutoff) -> Result<String, Refused> {
        let when_null = match &terms.when_null {
            WhenNull::Delete => WhenNull::Keep,
            other => other.clone(),
        };
        let terms = Terms { when_null, ..terms.clone() };
        Ok(format!("not ifnull({}, 0)", self.over(&terms, Until::Cutoff(floor))?))
    }

    fn sign(&mut self, sign: &Undone, terms: &Terms) -> Result<String, Refused> {
        match sign {
            Undone::Unmarked(marker) => Ok(format!("(+{} is null)", self.column(marker))),
            Undone::MarkedBefore { marker, since } => self.marked_before(marker, since, terms),
            Undone::Other { path, shape } => self.shaped(path, shape, false),
            Undone::Is { path, texts } => self.is_one_of(path, texts),
        }
    }

    /// Whether the moment in the marker lies before the one in the other column, which is written in the same form.
    pub(super) fn marked_before(&self, marker: &str, since: &str, terms: &Terms) -> Result<String, Refused> {
        let columns = terms.since.columns();
        let counted = columns.iter().find(|counted| counted.column == since).or(columns.first());
        let (zone, form) = match counted {
            Some(counted) => (counted.zone.clone(), counted.form),
            None => (None, None),
        };
        // Without a meaning where two local times are compared with each other.
        let zone = zone.or(Some(TimeZone::UTC));
        let written = self.written(&SinceColumn { column: since.to_owned(), zone, form })?;
        Ok(written.form.before(&self.column(marker), &written.column))
    }

    /// Whether there is a value at a path that has this shape (`wanted`), or one that has another; behind `[]`, in at
    /// least one element.
    pub(super) fn shaped(&mut self, path: &Path, shape: &Shape, wanted: bool) -> Result<String, Refused> {
        let refused = |refused: Refused| Refused { at: path.to_string(), ..refused };
        let column = self.column(&path.column);
        if !path.steps.is_empty() {
            let (found, whole) = self.shaped_inside(path, Asked::Shape { shape, wanted }).map_err(refused)?;
            // What is no JSON may hold anything: it is not done.
            let unread = format!(" or (+{column} is not null and {whole} is null)");
            return Ok(format!("(ifnull({found}, 0){})", if wanted { "" } else { &unread }));
        }
        let Some(described) = self.step.table.column(&path.column) else {
            return Err(Refused::new(Cause::ColumnMissing, &path.column));
        };
        // A constant and a coarser value are whole columns: JSON null is one of its values.
        let there = match shape {
            Shape::Like(_) => self.null(&path.column, false),
            Shape::Nothing | Shape::Constant(_) | Shape::Coarse(_) => format!("(+{column} is not null)"),
        };
        let alike = self.column_alike(described, shape).map_err(refused)?;
        Ok(format!("({there} and {}{alike})", if wanted { "" } else { "not " }))
    }

    /// Whether there is a value at a path that is one of these texts.
    fn is_one_of(&mut self, path: &Path, texts: &[String]) -> Result<String, Refused> {
        let listed = Check::In(texts.iter().cloned().map(Value::Text).collect());
        let found = if path.steps.is_empty() {
            let column = self.column(&path.column);
            check::compose(&Operand::column(&column), &listed, self.code_points, &mut self.query)
        } else {
            self.shaped_inside(path, Asked::Each(&listed)).map(|(found, _)| found)
        };
        let found = found.map_err(|refused| Refused { at: path.to_string(), ..refused })?;
        Ok(format!("ifnull({found}, 0)"))
    }

    /// Whether what a column holds has this shape.
    fn column_alike(&mut self, described: &Column, shape: &Shape) -> Result<String, Refused> {
        let column = self.column(&described.name);
        match shape {
            Shape::Nothing | Shape::Constant(Value::Null) => Ok("0".into()),
            Shape::Constant(value) => self.is_stored(described, value),
            Shape::Coarse(grain) => coarse::is_coarse(&column, grain, &mut self.query),
            Shape::Like(patterns) => check::like_one_of(&Operand::column(&column), patterns, &mut self.query),
        }
    }

    /// Whether a column holds what SQLite keeps when this value is written into it.
    pub(super) fn is_stored(&mut self, described: &Column, value: &Value) -> Result<String, Refused> {
        if codec::bind(value).is_none() {
            return Err(Refused::new(Cause::ColumnType, &described.name).with_detail("a literal of another engine"));
        }
        let column = self.column(&described.name);
        let place = self.query.bind_value(value);
        // The column's affinity makes of the value what it made of it when it was written.
        let equal = format!("{column} = {place} collate binary");
        let equal = if has_affinity(&described.type_name) {
            equal
        } else {
            format!("typeof({column}) = typeof({place}) and {equal}")
        };
        Ok(format!("ifnull({equal}, 0)"))
    }

    /// Whether a JSON value that is there and not null has this shape.
    pub(super) fn json_alike(&mut self, alias: &str, shape: &Shape) -> Result<String, Refused> {
        let operand = Operand::json(alias);
        match shape {
            Shape::Nothing | Shape::Constant(Value::Null) => Ok("0".into()),
            Shape::Constant(value) => {
                let equal = Check::Compare(Comparison::Equal, value.clone());
                let equal = check::compose(&operand, &equal, self.code_points, &mut self.query)?;
                Ok(format!("ifnull({equal}, 0)"))
            }
            Shape::Coarse(_) => {
                Err(Refused::new(Cause::ColumnType, "").with_detail("only whole columns become coarser"))
            }
            Shape::Like(patterns) => check::like_one_of(&operand, patterns, &mut self.query),
        }
    }
}

/// Counts the rows of a table that have a value of this shape at a path.
pub(crate) fn shaped(table: &Table, path: &Path, shape: &Shape, place: &str) -> Result<Query, Fault> {
    // A step for its table alone: what is counted has nothing to do with periods.
    let terms = Terms {
        since: Since::Greatest(vec![]),
        cutoff: Cutoff(Timestamp::MIN),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    let step = Step {
        rule: String::new(),
        selection: Selection::new(table.name.clone(), terms),
        table: table.clone(),
        others: vec![],
        action: Action::Delete,
        atomicity: Atomicity::Atomic,
        may_cascade: vec![],
    };
    let mut composer = Composer::new(&step, &super::Shape::default());
    let shaped = composer.shaped(path, shape, true).map_err(|refused| refused.into_fault(place))?;
    let mut query = composer.query;
    query.sql = format!("select count(*) from main.{} where {shaped}", quote(&table.name.name));
    Ok(query)
}

/// Whether SQLite converts what is written into a column of this type.
fn has_affinity(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let converts = ["INT", "CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part));
    converts || !(declared.trim().is_empty() || declared.contains("BLOB"))
}
