//! Statements that count, for measuring and for findings.

use forgetd_connector::Until;

use super::text::integer;
use super::{Lead, Query, Scope};

/// Among how many rows the oldest is looked for, where they come in order.
const OLDEST_ROWS: u64 = 1_000;

/// And where they do not.
const OLDEST_OF_SEVERAL_ROWS: u64 = 100_000;

// === impl Scope ===

impl Scope {
    /// Counts all that is due, up to `cap`.
    pub(crate) fn count(&self, cap: Option<u64>) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let limit = match cap {
            Some(cap) => format!("\nlimit {}", query.bind(integer(cap.saturating_add(1)))),
            None => String::new(),
        };
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}\nwhere {reach}\n  and {}{limit})",
            self.table, self.predicate.sql
        );
        query
    }

    /// Counts the rows of the table, up to `cap`.
    pub(crate) fn total(&self, cap: Option<u64>) -> Query {
        let mut query = Query::default();
        query.sql = match cap {
            Some(cap) => {
                let limit = query.bind(integer(cap.saturating_add(1)));
                format!("select count(*)\nfrom (select 1 from {} limit {limit})", self.table)
            }
            None => format!("select count(*) from {}", self.table),
        };
        query
    }

    /// Counts one row, if there is one, whose leading column no due row can have: an index leads to it.
    pub(crate) fn outside_by_since(&self) -> Query {
        let mut query = Query::default();
        let beyond = match &self.lead {
            Some(Lead { column, form }) => {
                let (_, high) = form.bounds(Until::Cutoff(self.cutoff));
                format!("{column} >= {}", query.bind(high))
            }
            None => "0".into(),
        };
        query.sql =
            format!("select count(*)\nfrom (select 1 from {}{}\nwhere {beyond}\nlimit 1)", self.table, self.hint);
        query
    }

    /// Counts one row, if there is one, that is not due for whatever reason.
    pub(crate) fn outside(&self) -> Query {
        let mut query = self.begin();
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}\nwhere not ifnull(({}), 0)\nlimit 1)",
            self.table, self.predicate.sql
        );
        query
    }

    /// The moments of due rows among which the oldest is: the first in the leading column's own order, or (`instead`)
    /// among its NULLs. Exact where one column is written in one way, and less than two days off where it mixes
    /// separators or offsets; of several columns or another table, exact among the first of a table that has more.
    pub(crate) fn oldest(&self, instead: bool) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let (order, rows) = match &self.lead {
            Some(lead) if self.moments.is_ordered() => {
                let null = if instead { "" } else { "not " };
                (format!("\n  and {} is {null}null\norder by {}", lead.column, self.moments.select()), OLDEST_ROWS)
            }
            _ => (String::new(), OLDEST_OF_SEVERAL_ROWS),
        };
        let limit = query.bind(integer(rows));
        query.sql = format!(
            "select {}\nfrom {}\nwhere {reach}\n  and {}{order}\nlimit {limit}",
            self.moments.select(),
            self.table,
            self.predicate.sql
        );
        query
    }
}
