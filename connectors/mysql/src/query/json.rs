//! Tests of what lies inside JSON. Names of members are bound like any other value; a text never stands for a number.

use forgetd_connector::{Cause, Check, Column, ColumnKind, Comparison, Fault, Path, PathStep, Test, Value};

use super::number::{self, Numbers, list, sign};
use super::said::Said;
use super::selection::Compiler;
use crate::codec;

/// What a value of JSON can be compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
}

/// A place in a JSON value.
#[derive(Clone)]
pub(super) struct Spot {
    /// The expression that reads the value which the names lead into.
    root: String,
    /// The members on the way from there.
    names: Vec<String>,
}

/// What the server calls the types of numbers.
const NUMBERS: &str = "'INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL'";

/// The integers that MariaDB can compare as such. It keeps numbers as they are written, and calls `1e300` an integer.
const WHOLE: &str = r"^-?[0-9]{1,60}\z";

// === impl Compiler ===

impl Compiler<'_> {
    pub(super) fn inside(&mut self, column: &Column, test: &Test) -> Result<Said, Fault> {
        let each = test.path.is_many();
        if each && matches!(test.check, Check::Null(_) | Check::Exists(_)) {
            return Err(self.refuse(Cause::ColumnType, &test.path.to_string()));
        }
        let spot = self.spot(column);
        self.along(spot, &test.path.steps, test)
    }

    /// A whole column. Text that is no JSON holds nothing.
    pub(super) fn spot(&self, column: &Column) -> Spot {
        let name = self.of(&column.name);
        let root = match column.kind {
            // Where it is text that is checked to be JSON, it can be of any character set.
            ColumnKind::Json if column.fit.collation.is_some() => codec::unicode(column, &name),
            ColumnKind::Json => name,
            _ => {
                let text = codec::unicode(column, &name);
                format!("(case when json_valid({text}) then {text} end)")
            }
        };
        Spot { root, names: vec![] }
    }

    /// The expression that reads what lies there. A member is asked for by name: of an array nothing has one.
    pub(super) fn at(&mut self, spot: &Spot) -> String {
        let Spot { root, names } = spot;
        if names.is_empty() {
            return root.clone();
        }
        let plain = self.text(&way(names, quoted));
        let plain = format!("json_extract({root}, {plain})");
        // MariaDB compares a name as it is written, and many write what is not ASCII with escapes.
        if !self.flavour.is_mariadb() || names.iter().all(|name| name.is_ascii()) {
            return plain;
        }
        let escaped = self.text(&way(names, escaped));
        format!("coalesce({plain}, json_extract({root}, {escaped}))")
    }

    /// The elements, as a table of this name; none of what is no array.
    ///
    /// The condition says nothing new. But MariaDB (10.11.5) does not see that a subquery hangs on a row by what JSON_TABLE
    /// reads, and answers for every row what it found in the first.
    pub(super) fn elements(&mut self, spot: &Spot, alias: &str) -> String {
        let expr = self.at(spot);
        format!(
            "json_table(case when json_type({expr}) = 'ARRAY' then {expr} end, '$[*]' \
             columns (forgetd_json json path '$')) as {alias} where {} is not null",
            spot.root
        )
    }

    fn along(&mut self, spot: Spot, steps: &[PathStep], test: &Test) -> Result<Said, Fault> {
        match steps {
            [] => self.leaf(&spot, test),
            [PathStep::Field(name), rest @ ..] => self.along(spot.field(name), rest, test),
            [PathStep::Each, rest @ ..] => {
                self.subqueries += 1;
                let element = format!("forgetd_element_{}", self.subqueries);
                let elements = self.elements(&spot, &element);
                let holds = self.along(Spot::element(&element), rest, test)?.beside();
                // True above unknown above false; nothing of no elements.
                Ok(Said::whole(format!(
                    "(select case max(coalesce(({holds}) * 2, 1)) when 2 then true when 0 then false end from {elements})"
                )))
            }
        }
    }

    /// What is asked of the value itself.
    fn leaf(&mut self, spot: &Spot, test: &Test) -> Result<Said, Fault> {
        let expr = self.at(spot);
        let sorted = |order: &Comparison| !matches!(order, Comparison::Equal | Comparison::NotEqual);
        Ok(match &test.check {
            Check::Null(wanted) => {
                let sign = if *wanted { "=" } else { "<>" };
                Said::whole(format!("{} {sign} 'NULL'", type_or_null(&expr)))
            }
            Check::Exists(true) => Said::whole(format!("{expr} is not null")),
            Check::Exists(false) => Said::whole(format!("{expr} is null")),
            Check::Like(pattern) => only(&expr, Kind::Text, &self.like(&text(&expr), pattern)),
            Check::Prefix(prefix) => only(&expr, Kind::Text, &self.begins(&bytes(&expr), prefix)),
            Check::Compare(comparison, value) if sorted(comparison) => match value {
                Value::Text(text) => {
                    let literal = self.bytes(text);
                    only(&expr, Kind::Text, &format!("{} {} {literal}", bytes(&expr), sign(*comparison)))
                }
                Value::Int(_) | Value::Real(_) => {
                    let compared = self.numbers(&expr, &test.path, |numbers, expr, compiler| {
                        number::compared(expr, numbers, *comparison, value, &mut compiler.sql)
                    })?;
                    only(&expr, Kind::Number, &compared)
                }
                _ => return Err(self.refuse(Cause::ColumnType, &test.path.to_string())),
            },
            Check::Compare(comparison, value) => {
                self.among(&expr, std::slice::from_ref(value), *comparison == Comparison::Equal, test)?
            }
            Check::In(values) => self.among(&expr, values, true, test)?,
            Check::NotIn(values) => self.among(&expr, values, false, test)?,
        })
    }

    /// Each literal is compared with values of its own type; where there is none of a value's type, it is unknown.
    fn among(&mut self, expr: &str, values: &[Value], among: bool, test: &Test) -> Result<Said, Fault> {
        let (one, many) = if among { ("=", "in") } else { ("<>", "not in") };
        let (mut texts, mut truths, mut numbers) = (vec![], vec![], vec![]);
        for value in values {
            match value {
                Value::Text(text) => texts.push(self.bytes(text)),
                Value::Bool(truth) => truths.push(format!("'{truth}'")),
                Value::Int(_) | Value::Real(_) => numbers.push(value.clone()),
                _ => return Err(self.refuse(Cause::ColumnType, &test.path.to_string())),
            }
        }
        let mut branches = String::new();
        let mut branch =
            |kind: Kind, said: String| branches.push_str(&format!(" when {} then {said}", kind.is_of(expr)));
        if !texts.is_empty() {
            branch(Kind::Text, format!("{} {}", bytes(expr), list(one, many, texts)));
        }
        if !numbers.is_empty() {
            let listed = self.numbers(expr, &test.path, |of, expr, compiler| {
                number::listed(expr, of, among, &numbers, &mut compiler.sql)
            })?;
            branch(Kind::Number, listed);
        }
        if !truths.is_empty() {
            branch(Kind::Bool, format!("json_unquote({expr}) {}", list(one, many, truths)));
        }
        Ok(Said::whole(format!("case{branches} end")))
    }

    /// A condition on a number, as it has to be said of each kind of numbers that it may be of.
    pub(super) fn numbers(
        &mut self,
        expr: &str,
        path: &Path,
        say: impl Fn(Numbers, &str, &mut Self) -> Option<String>,
    ) -> Result<String, Fault> {
        let whole = say(Numbers::Integers, &format!("cast({expr} as decimal(65,0))"), self);
        let double = say(Numbers::Doubles, &format!("cast({expr} as double)"), self);
        let (Some(whole), Some(double)) = (whole, double) else {
            return Err(self.refuse(Cause::ColumnType, &path.to_string()));
        };
        let is_whole = self.is_whole(expr);
        Ok(format!("case when {is_whole} then {whole} else {double} end"))
    }

    /// Whether a number can be compared as an integer.
    pub(super) fn is_whole(&mut self, expr: &str) -> String {
        if self.flavour.is_mariadb() {
            format!("{expr} regexp {}", self.text(WHOLE))
        } else {
            format!("json_type({expr}) in ('INTEGER', 'UNSIGNED INTEGER')")
        }
    }
}

// === impl Spot ===

impl Spot {
    /// The member of this name.
    pub(super) fn field(mut self, name: &str) -> Self {
        self.names.push(name.into());
        self
    }

    /// One of the elements, under their alias.
    pub(super) fn element(alias: &str) -> Self {
        Self { root: format!("{alias}.forgetd_json"), names: vec![] }
    }
}

/// The way through these members, in the engine's path language.
fn way(names: &[String], quoted: fn(&str) -> String) -> String {
    names.iter().fold("$".to_owned(), |path, name| format!("{path}.{}", quoted(name)))
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// The same with escapes for everything that is not ASCII.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for c in quoted(name).chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

/// The value's type; that of JSON null where there is none.
pub(super) fn type_or_null(expr: &str) -> String {
    format!("coalesce(json_type({expr}), 'NULL')")
}

/// How a text inside JSON is read.
pub(super) const UNQUOTE: &str = "convert(json_unquote(";

/// A text as its characters, without quotes and escapes.
pub(super) fn text(expr: &str) -> String {
    format!("{UNQUOTE}{expr}) using utf8mb4)")
}

/// The same as the bytes of its code points.
pub(super) fn bytes(expr: &str) -> String {
    format!("cast({} as binary)", text(expr))
}

/// The condition, unknown for values of another kind.
fn only(expr: &str, kind: Kind, condition: &str) -> Said {
    Said::whole(format!("case when {} then {condition} end", kind.is_of(expr)))
}

// === impl Kind ===

impl Kind {
    /// Whether a value is of this kind; unknown where there is none.
    pub(super) fn is_of(self, expr: &str) -> String {
        match self {
            Self::Text => format!("json_type({expr}) = 'STRING'"),
            Self::Number => format!("json_type({expr}) in ({NUMBERS})"),
            Self::Bool => format!("json_type({expr}) = 'BOOLEAN'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, quoted, way};

    #[test]
    fn names_are_quoted_whatever_they_hold() {
        let names = ["a.b".to_owned(), "q\"\\".to_owned(), "é😀".to_owned()];
        assert_eq!(way(&names, quoted), r#"$."a.b"."q\"\\"."é😀""#);
        assert_eq!(way(&names, escaped), r#"$."a.b"."q\"\\"."\u00e9\ud83d\ude00""#);
    }
}
