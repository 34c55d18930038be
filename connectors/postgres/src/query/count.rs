//! Statements that count, and the planner's own guess.

use forgetd_connector::{Column, ColumnKind};

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

    /// Counts all that is due, and finds the earliest finite `since` among it, and the earliest of the column that
    /// counts in its place; as text. One scan for all.
    pub(crate) fn count_and_oldest(&self) -> Sql {
        let least = |(column, counts): (&Column, String)| {
            let name = of(&column.name);
            codec::read(column, &format!("min({name}) filter (where {counts})"))
        };
        let texts: Vec<String> = self.moments().into_iter().map(least).collect();
        let text = format!("select count(*), {} from {} where {}", texts.join(", "), self.from(), self.predicate);
        self.with_predicate().say(text)
    }

    /// The earliest moments alone, in order of the columns: right when counting stops early. All of a count would walk
    /// over every dead entry that a purge left in an index.
    pub(crate) fn oldest_first(&self) -> Sql {
        let first = |(column, counts): (&Column, String)| {
            let name = of(&column.name);
            format!(
                "(select {} from {} where {counts} and {} order by {name} limit 1)",
                codec::read(column, &name),
                self.from(),
                self.predicate,
            )
        };
        let texts: Vec<String> = self.moments().into_iter().map(first).collect();
        self.with_predicate().say(format!("select {}", texts.join(", ")))
    }

    /// The columns that hold moments, and where each of them counts.
    fn moments(&self) -> Vec<(&Column, String)> {
        let finite = |column: &Column| {
            let name = of(&column.name);
            match column.kind {
                ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date => format!("isfinite({name})"),
                _ => format!("{name} is not null"),
            }
        };
        let mut moments = vec![(&self.since, finite(&self.since))];
        // Where `since` is there, the other column does not count.
        moments.extend(self.other.iter().map(|other| (other, format!("{} and {}", self.null_since(), finite(other)))));
        moments
    }

    /// Counts the whole table, at most `limit`.
    pub(crate) fn total(&self, limit: u64) -> Sql {
        let mut sql = Sql::default();
        let limit = sql.bind(limit.into());
        let text = format!("select count(*) from (select 1 from {} limit {limit}) as {ALIAS}", self.from());
        sql.say(text)
    }

    /// One row whose `since` is not before the cutoff, and which is not due therefore; or no row. Where an index leads
    /// with `since`, its end is looked at: told to take any row, the planner may read all the due ones first.
    pub(crate) fn outside_by_since(&self, indexed: bool) -> Sql {
        let since = of(&self.since.name);
        let order = if indexed { format!(" order by {since} desc") } else { String::new() };
        let text = format!("select 1 from {} where {since} >= {}{order} limit 1", self.from(), self.cutoff);
        self.with_cutoff().say(text)
    }

    /// One row that is not due for whatever reason; or no row.
    pub(crate) fn outside(&self) -> Sql {
        let text = format!("select 1 from {} where not coalesce({}, false) limit 1", self.from(), self.predicate);
        self.with_predicate().say(text)
    }

    /// The planner's guess of how many rows are due.
    pub(crate) fn guess(&self) -> Sql {
        let text = format!("explain (format json) select 1 from {} where {}", self.from(), self.predicate);
        self.with_predicate().say(text)
    }
}
