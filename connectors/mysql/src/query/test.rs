//! Tests of a column's own value. Exact: by code points, by value, by the type's own equality where there is no other.

use std::net::{Ipv4Addr, Ipv6Addr};

use forgetd_connector::{Cause, Check, Column, ColumnKind, Comparison, Fault, Test, Value};

use super::Param;
use super::number::{self, Numbers, list, sign};
use super::said::Said;
use super::selection::Compiler;
use crate::codec;
use crate::kind::TypeName;

// === impl Compiler ===

impl Compiler<'_> {
    pub(super) fn test(&mut self, test: &Test) -> Result<Said, Fault> {
        let column = self.own(&test.path.column)?;
        if column.kind == ColumnKind::Json || (column.kind == ColumnKind::Text && !test.path.steps.is_empty()) {
            return self.inside(column, test);
        }
        if !test.path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &test.path.to_string()));
        }
        let name = self.of(&column.name);
        match &test.check {
            Check::Null(true) => Ok(Said::whole(self.is_null(column))),
            Check::Null(false) => Ok(Said::whole(format!("not ({})", self.is_null(column)))),
            Check::Exists(_) => Err(self.refuse(Cause::ColumnType, &column.name)),
            Check::Like(pattern) => {
                self.needs_text(column)?;
                let like = self.like(&codec::unicode(column, &name), pattern);
                Ok(Said::whole(like))
            }
            Check::Prefix(prefix) => {
                self.needs_text(column)?;
                let begins = self.begins(&codec::bytes_of(column, &name), prefix);
                Ok(Said::whole(begins))
            }
            Check::Compare(comparison, value) => self.compare(column, *comparison, value),
            Check::In(values) => self.listed(column, values, true),
            Check::NotIn(values) => self.listed(column, values, false),
        }
    }

    /// The engine takes `0000-00-00` for NULL where a date cannot be NULL.
    fn is_null(&self, column: &Column) -> String {
        let name = self.of(&column.name);
        if column.nullable { format!("{name} is null") } else { format!("coalesce({name}, null) is null") }
    }

    fn needs_text(&self, column: &Column) -> Result<(), Fault> {
        if column.kind == ColumnKind::Text { Ok(()) } else { Err(self.refuse(Cause::ColumnType, &column.name)) }
    }

    /// Whether a text has this form, character by character. A backslash takes the next one as it is, whatever the
    /// session's settings are.
    pub(super) fn like(&mut self, text: &str, pattern: &str) -> String {
        let (pattern, escape) = (self.text(pattern), self.text("\\"));
        format!("{text} collate utf8mb4_bin like {pattern} escape {escape}")
    }

    /// Whether bytes begin with those of a text. No character's bytes begin in the middle of another's.
    pub(super) fn begins(&mut self, bytes: &str, prefix: &str) -> String {
        let length = prefix.len();
        format!("left({bytes}, {length}) = {}", self.bytes(prefix))
    }

    fn compare(&mut self, column: &Column, comparison: Comparison, value: &Value) -> Result<Said, Fault> {
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            return self.listed(column, std::slice::from_ref(value), comparison == Comparison::Equal);
        }
        let unfit = || self.refuse(Cause::ColumnType, &column.name);
        let name = self.of(&column.name);
        match (column.kind, value) {
            (ColumnKind::Text, Value::Text(text)) => {
                let bytes = codec::bytes_of(column, &name);
                Ok(Said::whole(format!("{bytes} {} {}", sign(comparison), self.bytes(text))))
            }
            (ColumnKind::Integer | ColumnKind::Number, _) => {
                let said = number::compared(&self.number(column), numbers(column), comparison, value, &mut self.sql);
                said.map(Said::whole).ok_or_else(|| self.refuse(Cause::ColumnType, &column.name))
            }
            _ => Err(unfit()),
        }
    }

    /// `column in (values)`, or `column not in (values)`.
    fn listed(&mut self, column: &Column, values: &[Value], among: bool) -> Result<Said, Fault> {
        match column.kind {
            ColumnKind::Integer | ColumnKind::Number => {
                let said = number::listed(&self.number(column), numbers(column), among, values, &mut self.sql);
                said.map(Said::whole).ok_or_else(|| self.refuse(Cause::ColumnType, &column.name))
            }
            ColumnKind::Text => self.texts(column, values, among),
            ColumnKind::Bool => self.truths(column, values, among),
            ColumnKind::Other => {
                let literals = values.iter().map(|value| self.typed(column, value)).collect::<Result<Vec<_>, _>>()?;
                let (one, many) = if among { ("=", "in") } else { ("<>", "not in") };
                Ok(Said::whole(format!("{} {}", self.of(&column.name), list(one, many, literals))))
            }
            _ => Err(self.refuse(Cause::ColumnType, &column.name)),
        }
    }

    /// The type's own equality takes case, accents and blanks for the same, but an index serves it; the one behind it is
    /// exact. Only plain letters are given to the first: of others a column's character set may have none, which the
    /// server takes for an error.
    fn texts(&mut self, column: &Column, values: &[Value], among: bool) -> Result<Said, Fault> {
        let mut texts = vec![];
        for value in values {
            let Value::Text(text) = value else { return Err(self.refuse(Cause::ColumnType, &column.name)) };
            texts.push(text.as_str());
        }
        let name = self.of(&column.name);
        let bytes = codec::bytes_of(column, &name);
        let exact: Vec<String> = texts.iter().map(|text| self.bytes(text)).collect();
        if !among {
            return Ok(Said::whole(format!("{bytes} {}", list("<>", "not in", exact))));
        }
        let exact = Said::whole(format!("{bytes} {}", list("=", "in", exact)));
        if !texts.iter().all(|text| text.is_ascii()) {
            return Ok(exact);
        }
        let own = texts.iter().map(|text| self.text(text)).collect();
        let own = Said::whole(format!("{name} {}", list("=", "in", own)));
        Ok(Said::all(vec![own, exact]))
    }

    /// A number that is neither 0 nor 1 is no truth value, and unknown.
    fn truths(&mut self, column: &Column, values: &[Value], among: bool) -> Result<Said, Fault> {
        let mut wanted = [!among; 2];
        for value in values {
            let Value::Bool(truth) = value else { return Err(self.refuse(Cause::ColumnType, &column.name)) };
            wanted[usize::from(*truth)] = among;
        }
        let [no, yes] = wanted;
        Ok(Said::whole(format!("case {} when 1 then {yes} when 0 then {no} end", self.of(&column.name))))
    }

    /// A literal in the text form of the column's type.
    fn typed(&mut self, column: &Column, value: &Value) -> Result<String, Fault> {
        let (Value::Text(text) | Value::Typed { text, .. }) = value else {
            return Err(self.refuse(Cause::ColumnType, &column.name));
        };
        let base = TypeName::of(column).base;
        let bound = match base {
            _ if TypeName::of(column).is_bytes() => match codec::parameter(column, value) {
                Param::Bytes(bytes) => Some(Param::Bytes(bytes)),
                _ => None,
            },
            "enum" | "set" => codec::labels(column, text).map(|labels| labels.as_str().into()),
            "bit" => Param::number(text),
            "time" => is_clock(text).then(|| Param::time(text)).flatten(),
            "uuid" => is_uuid(text).then(|| text.as_str().into()),
            "inet4" => text.parse::<Ipv4Addr>().is_ok().then(|| text.as_str().into()),
            "inet6" => text.parse::<Ipv6Addr>().is_ok().then(|| text.as_str().into()),
            _ => None,
        };
        let bound = bound.ok_or_else(|| self.refuse(Cause::ColumnType, &column.name))?;
        let placeholder = self.sql.bind_once(bound);
        Ok(if base == "time" { format!("time {placeholder}") } else { placeholder })
    }

    /// The column as a number: years of two digits and strings of bits mean something else beside a literal.
    fn number(&self, column: &Column) -> String {
        let name = self.of(&column.name);
        if matches!(TypeName::of(column).base, "bit" | "year") { format!("({name} + 0)") } else { name }
    }
}

fn numbers(column: &Column) -> Numbers {
    match (column.kind, TypeName::of(column).base) {
        (ColumnKind::Integer, _) => Numbers::Integers,
        (_, "float") => Numbers::Floats,
        (_, "double") => Numbers::Doubles,
        _ => Numbers::Decimals,
    }
}

/// Whether a text is a time of day or a span, as the engine writes it.
fn is_clock(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (clock, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let all = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    matches!(parts.as_slice(), [hours, minutes, seconds]
        if all(hours, 2..=3) && all(minutes, 2..=2) && all(seconds, 2..=2))
        && all(fraction, 1..=6)
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::is_clock;

    #[test]
    fn times_of_day_are_told_from_other_texts() {
        for text in ["10:00:00", "-838:59:59.000001", "00:00:00.5"] {
            assert!(is_clock(text), "{text}");
        }
        for text in ["", "10:00", "10:00:00.", "10:00:00.1234567", "x0:00:00", "1e:00:00"] {
            assert!(!is_clock(text), "{text}");
        }
    }
}
