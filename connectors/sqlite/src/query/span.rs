//! Spans: the rows a batch looks at, as conditions that an index serves, and the lookups that find where they end.

use forgetd_connector::walk::{Peek, Span};
use forgetd_connector::{Key, Table, Until, Value};
use rusqlite::types::Value as Sql;

use super::text::integer;
use super::{Lead, Query, Scope};

/// How a lane walks its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// In the order of `since`, by its index.
    Since,
    /// In the order of the table itself: row ids, or the primary key of a table without them.
    Rows,
}

/// The rows one batch looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Area {
    /// A span of the walk by `since`.
    Since(Span),
    /// A range of rows in the table's own order, behind `after`, up to and with `to`; absent: no bound.
    Rows {
        /// The last row that was passed.
        after: Option<Key>,
        /// The last row of the range.
        to: Option<Key>,
    },
}

// === impl Area ===

impl Area {
    /// Whether the index on `since` serves it.
    pub(crate) const fn uses_since(&self) -> bool {
        matches!(self, Self::Since(_))
    }
}

// === impl Scope ===

impl Scope {
    /// The condition that a row lies in an area.
    pub(super) fn within(&self, area: &Area, query: &mut Query) -> String {
        match area {
            Area::Rows { after, to } => {
                let mut parts = vec![];
                self.push_rows(after.as_ref(), to.as_ref(), query, &mut parts);
                if parts.is_empty() {
                    // Every row, said so that a statement always has a condition: one without is a truncation.
                    parts.push("1".into());
                }
                parts.join("\n  and ")
            }
            Area::Since(span) => self.within_since(span, query),
        }
    }

    fn within_since(&self, span: &Span, query: &mut Query) -> String {
        let mut parts = vec![];
        let Some(lead) = &self.lead else { return "0".into() };
        let since = &lead.column;
        match span {
            Span::Range { from, inclusive, to } => {
                let (low, high) = self.bounds(lead);
                let sign = if *inclusive { ">=" } else { ">" };
                let from = match from {
                    Some(from) => query.bind_value(from),
                    None => query.bind(low),
                };
                let to = match to {
                    Some(to) => query.bind_value(to),
                    None => query.bind(high),
                };
                parts.push(format!("{since} {sign} {from}"));
                parts.push(format!("{since} < {to}"));
            }
            Span::Inside { since: value, after, to } => {
                let value = query.bind_value(value);
                parts.push(format!("{since} = {value}"));
                self.push_rows(after.as_ref(), to.as_ref(), query, &mut parts);
            }
            Span::Nulls { after, to } => {
                parts.push(format!("{since} is null"));
                self.push_rows(after.as_ref(), to.as_ref(), query, &mut parts);
            }
            // Row ids are signed here, so ranges of them and of keys are `Area::Rows`; this one is empty.
            Span::Physical { .. } | Span::Keys { .. } => parts.push("0".into()),
        }
        parts.join("\n  and ")
    }

    fn push_rows(&self, after: Option<&Key>, to: Option<&Key>, query: &mut Query, parts: &mut Vec<String>) {
        for (sign, key) in [(">", after), ("<=", to)] {
            if let Some(key) = key {
                let values: Vec<String> = key.0.iter().map(|value| query.bind_value(value)).collect();
                parts.push(format!("{} {sign} {}", tuple(&self.row), tuple(&values)));
            }
        }
    }

    /// Bounds on the leading column, with and without: every value of a due row lies between them.
    pub(super) fn bounds(&self, lead: &Lead) -> (Sql, Sql) {
        let (low, high) = lead.form.bounds(Until::Cutoff(self.cutoff));
        (self.floor.map_or(low, |floor| lead.form.floor(Until::Cutoff(floor))), high)
    }

    /// The condition that a row can be due, as far as bounds on the leading column say.
    pub(super) fn reach(&self, query: &mut Query) -> String {
        // Without a column that bounds it, every row: said so that a statement always has a condition.
        let Some(lead) = &self.lead else { return "1".into() };
        let (column, (low, high)) = (&lead.column, self.bounds(lead));
        let (low, high) = (query.bind(low), query.bind(high));
        let range = format!("{column} >= {low} and {column} < {high}");
        if self.walks_nulls { format!("(({range}) or {column} is null)") } else { range }
    }

    /// Looks up what a position of the walk by `since` needs: one value of `since`, or the walk key of one row.
    pub(crate) fn peek(&self, peek: &Peek, rows: u64) -> Query {
        let mut query = Query::default();
        let since = self.lead.as_ref().map_or("null", |lead| lead.column.as_str());
        let (select, span, order, offset) = match peek {
            Peek::Since { from, inclusive } => {
                let span = Span::Range { from: from.clone(), inclusive: *inclusive, to: None };
                (since.to_owned(), span, since.to_owned(), rows)
            }
            Peek::Inside { since, after } => {
                let span = Span::Inside { since: since.clone(), after: after.clone(), to: None };
                (self.row.join(", "), span, self.row.join(", "), rows.saturating_sub(1))
            }
            Peek::Nulls { after } | Peek::Keys { after } => {
                let span = Span::Nulls { after: after.clone(), to: None };
                (self.row.join(", "), span, self.row.join(", "), rows.saturating_sub(1))
            }
        };
        let within = self.within_since(&span, &mut query);
        let offset = query.bind(integer(offset));
        query.sql = format!(
            "select {select}\nfrom {}{}\nwhere {within}\norder by {order}\nlimit 1 offset {offset}",
            self.table, self.hint
        );
        query
    }

    /// Looks up the last row of a range in the table's own order: the `rows`-th behind `after`.
    pub(crate) fn peek_rows(&self, after: Option<&Key>, rows: u64) -> Query {
        let mut query = Query::default();
        let within = self.within(&Area::Rows { after: after.cloned(), to: None }, &mut query);
        let offset = query.bind(integer(rows.saturating_sub(1)));
        let row = self.row.join(", ");
        query.sql =
            format!("select {row}\nfrom {}\nwhere {within}\norder by {row}\nlimit 1 offset {offset}", self.table);
        query
    }

    /// The row ids of the next rows in order of `since`. For tables with row ids.
    pub(crate) fn next_row_ids(&self, peek: &Peek, rows: u64) -> Query {
        let mut query = Query::default();
        let (Peek::Since { from, inclusive }, Some(lead)) = (peek, &self.lead) else {
            query.sql = "select null where 0".into();
            return query;
        };
        let span = Span::Range { from: from.clone(), inclusive: *inclusive, to: None };
        let within = self.within_since(&span, &mut query);
        let rows = query.bind(integer(rows));
        query.sql = format!(
            "select {}\nfrom {}{}\nwhere {within}\norder by {}\nlimit {rows}",
            self.row.join(", "),
            self.table,
            self.hint,
            lead.column
        );
        query
    }

    /// The first and the last row id. For tables with row ids.
    pub(crate) fn row_id_bounds(&self) -> Query {
        let row = self.row.join(", ");
        let one = |order| format!("(select {row} from {} order by {row} {order} limit 1)", self.table);
        Query { sql: format!("select {}, {}", one("asc"), one("desc")), values: vec![] }
    }

    /// The columns of the walk's own key.
    pub(crate) const fn row_width(&self) -> usize {
        self.row.len()
    }

    /// A span with both bounds, for showing.
    pub(super) fn example(&self) -> Area {
        match self.walk {
            Walk::Since => Area::Since(Span::Range { from: Some(Value::Null), inclusive: true, to: Some(Value::Null) }),
            Walk::Rows => {
                let key = Key(vec![Value::Null; self.row.len()]);
                Area::Rows { after: Some(key.clone()), to: Some(key) }
            }
        }
    }

    pub(super) fn peek_example(&self) -> Query {
        match self.walk {
            Walk::Since => self.peek(&Peek::Since { from: Some(Value::Null), inclusive: true }, 1),
            Walk::Rows => self.peek_rows(Some(&Key(vec![Value::Null; self.row.len()])), 1),
        }
    }
}

/// The index that serves the walk by `since`: the one with the fewest columns, because inside one `since` its entries
/// then lie in the order of the rows.
pub(super) fn index_for<'a>(table: &'a Table, since: &str) -> Option<&'a str> {
    table
        .indexes
        .iter()
        .filter(|index| index.columns.first().is_some_and(|first| first == since))
        .min_by_key(|index| (index.columns.len(), &index.name))
        .map(|index| index.name.as_str())
}

fn tuple(parts: &[String]) -> String {
    match parts {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    }
}
