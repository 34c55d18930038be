//! Tests of what lies inside JSON. Names of members are bound like any other value; a text never stands for a number.

use forgetd_connector::{Cause, Check, Column, Comparison, Fault, PathStep, Test, Value};

use super::said::Said;
use super::selection::Compiler;
use super::test::{list, sign};
use super::{in_order, of};

/// What a value of JSON can be compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
}

/// A place in a JSON value.
pub(super) struct Spot {
    /// The expression that reads it.
    expr: String,
    /// `json` or `jsonb`: how the names of its functions begin.
    family: &'static str,
}

/// A pair of surrogates, written with escapes. As all of these whatever quotes the session reads.
const PAIR: &str = r"E'\\\\u[dD][89abAB]..\\\\u[dD][c-fC-F]..'";

/// Half of one, or NUL.
const HALF: &str = r"E'\\\\u(0000|[dD][89a-fA-F])'";

// === impl Compiler ===

impl Compiler<'_> {
    pub(super) fn inside(&mut self, column: &Column, test: &Test) -> Result<Said, Fault> {
        let each = test.path.is_many();
        if each && matches!(test.check, Check::Null(_) | Check::Exists(_)) {
            return Err(self.refuse(Cause::ColumnType, &test.path.to_string()));
        }
        self.along(Spot::of(column), &test.path.steps, test)
    }

    /// Goes on along the path. A member is asked for by name: of an array nothing has one.
    fn along(&mut self, spot: Spot, steps: &[PathStep], test: &Test) -> Result<Said, Fault> {
        match steps {
            [] => self.leaf(&spot, test),
            [PathStep::Field(name), rest @ ..] => {
                let spot = spot.field(&self.text(name));
                self.along(spot, rest, test)
            }
            [PathStep::Each, rest @ ..] => {
                self.subqueries += 1;
                let element = format!("forgetd_element_{}", self.subqueries);
                let holds = self.along(spot.element(&element), rest, test)?.beside();
                let elements = spot.elements();
                Ok(Said::whole(format!(
                    "(select case when bool_or(forgetd_holds) then true \
                     when bool_and(forgetd_holds is false) then false end \
                     from (select {holds} as forgetd_holds from {elements} as {element}(forgetd_json)) \
                     as {element}_holds)"
                )))
            }
        }
    }

    /// What is asked of the value itself. The text `null` is the type of JSON null.
    fn leaf(&mut self, spot: &Spot, test: &Test) -> Result<Said, Fault> {
        let Spot { expr, .. } = spot;
        let sorted = |order: &Comparison| !matches!(order, Comparison::Equal | Comparison::NotEqual);
        Ok(match &test.check {
            Check::Null(wanted) => {
                let sign = if *wanted { "=" } else { "<>" };
                Said::whole(format!("{} {sign} 'null'", spot.type_or_null()))
            }
            Check::Exists(true) => Said::whole(format!("({expr}) is not null")),
            Check::Exists(false) => Said::whole(format!("({expr}) is null")),
            Check::Like(pattern) => {
                let pattern = self.text(pattern);
                spot.only(Kind::Text, &format!("{} like {pattern}::text", spot.read(Kind::Text)))
            }
            Check::Prefix(prefix) => {
                let prefix = self.text(prefix);
                spot.only(Kind::Text, &format!("starts_with({}, {prefix}::text)", spot.read(Kind::Text)))
            }
            Check::Compare(comparison, Value::Bool(_)) if sorted(comparison) => {
                return Err(self.refuse(Cause::ColumnType, &test.path.to_string()));
            }
            Check::Compare(comparison, value) => {
                let (kind, literal) = self.json_literal(value, test)?;
                let sign = sign(*comparison);
                spot.only(
                    kind,
                    &match kind {
                        Kind::Text => in_order(self.text_order, &spot.text(), sign, &literal),
                        _ => format!("{} {sign} {literal}", spot.read(kind)),
                    },
                )
            }
            Check::In(values) => self.listed(spot, "in", values, test)?,
            Check::NotIn(values) => self.listed(spot, "not in", values, test)?,
        })
    }

    /// Each literal is compared with values of its own type; where there is none of a value's type, it is unknown.
    fn listed(&mut self, spot: &Spot, word: &str, values: &[Value], test: &Test) -> Result<Said, Fault> {
        let one = if word == "in" { "=" } else { "<>" };
        let mut literals = vec![];
        for value in values {
            literals.push(self.json_literal(value, test)?);
        }
        let branches = [Kind::Text, Kind::Number, Kind::Bool].into_iter().filter_map(|kind| {
            let of_kind: Vec<String> =
                literals.iter().filter(|(of, _)| *of == kind).map(|(_, literal)| literal.clone()).collect();
            let compared =
                || format!(" when '{}' then {} {}", kind.name(), spot.read(kind), list(one, word, of_kind.clone()));
            (!of_kind.is_empty()).then(compared)
        });
        let branches: String = branches.collect();
        Ok(Said::whole(format!("case {}_typeof({}){branches} end", spot.family, spot.expr)))
    }

    fn json_literal(&mut self, value: &Value, test: &Test) -> Result<(Kind, String), Fault> {
        let (kind, text) = match value {
            Value::Text(text) => (Kind::Text, text.clone()),
            Value::Int(int) => (Kind::Number, int.to_string()),
            Value::Real(real) if real.is_finite() => (Kind::Number, format!("{real:?}")),
            Value::Bool(truth) => (Kind::Bool, truth.to_string()),
            _ => return Err(self.refuse(Cause::ColumnType, &test.path.to_string())),
        };
        let placeholder = self.text(&text);
        Ok((
            kind,
            match kind {
                Kind::Text => format!("{placeholder}::text"),
                Kind::Number => format!("{placeholder}::text::numeric"),
                Kind::Bool => format!("{placeholder}::text::boolean"),
            },
        ))
    }
}

// === impl Spot ===

impl Spot {
    /// A whole column.
    pub(super) fn of(column: &Column) -> Self {
        let family = if column.type_name == "json" { "json" } else { "jsonb" };
        Self { expr: of(&column.name), family }
    }

    /// The member that a placeholder names.
    pub(super) fn field(self, name: &str) -> Self {
        Self { expr: format!("{} -> {name}::text", self.expr), ..self }
    }

    /// The members, as a set of names and values, where a name can be repeated; none of what is no object.
    pub(super) fn members(&self) -> Option<String> {
        let expr = &self.expr;
        let object = || format!("json_each(case when json_typeof({expr}) = 'object' then {expr} end)");
        (self.family == "json").then(object)
    }

    /// Whether a character is written somewhere that the server has no text for, where one can be: then it reads nothing.
    /// That is NUL, and half of a pair of surrogates. Behind an escaped backslash nothing is escaped, so those go first, and
    /// then whole pairs; both leave a mark, so that what stood around them does not join.
    pub(super) fn unreadable(&self) -> Option<String> {
        let unreadable = || {
            let text = format!("{}::text collate \"C\"", self.expr);
            format!(
                r"(strpos({text}, E'\\u') > 0 and regexp_replace(replace({text}, E'\\\\', '-'), {PAIR}, '-', 'g') ~ {HALF})"
            )
        };
        (self.family == "json").then(unreadable)
    }

    /// The elements, as a set; none of what is no array.
    pub(super) fn elements(&self) -> String {
        let Self { expr, family } = self;
        format!("{family}_array_elements(case when {family}_typeof({expr}) = 'array' then {expr} end)")
    }

    /// One of the elements, under their alias.
    pub(super) fn element(&self, alias: &str) -> Self {
        Self { expr: format!("{alias}.forgetd_json"), family: self.family }
    }

    /// The value's type; that of JSON null where there is none.
    pub(super) fn type_or_null(&self) -> String {
        format!("coalesce({}_typeof({}), 'null')", self.family, self.expr)
    }

    /// What the value is as text, without quotes.
    pub(super) fn text(&self) -> String {
        format!("({} #>> '{{}}')", self.expr)
    }

    /// The value, once it is known to be of this kind.
    pub(super) fn read(&self, kind: Kind) -> String {
        let text = self.text();
        match kind {
            Kind::Text => format!("{text} collate \"C\""),
            Kind::Number => format!("{text}::numeric"),
            Kind::Bool => format!("{text}::boolean"),
        }
    }

    /// The condition, unknown for values of another kind.
    fn only(&self, kind: Kind, condition: &str) -> Said {
        let (family, expr, name) = (self.family, &self.expr, kind.name());
        Said::whole(format!("case when {family}_typeof({expr}) = '{name}' then {condition} end"))
    }
}

// === impl Kind ===

impl Kind {
    /// As the server names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Bool => "boolean",
        }
    }
}
