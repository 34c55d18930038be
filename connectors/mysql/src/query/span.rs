//! Bounds of spans, as conditions.

use forgetd_connector::walk::Span;
use forgetd_connector::{Column, Key, Value};

use super::{Lead, Query, Sql, of};
use crate::codec;
use crate::kind::TypeName;

/// A span in an order that there is not.
const NOWHERE: &str = "false";

impl Query {
    /// The condition that a row lies in the span. The predicate stands beside it and repeats the cutoff.
    pub(crate) fn within(&self, span: &Span, sql: &mut Sql) -> String {
        match span {
            Span::Range { from, inclusive, to } => {
                let Some(lead) = &self.lead else { return NOWHERE.into() };
                let upper = match to {
                    Some(to) => format!("{} < {}", lead.name(), codec::bind(&lead.column, to, sql)),
                    None => lead.end(sql),
                };
                match lead.begin(from.as_ref(), *inclusive, sql) {
                    Some(lower) => format!("{lower} and {upper}"),
                    None => upper,
                }
            }
            Span::Inside { since, after, to } => {
                let Some(lead) = &self.lead else { return NOWHERE.into() };
                self.between_keys(Some(lead.at(since, sql)), after.as_ref(), to.as_ref(), sql)
            }
            Span::Nulls { after, to } => {
                let Some(lead) = &self.lead else { return NOWHERE.into() };
                self.between_keys(Some(lead.is_null()), after.as_ref(), to.as_ref(), sql)
            }
            Span::Keys { after, to } => self.between_keys(None, after.as_ref(), to.as_ref(), sql),
            Span::Physical { .. } => NOWHERE.into(),
        }
    }

    /// Rows of a range of keys for which something else holds too.
    pub(crate) fn between_keys(
        &self,
        shared: Option<String>,
        after: Option<&Key>,
        to: Option<&Key>,
        sql: &mut Sql,
    ) -> String {
        let mut parts: Vec<String> = shared.into_iter().collect();
        if let Some(after) = after {
            parts.push(beside_key(&self.key, &after.0, Side::Behind, sql));
        }
        if let Some(to) = to {
            parts.push(beside_key(&self.key, &to.0, Side::UpTo, sql));
        }
        if parts.is_empty() {
            return "true".into();
        }
        parts.join(" and ")
    }

    /// The key's columns of the aliased table.
    pub(crate) fn key_columns(&self) -> Vec<String> {
        self.key.iter().map(|column| of(&column.name)).collect()
    }

    /// The key's columns, read as text.
    pub(crate) fn key_texts(&self) -> Vec<String> {
        self.key.iter().map(|column| codec::read(column, &of(&column.name))).collect()
    }
}

/// On which side of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Behind it.
    Behind,
    /// Up to it, and itself.
    UpTo,
}

// === impl Side ===

impl Side {
    const fn strict(self) -> &'static str {
        match self {
            Self::Behind => ">",
            Self::UpTo => "<",
        }
    }

    const fn last(self) -> &'static str {
        match self {
            Self::Behind => ">",
            Self::UpTo => "<=",
        }
    }
}

/// On one side of a key of several columns. The server uses no index for a comparison of rows, so it is said column by
/// column, the first one's bound in front.
fn beside_key(columns: &[Column], values: &[Value], side: Side, sql: &mut Sql) -> String {
    match (columns, values) {
        ([column], [value, ..]) => beside(column, side.last(), value, sql),
        ([column, rest @ ..], [value, values @ ..]) => {
            let bound = beside(column, if side == Side::Behind { ">=" } else { "<=" }, value, sql);
            let beyond = beside(column, side.strict(), value, sql);
            let same = beside(column, "=", value, sql);
            let further = beside_key(rest, values, side, sql);
            format!("({bound} and ({beyond} or ({same} and {further})))")
        }
        _ => NOWHERE.into(),
    }
}

/// A column beside a value of its own. Labels are sorted by their place in the type and compared by their text, so those
/// that lie there are listed.
fn beside(column: &Column, sign: &str, value: &Value, sql: &mut Sql) -> String {
    let name = of(&column.name);
    if TypeName::of(column).base != "enum" || sign == "=" {
        return format!("{name} {sign} {}", codec::bind(column, value, sql));
    }
    let text = codec::text(value).unwrap_or_default();
    // What is no label is the empty text, and lies before all of them.
    let labels: Vec<&str> = std::iter::once("").chain(column.fit.labels.iter().map(String::as_str)).collect();
    let at = labels.iter().rposition(|label| *label == text).unwrap_or(0);
    let lies = |n: usize| match sign {
        ">" => n > at,
        ">=" => n >= at,
        "<" => n < at,
        _ => n <= at,
    };
    let there: Vec<String> =
        labels.iter().enumerate().filter(|(n, _)| lies(*n)).map(|(_, label)| sql.bind_once(*label)).collect();
    if there.is_empty() { NOWHERE.into() } else { format!("{name} in ({})", there.join(", ")) }
}

// === impl Lead ===

impl Lead {
    pub(super) fn name(&self) -> String {
        of(&self.column.name)
    }

    pub(super) fn is_null(&self) -> String {
        format!("{} is null", self.name())
    }

    /// At this very value.
    pub(super) fn at(&self, value: &Value, sql: &mut Sql) -> String {
        format!("{} = {}", self.name(), codec::bind(&self.column, value, sql))
    }

    /// From this value on; where it is absent, from the floor on, if there is one.
    pub(super) fn begin(&self, from: Option<&Value>, inclusive: bool, sql: &mut Sql) -> Option<String> {
        match from {
            Some(from) => Some(self.above(from, inclusive, sql)),
            None => self.floor.as_ref().map(|floor| format!("{} >= {floor}", self.name())),
        }
    }

    /// Up to where the lane ends.
    pub(super) fn end(&self, sql: &mut Sql) -> String {
        match &self.until {
            Some(until) => format!("{} < {}", self.name(), codec::bind(&self.column, until, sql)),
            None => format!("{} < {}", self.name(), self.cutoff),
        }
    }

    pub(super) fn above(&self, from: &Value, inclusive: bool, sql: &mut Sql) -> String {
        let sign = if inclusive { ">=" } else { ">" };
        format!("{} {sign} {}", self.name(), codec::bind(&self.column, from, sql))
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Fit, Value};

    use super::{Side, beside_key};
    use crate::query::Sql;

    fn said(columns: &[Column], values: &[Value], side: Side) -> String {
        let mut sql = Sql::default();
        let text = beside_key(columns, values, side, &mut sql);
        let mut out = String::new();
        assert!(sql.say(text).render(&mut out));
        out
    }

    #[test]
    fn keys_are_compared_column_by_column() {
        let column = |name: &str, kind, type_name: &str| Column {
            name: name.into(),
            type_name: type_name.into(),
            kind,
            nullable: false,
            fit: Fit { labels: vec!["z".into(), "a".into(), "m".into()], ..Fit::default() },
        };
        let number = column("n", ColumnKind::Integer, "bigint(20)");
        let label = column("e", ColumnKind::Text, "enum('z','a','m')");
        let (five, a) = (Value::Int(5), Value::Text("a".into()));
        assert_eq!(said(std::slice::from_ref(&number), std::slice::from_ref(&five), Side::UpTo), "t.`n` <= 5");
        assert_eq!(
            said(&[number.clone(), number.clone()], &[five.clone(), Value::Int(7)], Side::Behind),
            "(t.`n` >= 5 and (t.`n` > 5 or (t.`n` = 5 and t.`n` > 7)))"
        );
        // In the order of the type: z, a, m.
        assert_eq!(
            said(std::slice::from_ref(&label), std::slice::from_ref(&a), Side::Behind),
            "t.`e` in (_utf8mb4 'm')"
        );
        assert_eq!(
            said(std::slice::from_ref(&label), &[a], Side::UpTo),
            "t.`e` in (_utf8mb4 '', _utf8mb4 'z', _utf8mb4 'a')"
        );
        assert_eq!(said(&[label], &[Value::Text("m".into())], Side::Behind), "false");
        assert_eq!(
            said(&[number.clone(), number], &[five], Side::Behind),
            "(t.`n` >= 5 and (t.`n` > 5 or (t.`n` = 5 and false)))"
        );
    }
}
