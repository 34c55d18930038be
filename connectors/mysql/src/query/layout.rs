//! Looks at how rows lie. They read and lock nothing.

use forgetd_connector::Key;
use forgetd_connector::walk::Peek;

use super::{ALIAS, Query, Sql};

impl Query {
    /// The keys of the next rows in order of `since`, at most so many, by the index alone.
    pub(crate) fn next_keys(&self, peek: &Peek, rows: u64) -> Option<Sql> {
        let (Peek::Since { from, inclusive }, Some(lead)) = (peek, &self.lead) else { return None };
        let mut sql = self.with_cutoff();
        let mut bounds = vec![lead.end(&mut sql)];
        bounds.splice(0..0, lead.begin(from.as_ref(), *inclusive, &mut sql));
        let rows = sql.bind(rows);
        let text = format!(
            "select {} from {} where {} order by {} limit {rows}",
            self.key_texts().join(", "),
            self.from(),
            bounds.join(" and "),
            lead.name(),
        );
        Some(sql.say(text))
    }

    /// The least key and the greatest one, where the key is one column.
    pub(crate) fn ends_of_keys(&self) -> Option<Sql> {
        let [column] = &*self.key_columns() else { return None };
        Some(Sql::plain(format!("select min({column}), max({column}) from {}", self.from())))
    }

    /// How many rows there are behind a key, of so many at most, and how many of them are due.
    pub(crate) fn due_behind(&self, after: &Key, rows: u64) -> Sql {
        let mut sql = self.with_predicate();
        let behind = self.between_keys(None, Some(after), None, &mut sql);
        let rows = sql.bind(rows);
        let text = format!(
            "select count(*), count(forgetd_due) from (select if({}, 1, null) as forgetd_due from {}{} where {behind} \
             order by {} limit {rows}) as {ALIAS}",
            self.predicate(),
            self.from(),
            self.by_key(),
            self.key_columns().join(", "),
        );
        sql.say(text)
    }
}
