//! Lookups: where a batch ends. They read bounds and nothing else.

use forgetd_connector::walk::Peek;

use super::{ALIAS, Query, Sql, of};
use crate::codec;

impl Query {
    /// The `since` of the row `window` rows on, by the index alone. One row, one column; or no row.
    pub(crate) fn peek_since(&self, peek: &Peek, window: u64) -> Option<Sql> {
        let (Peek::Since { from, inclusive }, Some(lead)) = (peek, &self.lead) else { return None };
        let mut sql = self.with_cutoff();
        let since = lead.name();
        let mut bounds = vec![lead.end(&mut sql)];
        bounds.splice(0..0, lead.begin(from.as_ref(), *inclusive, &mut sql));
        let window = sql.bind(window);
        // Read as text outside: inside it would be done for every row that is passed.
        let text = format!(
            "select {} from (select {since} from {} where {} order by {since} limit 1 offset {window}) as {ALIAS}",
            codec::read(&lead.column, &since),
            self.from(),
            bounds.join(" and "),
        );
        Some(sql.say(text))
    }

    /// The ends of the next `ends` spans of `window` rows inside one `since`, or among NULLs: one row per end, the
    /// key's columns.
    pub(crate) fn peek_keys(&self, peek: &Peek, window: u64, ends: u64) -> Option<Sql> {
        let mut sql = self.with_cutoff();
        let rows = self.rows_of_keys(peek, &mut sql)?;
        let keys = self.key_columns().join(", ");
        let most = sql.bind(window * ends);
        let window = sql.bind(window);
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
                let mut rows = lead.end(&mut sql);
                if let Some(begin) = lead.begin(from.as_ref(), *inclusive, &mut sql) {
                    rows = format!("{begin} and {rows}");
                }
                (vec![&lead.column], vec![lead.name()], rows, 1)
            }
            Peek::Inside { .. } | Peek::Nulls { .. } | Peek::Keys { .. } => {
                (self.key.iter().collect(), self.key_columns(), self.rows_of_keys(peek, &mut sql)?, 0)
            }
        };
        let order = columns.join(", ");
        let due_at = sql.bind(u64::from(due_max) + beyond);
        let row_at = sql.bind(window + beyond);
        let named: Vec<String> = columns.iter().enumerate().map(|(n, column)| format!("{column} as b{n}")).collect();
        let pick = |condition: &str| {
            let one =
                |(n, column)| format!("max(case when {condition} then {} end)", codec::read(column, &format!("b{n}")));
            read.iter().copied().enumerate().map(one).collect::<Vec<_>>().join(", ")
        };
        let again: Vec<String> = (0..columns.len()).map(|n| format!("b{n}")).collect();
        // The rows are taken before any of them is counted: both products number every row there is, and only then keep to
        // a limit beside it.
        let text = format!(
            "select {by_due}, {by_rows} from (select *, sum(forgetd_due) over (order by forgetd_n \
             rows between unbounded preceding and current row) as forgetd_before from \
             (select *, row_number() over (order by {again}) as forgetd_n from \
             (select {named}, coalesce({predicate}, false) as forgetd_due from {from} where {rows} order by {order} \
             limit {row_at}) as {ALIAS}) as {ALIAS}) as {ALIAS}",
            again = again.join(", "),
            by_due = pick(&format!("forgetd_due and forgetd_before = {due_at}")),
            by_rows = pick(&format!("forgetd_n = {row_at}")),
            named = named.join(", "),
            predicate = self.predicate,
            from = self.from(),
        );
        Some(sql.say(text))
    }

    /// The rows that a lookup of keys walks, whatever else holds for them.
    fn rows_of_keys(&self, peek: &Peek, sql: &mut Sql) -> Option<String> {
        if let Peek::Keys { after } = peek {
            return Some(self.between_keys(None, after.as_ref(), self.until.as_ref(), sql));
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
