//! The signs that a row is not done, and how values look that are.

use forgetd_connector::{
    Cause, ClauseOf, Column, ColumnKind, Fault, Path, PathStep, Shape, Since, Terms, Undone, Value,
};

use tokio_postgres::types::Type;

use super::json::{Kind, Spot};
use super::said::{Said, joined};
use super::selection::{Compiler, Condition};
use super::written::WrittenTime;
use super::{Param, Written, of};
use crate::codec;

/// Which of the values that are there are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Those of the shape.
    Alike,
    /// Those of another one.
    Other,
}

/// What is asked of a value that is there.
#[derive(Clone, Copy)]
enum Asked<'a> {
    /// Whether it looks like this.
    Looks(&'a Shape, Look),
    /// Whether it is a text among those of this placeholder.
    Among(&'a str),
}

// === impl Compiler ===

impl Compiler<'_> {
    /// At least one of the signs is there; absent where there is none to look for.
    pub(super) fn undone(&mut self, terms: &Terms, signs: &[Undone]) -> Result<Option<Condition>, Fault> {
        if signs.is_empty() {
            return Ok(None);
        }
        let parts = signs.iter().map(|sign| self.sign(terms, sign)).collect::<Result<Vec<_>, _>>()?;
        let text = Said::any(parts).alone();
        // No sign is as good as done, so it is never unknown.
        let holds = format!("coalesce({text}, false)");
        Ok(Some(Condition { what: Some(ClauseOf::Undone), text, holds, terms: None }))
    }

    fn sign(&mut self, terms: &Terms, sign: &Undone) -> Result<Said, Fault> {
        Ok(match sign {
            Undone::Unmarked(marker) => Said::whole(format!("{} is null", of(&self.own(marker)?.name))),
            Undone::MarkedBefore { marker, since } => Said::whole(self.marked_before(terms, marker, since)?),
            Undone::Other { path, shape } => self.looks(path, shape, Look::Other)?,
            Undone::Is { path, texts } => self.is_among(path, texts)?,
        })
    }

    /// Whether the moment in the marker lies before that in a column of the same type.
    pub(super) fn marked_before(&mut self, terms: &Terms, marker: &str, since: &str) -> Result<String, Fault> {
        let (marker, column) = (self.own(marker)?, self.own(since)?);
        let (marker, since) = (of(&marker.name), of(&column.name));
        if column.kind != ColumnKind::Text {
            return Ok(format!("{marker} < {since}"));
        }
        let mut columns = match &terms.since {
            Since::Latest(latest) => latest.or.iter().collect(),
            since => since.columns(),
        };
        columns.retain(|since| since.column == column.name);
        let form = columns.first().and_then(|since| since.form);
        let (Some(a), Some(b)) = (WrittenTime::new(&marker, form), WrittenTime::new(&since, form)) else {
            return Err(self.refuse(Cause::ColumnType, &column.name));
        };
        let pattern = self.sql.bind_once(a.pattern().as_str().into());
        let readable = joined([a.is_readable(&pattern), b.is_readable(&pattern)]);
        Ok(format!("case when {readable} then {} < {} end", a.normal(), b.normal()))
    }

    /// Whether there is a value at the path, neither NULL nor JSON null, that has the shape, or has another one.
    pub(super) fn looks(&mut self, path: &Path, shape: &Shape, look: Look) -> Result<Said, Fault> {
        let column = self.own(&path.column)?;
        // A constant and a coarser value are whole columns: of JSON its text is compared.
        let whole = path.steps.is_empty() && !matches!(shape, Shape::Like(_));
        if column.kind == ColumnKind::Json && !whole {
            let spot = Spot::of(column);
            // What cannot be looked into is not known to be done.
            let unreadable = look == Look::Other;
            return self.look_into(spot, Asked::Looks(shape, look), path, unreadable);
        }
        if !path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &path.to_string()));
        }
        let name = of(&column.name);
        Ok(Said::whole(match (shape, look) {
            (Shape::Nothing | Shape::Constant(Value::Null), Look::Other) => format!("{name} is not null"),
            (Shape::Nothing | Shape::Constant(Value::Null), Look::Alike) => "false".into(),
            (Shape::Constant(value), look) => {
                let (own, value) = self.exact(column, value);
                format!("{own} {} {value}", if look == Look::Other { "<>" } else { "=" })
            }
            (Shape::Coarse(grain), Look::Other) => self.coarse(column, grain)?.differs,
            (Shape::Coarse(grain), Look::Alike) => format!("not ({})", self.coarse(column, grain)?.differs),
            (Shape::Like(forms), look) => {
                self.pinned.push(column.clone());
                let like = self.like(&codec::exact_text(column), forms);
                if look == Look::Other { format!("not ({like})") } else { format!("({like})") }
            }
        }))
    }

    /// Whether there is a value at the path that is one of these texts.
    fn is_among(&mut self, path: &Path, texts: &[String]) -> Result<Said, Fault> {
        let column = self.own(&path.column)?;
        let among = self.sql.bind_once(Param::Texts(texts.iter().cloned().map(Some).collect()));
        if column.kind == ColumnKind::Json {
            return self.look_into(Spot::of(column), Asked::Among(&among), path, false);
        }
        if !path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &path.to_string()));
        }
        self.pinned.push(column.clone());
        Ok(Said::whole(among_texts(&codec::exact_text(column), &among)))
    }

    /// A column and a value that is written into it, as they are compared: by code points, or by the type's own equality.
    fn exact(&mut self, column: &Column, value: &Value) -> (String, String) {
        let name = of(&column.name);
        let value = self.constant(column, value);
        match column.kind {
            ColumnKind::Text => (format!("{name}::text collate \"C\""), format!("{value}::text")),
            ColumnKind::Json => (format!("{name}::text collate \"C\""), format!("({value})::text")),
            _ => (name, value),
        }
    }

    /// A value of the policy's, as the column's type; of a text's type the column's own length is no part. Times are
    /// parameters of their own type: see [`Param::Typed`].
    pub(super) fn constant(&mut self, column: &Column, value: &Value) -> String {
        let text = codec::text(value);
        let native = match column.kind {
            // An instant without an offset is one of UTC.
            ColumnKind::Instant => Some(Type::TIMESTAMPTZ),
            ColumnKind::NaiveTime => Some(Type::TIMESTAMP),
            ColumnKind::Date => Some(Type::DATE),
            _ => None,
        };
        self.pins_all |= column.kind == ColumnKind::Instant;
        self.pinned.push(column.clone());
        match (column.kind, native) {
            (ColumnKind::Text, _) => format!("{}::text", self.sql.bind_once(Param::Text(text))),
            (_, Some(native)) => {
                let placeholder = self.sql.bind_once(Param::Typed(Written(text), native));
                format!("{placeholder}::{}", column.type_name)
            }
            (_, None) => format!("{}::text::{}", self.sql.bind_once(Param::Text(text)), column.type_name),
        }
    }

    /// Whether a text has one of the forms, character by character.
    fn like(&mut self, text: &str, forms: &[String]) -> String {
        let forms: Vec<String> = forms
            .iter()
            .map(|form| {
                format!("{text} collate \"C\" like {}::text escape ''", self.sql.bind_once(form.as_str().into()))
            })
            .collect();
        // None of none; unknown for NULL all the same.
        if forms.is_empty() { format!("{text} <> {text}") } else { forms.join(" or ") }
    }

    /// Looks along the whole path; `unreadable` where the server cannot look into what the column holds.
    fn look_into(&mut self, spot: Spot, asked: Asked<'_>, path: &Path, unreadable: bool) -> Result<Said, Fault> {
        let cannot = spot.unreadable();
        let said = self.look_along(spot, &path.steps, asked, path)?;
        Ok(match cannot {
            Some(cannot) => Said::whole(format!("case when {cannot} then {unreadable} else {} end", said.alone())),
            None => said,
        })
    }

    /// Goes on along the path into JSON. What is not there looks like nothing.
    fn look_along(&mut self, spot: Spot, steps: &[PathStep], asked: Asked<'_>, path: &Path) -> Result<Said, Fault> {
        match steps {
            [] => match asked {
                Asked::Looks(shape, look) => self.looks_at(&spot, shape, look, path),
                Asked::Among(texts) => {
                    let (is, text, among) = (spot.type_or_null(), Kind::Text.name(), among_texts(&spot.text(), texts));
                    Ok(Said::whole(format!("case {is} when '{text}' then {among} else false end")))
                }
            },
            [PathStep::Field(name), rest @ ..] => {
                let name = self.text(name);
                let Some(members) = spot.members() else {
                    return self.look_along(spot.field(&name), rest, asked, path);
                };
                // A name can stand there more than once, and readers see one of them.
                self.subqueries += 1;
                let member = format!("forgetd_member_{}", self.subqueries);
                let holds = self.look_along(spot.element(&member), rest, asked, path)?.beside();
                Ok(Said::whole(format!(
                    "exists (select from {members} as {member}(forgetd_name, forgetd_json) \
                     where {member}.forgetd_name = {name}::text and {holds})"
                )))
            }
            [PathStep::Each, rest @ ..] => {
                self.subqueries += 1;
                let element = format!("forgetd_element_{}", self.subqueries);
                let elements = spot.elements();
                let inner = spot.element(&element);
                let holds = self.look_along(inner, rest, asked, path)?.beside();
                Ok(Said::whole(format!("exists (select from {elements} as {element}(forgetd_json) where {holds})")))
            }
        }
    }

    fn looks_at(&mut self, spot: &Spot, shape: &Shape, look: Look, path: &Path) -> Result<Said, Fault> {
        let refuse = |compiler: &Self| Err(compiler.refuse(Cause::ColumnType, &path.to_string()));
        let (kind, alike) = match shape {
            Shape::Nothing | Shape::Constant(Value::Null) => {
                let there = format!("{} <> 'null'", spot.type_or_null());
                return Ok(Said::whole(if look == Look::Other { there } else { "false".into() }));
            }
            Shape::Like(forms) => (Kind::Text, self.like(&spot.text(), forms)),
            Shape::Constant(value) => {
                let (kind, cast) = match value {
                    Value::Text(_) => (Kind::Text, "text"),
                    Value::Bool(_) => (Kind::Bool, "boolean"),
                    Value::Int(_) => (Kind::Number, "numeric"),
                    Value::Real(real) if real.is_finite() => (Kind::Number, "numeric"),
                    _ => return refuse(self),
                };
                let literal = self.sql.bind_once(Param::Text(codec::text(value)));
                (kind, format!("{} = {literal}::text::{cast}", spot.read(kind)))
            }
            Shape::Coarse(_) => return refuse(self),
        };
        let (is, other) = (spot.type_or_null(), look == Look::Other);
        let alike = if other { format!("not ({alike})") } else { alike };
        Ok(Said::whole(format!(
            "case {is} when '{}' then {alike} when 'null' then false else {other} end",
            kind.name()
        )))
    }
}

/// Whether a text is one of a list, by code points.
fn among_texts(text: &str, list: &str) -> String {
    format!("{text} collate \"C\" = any ({list}::text[])")
}
