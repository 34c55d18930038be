//! Bounds of spans, as conditions.

use forgetd_connector::walk::Span;
use forgetd_connector::{Key, Value};

use super::{ALIAS, Lead, Param, Query, Sql, of};
use crate::codec;

/// Physical row ids as one number: the block above, 16 bits of line pointer below.
pub(crate) const LINE_BITS: u32 = 16;

/// A physical row id in the engine's text form.
pub(crate) fn tid(id: u64) -> String {
    format!("({},{})", id >> LINE_BITS, id & 0xffff)
}

/// Reads a physical row id.
pub(crate) fn tid_from(text: &str) -> Option<u64> {
    let (block, line) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some((block.parse::<u64>().ok()? << LINE_BITS) | line.parse::<u64>().ok()?)
}

/// A span in the order of a column that there is not.
const NOWHERE: &str = "false";

impl Query {
    /// The condition that a row lies in the span. The predicate stands beside it and repeats the cutoff.
    pub(super) fn within(&self, span: &Span, sql: &mut Sql) -> String {
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
            Span::Physical { from, to } => {
                let from = sql.bind(Param::Text(Some(tid(*from))));
                let to = sql.bind(Param::Text(Some(tid(*to))));
                format!("{ALIAS}.ctid >= {from}::text::tid and {ALIAS}.ctid < {to}::text::tid")
            }
        }
    }

    /// Rows of a range of keys for which something else holds too.
    pub(super) fn between_keys(
        &self,
        shared: Option<String>,
        after: Option<&Key>,
        to: Option<&Key>,
        sql: &mut Sql,
    ) -> String {
        let mut parts: Vec<String> = shared.into_iter().collect();
        if let Some(after) = after {
            parts.push(self.beside_key(">", after, sql));
        }
        if let Some(to) = to {
            parts.push(self.beside_key("<=", to, sql));
        }
        if parts.is_empty() {
            return "true".into();
        }
        parts.join(" and ")
    }

    fn beside_key(&self, sign: &str, key: &Key, sql: &mut Sql) -> String {
        let values: Vec<String> =
            self.key.iter().zip(&key.0).map(|(column, value)| codec::bind(column, value, sql)).collect();
        format!("({}) {sign} ({})", self.key_columns().join(", "), values.join(", "))
    }

    /// The key's columns of the aliased table.
    pub(super) fn key_columns(&self) -> Vec<String> {
        self.key.iter().map(|column| of(&column.name)).collect()
    }

    /// The key's columns, read as text.
    pub(super) fn key_texts(&self) -> Vec<String> {
        self.key.iter().map(|column| codec::read(column.kind, &of(&column.name))).collect()
    }
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
    use super::{tid, tid_from};

    #[test]
    fn row_ids_survive() {
        for id in [0, 1, 0x1_0000, 0x2a_0007, 0xffff_ffff_0001] {
            assert_eq!(tid_from(&tid(id)), Some(id));
        }
        assert_eq!(tid_from("(1)"), None);
    }
}
