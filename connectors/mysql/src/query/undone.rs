//! The signs that a row is not done, and how values look that are.

use forgetd_connector::{
    Cause, ClauseOf, Column, ColumnKind, Fault, Path, PathStep, Shape, Since, Terms, Undone, Value,
};

use super::json::{Kind, Spot, bytes, text, type_or_null};
use super::number::{self, list};
use super::said::{Said, joined};
use super::selection::{Compiler, Condition};
use super::since::{is_time, real};
use super::written::WrittenTime;
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
    /// Whether it is one of these texts.
    Among(&'a [String]),
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
            Undone::Unmarked(marker) => {
                let column = self.own(marker)?;
                Said::whole(format!("{} is null", self.of(&column.name)))
            }
            Undone::MarkedBefore { marker, since } => self.marked_before(terms, marker, since)?,
            Undone::Other { path, shape } => self.looks(path, shape, Look::Other)?,
            Undone::Is { path, texts } => self.is_among(path, texts)?,
        })
    }

    /// Whether the moment in the marker lies before that in a column of the same type.
    pub(super) fn marked_before(&mut self, terms: &Terms, marker: &str, since: &str) -> Result<Said, Fault> {
        let (first, second) = (self.own(marker)?, self.own(since)?);
        let (marker, since) = (self.of(&first.name), self.of(&second.name));
        if is_time(second) {
            return Ok(Said::all(vec![
                Said::whole(format!("{marker} < {since}")),
                Said::whole(real(&marker)),
                Said::whole(real(&since)),
            ]));
        }
        if second.kind != ColumnKind::Text {
            return Ok(Said::whole(format!("{marker} < {since}")));
        }
        let mut columns = match &terms.since {
            Since::Latest(latest) => latest.or.iter().collect(),
            since => since.columns(),
        };
        columns.retain(|since| since.column == second.name);
        let form = columns.first().and_then(|since| since.form);
        let (Some(a), Some(b)) = (WrittenTime::new(first, &marker, form), WrittenTime::new(second, &since, form))
        else {
            return Err(self.refuse(Cause::ColumnType, &second.name));
        };
        let pattern = self.text(&a.pattern());
        let readable = joined([a.is_readable(&pattern), b.is_readable(&pattern)]);
        Ok(Said::whole(format!("case when {readable} then {} < {} end", a.normal(), b.normal())))
    }

    /// Whether there is a value at the path, neither NULL nor JSON null, that has the shape, or has another one.
    pub(super) fn looks(&mut self, path: &Path, shape: &Shape, look: Look) -> Result<Said, Fault> {
        let column = self.own(&path.column)?;
        // A constant and a coarser value are whole columns: of JSON its text is compared.
        let whole = path.steps.is_empty() && !matches!(shape, Shape::Like(_));
        if self.looks_into(column, path) && !whole {
            // What cannot be looked into is not known to be done.
            return self.look_into(column, Asked::Looks(shape, look), path, look == Look::Other);
        }
        if !path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &path.to_string()));
        }
        let name = self.of(&column.name);
        Ok(match (shape, look) {
            (Shape::Nothing | Shape::Constant(Value::Null), Look::Other) => Said::whole(format!("{name} is not null")),
            (Shape::Nothing | Shape::Constant(Value::Null), Look::Alike) => Said::whole("false"),
            (Shape::Constant(value), look) => {
                let (own, value) = self.exact(column, value)?;
                Said::whole(format!("{own} {} {value}", if look == Look::Other { "<>" } else { "=" }))
            }
            (Shape::Coarse(grain), Look::Other) => Said::whole(self.coarse(column, grain)?.differs),
            (Shape::Coarse(grain), Look::Alike) => Said::whole(self.coarse(column, grain)?.differs).not(),
            (Shape::Like(forms), look) => {
                let like = self.forms(&codec::exact_text(column), forms);
                if look == Look::Other { like.not() } else { like }
            }
        })
    }

    /// Whether a path leads into JSON: a column of it, or text that holds some.
    fn looks_into(&self, column: &Column, path: &Path) -> bool {
        column.kind == ColumnKind::Json || (column.kind == ColumnKind::Text && !path.steps.is_empty())
    }

    /// Whether there is a value at the path that is one of these texts.
    fn is_among(&mut self, path: &Path, texts: &[String]) -> Result<Said, Fault> {
        let column = self.own(&path.column)?;
        if self.looks_into(column, path) {
            return self.look_into(column, Asked::Among(texts), path, false);
        }
        if !path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &path.to_string()));
        }
        let bytes = format!("cast({} as binary)", codec::exact_text(column));
        Ok(Said::whole(self.among_texts(&bytes, texts)))
    }

    /// A column and a value that is written into it, as they are compared: by code points, or by the type's own equality.
    fn exact(&mut self, column: &Column, value: &Value) -> Result<(String, String), Fault> {
        let name = self.of(&column.name);
        Ok(match column.kind {
            ColumnKind::Text => {
                let text = codec::text(value).unwrap_or_default();
                (codec::bytes_of(column, &name), self.bytes(&text))
            }
            ColumnKind::Json => {
                let value = self.constant(column, value)?;
                let bytes = |json: &str| format!("cast(convert({json} using utf8mb4) as binary)");
                (bytes(&name), bytes(&value))
            }
            _ => (name, self.constant(column, value)?),
        })
    }

    /// A value of the policy's, as the column's type.
    pub(super) fn constant(&mut self, column: &Column, value: &Value) -> Result<String, Fault> {
        let constant = codec::constant(column, value, self.flavour, &mut self.sql);
        constant.ok_or_else(|| self.refuse(Cause::ColumnType, &column.name))
    }

    /// Whether a text has one of the forms, character by character. Nothing in a form is escaped.
    fn forms(&mut self, text: &str, forms: &[String]) -> Said {
        if forms.is_empty() {
            // None of none; unknown for NULL all the same.
            return Said::whole(format!("{text} <> {text}"));
        }
        Said::any(forms.iter().map(|form| Said::whole(self.like(text, &form.replace('\\', r"\\")))).collect())
    }

    fn among_texts(&mut self, bytes: &str, texts: &[String]) -> String {
        if texts.is_empty() {
            return format!("{bytes} <> {bytes}");
        }
        let texts = texts.iter().map(|text| self.sql.bind(text.as_bytes())).collect();
        format!("{bytes} {}", list("=", "in", texts))
    }

    /// Looks along the whole path; `unreadable` where the server cannot look into what the column holds.
    fn look_into(&mut self, column: &Column, asked: Asked<'_>, path: &Path, unreadable: bool) -> Result<Said, Fault> {
        let spot = self.spot(column);
        let name = self.of(&column.name);
        let said = self.look_along(spot, &path.steps, asked, path)?;
        // MySQL takes nothing else into a column of JSON.
        if column.kind == ColumnKind::Json && !self.flavour.is_mariadb() {
            return Ok(said);
        }
        let text = codec::unicode(column, &name);
        Ok(Said::whole(format!("case when not json_valid({text}) then {unreadable} else {} end", said.alone())))
    }

    /// Goes on along the path into JSON. What is not there looks like nothing.
    fn look_along(&mut self, spot: Spot, steps: &[PathStep], asked: Asked<'_>, path: &Path) -> Result<Said, Fault> {
        match steps {
            [] => match asked {
                Asked::Looks(shape, look) => self.looks_at(&spot, shape, look, path),
                Asked::Among(texts) => {
                    let expr = self.at(&spot);
                    let among = self.among_texts(&bytes(&expr), texts);
                    Ok(Said::whole(format!("case when {} then {among} else false end", Kind::Text.is_of(&expr))))
                }
            },
            [PathStep::Field(name), rest @ ..] => self.look_along(spot.field(name), rest, asked, path),
            [PathStep::Each, rest @ ..] => {
                self.subqueries += 1;
                let element = format!("forgetd_element_{}", self.subqueries);
                let elements = self.elements(&spot, &element);
                let holds = self.look_along(Spot::element(&element), rest, asked, path)?.beside();
                // Not by EXISTS: MySQL makes a join of it, and then takes the elements of one row for those of another.
                Ok(Said::whole(format!("coalesce((select max(coalesce({holds}, false)) from {elements}), false)")))
            }
        }
    }

    fn looks_at(&mut self, spot: &Spot, shape: &Shape, look: Look, path: &Path) -> Result<Said, Fault> {
        let refuse = |compiler: &Self| Err(compiler.refuse(Cause::ColumnType, &path.to_string()));
        let (expr, other) = (self.at(spot), look == Look::Other);
        let (kind, alike) = match shape {
            Shape::Nothing | Shape::Constant(Value::Null) => {
                let there = format!("{} <> 'NULL'", type_or_null(&expr));
                return Ok(Said::whole(if other { there } else { "false".into() }));
            }
            Shape::Like(forms) => (Kind::Text, self.forms(&text(&expr), forms).alone()),
            Shape::Constant(Value::Text(wanted)) => (Kind::Text, format!("{} = {}", bytes(&expr), self.bytes(wanted))),
            Shape::Constant(Value::Bool(truth)) => (Kind::Bool, format!("json_unquote({expr}) = '{truth}'")),
            Shape::Constant(value @ (Value::Int(_) | Value::Real(_))) => {
                let among = std::slice::from_ref(value);
                let equal = self.numbers(&expr, path, |numbers, expr, compiler| {
                    number::listed(expr, numbers, true, among, &mut compiler.sql)
                })?;
                (Kind::Number, equal)
            }
            Shape::Constant(_) | Shape::Coarse(_) => return refuse(self),
        };
        let alike = if other { format!("not ({alike})") } else { alike };
        Ok(Said::whole(format!(
            "case when {} then {alike} when {} = 'NULL' then false else {other} end",
            kind.is_of(&expr),
            type_or_null(&expr)
        )))
    }
}
