//! Lookups: where a batch ends. They read bounds and nothing else.

use forgetd_connector::Value;
use forgetd_connector::walk::{Peek, Span};

use super::{ALIAS, Query, Sql, of};
use crate::codec;

impl Query {
    /// The `since` of the row `window` rows on, by the index alone. One row, one column; or no row.
    pub(crate) fn peek_since(&self, peek: &Peek, window: u64) -> Option<Sql> {
        let (Peek::Since { from, inclusive }, Some(lead)) = (peek, &self.lead) else { return None };
        let mut sql = self.with_cutoff();
        let since = lead.name();
        let ahead = self.ahead(from.as_ref(), *inclusive, &mut sql);
        let window = sql.bind(window.into());
        // Read as text outside: inside it would be done for every row that is passed.
        let text = format!(
            "select {} from (select {since} from {} where {ahead} order by {since} offset {window} limit 1) as {ALIAS}",
            codec::read(lead.column.kind, &since),
            self.from(),
        );
        Some(sql.say(text))
    }

    /// The ends of the next `ends` spans of `window` rows inside one `since`, or among NULLs: one row per end, the
    /// key's columns.
    pub(crate) fn peek_keys(&self, peek: &Peek, window: u64, ends: u64) -> Option<Sql> {
        let mut sql = self.with_cutoff();
        let rows = self.rows_of_keys(peek, &mut sql)?;
        let keys = self.key_columns().join(", ");
        let most = sql.bind((window * ends).into());
        let window = sql.bind(window.into());
        let text = format!(
            "select {texts} from (select *, row_number() over (order by {keys}) as forgetd_n from \
             (select {keys} from {from} where {rows} order by {keys} limit {most}) as {ALIAS}) as {ALIAS} \
             where forgetd_n % {window} = 0 order by forgetd_n",
            texts = self.key_texts().join(", "),
            from = self.from(),
        );
        Some(sql.say(text))
    }

    /// The same as the two above, but counting due rows: a span that ends there holds at most `due_max` of them. No
    /// more than `window` rows are looked at. One row: the bound by due rows, then the bound by rows looked at, each
    /// as many columns as the position has.
    pub(crate) fn peek_due(&self, peek: &Peek, due_max: u32, window: u64) -> Option<Sql> {
        let mut sql = self.with_predicate();
        // A range ends before the row that is one too many, a range of keys with the last row that fits.
        let (read, columns, rows, beyond) = match peek {
            Peek::Since { from, inclusive } => {
                let lead = self.lead.as_ref()?;
                let rows = self.ahead(from.as_ref(), *inclusive, &mut sql);
                (vec![&lead.column], vec![lead.name()], rows, 0)
            }
            Peek::Inside { .. } | Peek::Nulls { .. } | Peek::Keys { .. } => {
                (self.key.iter().collect(), self.key_columns(), self.rows_of_keys(peek, &mut sql)?, 1)
            }
        };
        let order = columns.join(", ");
        let due_at = sql.bind((u64::from(due_max) - beyond).into());
        let window_at = sql.bind((window - beyond).into());
        let most = sql.bind((window + 1 - beyond).into());
        let named: Vec<String> = columns.iter().enumerate().map(|(n, column)| format!("{column} as b{n}")).collect();
        let pick = |what: &str, at: &str| {
            let one = |n: usize| {
                let text = codec::read(read[n].kind, &format!("b{n}"));
                format!(
                    "(select {text} from (select b{n} from forgetd_rows {what} order by n offset {at} limit 1) as b)"
                )
            };
            (0..read.len()).map(one).collect::<Vec<_>>().join(", ")
        };
        let text = format!(
            "with forgetd_rows as materialized (select {named}, coalesce({predicate}, false) as due, \
             row_number() over (order by {order}) as n from {from} where {rows} order by {order} limit {most}) \
             select {by_due}, {by_rows}",
            named = named.join(", "),
            predicate = self.predicate,
            from = self.from(),
            by_due = pick("where due", &due_at),
            by_rows = pick("", &window_at),
        );
        Some(sql.say(text))
    }

    /// The physical row id of the due row that is one too many for `due_max` between two ids; or no row.
    pub(crate) fn peek_physical(&self, from: u64, to: u64, due_max: u32) -> Sql {
        let mut sql = self.with_predicate();
        let span = self.within(&Span::Physical { from, to }, &mut sql);
        let offset = sql.bind(u64::from(due_max).into());
        let text = format!(
            "select {ALIAS}.ctid::text from {} where {span} and {} order by {ALIAS}.ctid offset {offset} limit 1",
            self.from(),
            self.predicate,
        );
        sql.say(text)
    }

    /// How many of the next `rows` rows in order of `since` there are, and in how many blocks they lie.
    pub(crate) fn laid_next(&self, peek: &Peek, rows: u64) -> Option<Sql> {
        let (Peek::Since { from, inclusive }, Some(lead)) = (peek, &self.lead) else { return None };
        let mut sql = self.with_cutoff();
        let since = lead.name();
        let ahead = self.ahead(from.as_ref(), *inclusive, &mut sql);
        let rows = sql.bind(rows.into());
        let text = format!(
            "select count(*), count(distinct (at::text::point)[0]) \
             from (select {ALIAS}.ctid as at from {} where {ahead} order by {since} limit {rows}) as {ALIAS}",
            self.from(),
        );
        Some(sql.say(text))
    }

    /// How many rows lie in a span, and how many of them are due.
    pub(crate) fn laid_within(&self, span: &Span) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let text =
            format!("select count(*), count(*) filter (where {}) from {} where {within}", self.predicate, self.from(),);
        sql.say(text)
    }

    /// The condition that a row lies ahead in order of `since`.
    fn ahead(&self, from: Option<&Value>, inclusive: bool, sql: &mut Sql) -> String {
        self.within(&Span::Range { from: from.cloned(), inclusive, to: None }, sql)
    }

    /// The rows that a lookup of keys walks, whatever else holds for them.
    fn rows_of_keys(&self, peek: &Peek, sql: &mut Sql) -> Option<String> {
        if let Peek::Keys { after } = peek {
            return Some(self.between_keys(None, after.as_ref(), None, sql));
        }
        let lead = self.lead.as_ref()?;
        Some(match peek {
            Peek::Since { .. } | Peek::Keys { .. } => return None,
            Peek::Inside { since, after } => self.between_keys(Some(lead.at(since, sql)), after.as_ref(), None, sql),
            Peek::Nulls { after } => {
                let mut shared = lead.is_null();
                if let Some(other) = &self.other {
                    shared = format!("{shared} and {} < {}", of(&other.name), lead.cutoff);
                }
                self.between_keys(Some(shared), after.as_ref(), None, sql)
            }
        })
    }
}
