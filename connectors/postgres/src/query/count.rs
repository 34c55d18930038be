//! Statements that count, and the planner's own guess.

use super::{ALIAS, Query, Sql, of};
use crate::codec;

impl Query {
    /// Counts what is due, at most `limit`.
    pub(crate) fn count(&self, limit: Option<u64>) -> Sql {
        let mut sql = self.with_predicate();
        let text = match limit {
            None => format!("select count(*) from {} where {}", self.from(), self.predicate),
            Some(limit) => {
                let limit = sql.bind(limit.into());
                format!(
                    "select count(*) from (select 1 from {} where {} limit {limit}) as {ALIAS}",
                    self.from(),
                    self.predicate
                )
            }
        };
        sql.say(text)
    }

    /// The earliest finite `since` among due rows, and the earliest of the column that counts in its place; as text.
    pub(crate) fn oldest(&self) -> Sql {
        let mut columns = vec![&self.since];
        columns.extend(&self.other);
        let sql = self.with_predicate();
        let earliest: Vec<String> = columns
            .iter()
            .map(|column| {
                let name = of(&column.name);
                // Where `since` is there, the other column does not count.
                let counts =
                    if column.name == self.since.name { String::new() } else { format!("{} and ", self.null_since()) };
                let finite = match column.kind {
                    forgetd_connector::ColumnKind::Instant
                    | forgetd_connector::ColumnKind::NaiveTime
                    | forgetd_connector::ColumnKind::Date => format!("isfinite({name})"),
                    _ => format!("{name} is not null"),
                };
                format!(
                    "(select {} from {} where {counts}{finite} and {} order by {name} limit 1)",
                    codec::read(column, &name),
                    self.from(),
                    self.predicate,
                )
            })
            .collect();
        sql.say(format!("select {}", earliest.join(", ")))
    }

    /// Counts the whole table, at most `limit`.
    pub(crate) fn total(&self, limit: u64) -> Sql {
        let mut sql = Sql::default();
        let limit = sql.bind(limit.into());
        let text = format!("select count(*) from (select 1 from {} limit {limit}) as {ALIAS}", self.from());
        sql.say(text)
    }

    /// The planner's guess of how many rows are due.
    pub(crate) fn guess(&self) -> Sql {
        let text = format!("explain (format json) select 1 from {} where {}", self.from(), self.predicate);
        self.with_predicate().say(text)
    }
}
