//! Statements that count, for measuring and for findings.

use forgetd_connector::WhenNull;

use super::text::integer;
use super::{Query, Reading, Scope, Walk, quote};

/// Among how many rows the oldest is looked for.
const OLDEST_ROWS: u64 = 1_000;

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

    /// Counts one row, if there is one, whose `since` no due row can have: an index leads to it.
    pub(crate) fn outside_by_since(&self) -> Query {
        let mut query = Query::default();
        let (_, high) = self.since_bounds();
        let high = query.bind(high);
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}{}\nwhere {} >= {high}\nlimit 1)",
            self.table, self.hint, self.since
        );
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

    /// The earliest due moment in `since` (or, among its NULLs, in the column used instead), as [`Form::read`] reads
    /// it. Looked for among the first in the column's own order: exact where a column is written in one way, and less
    /// than two days off where it mixes separators or offsets.
    pub(crate) fn oldest(&self, reading: Reading) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let (column, null) = match (reading, &self.when_null) {
            (Reading::Since, _) => (self.since.clone(), "not null"),
            (Reading::Instead, WhenNull::Use(other)) => (quote(other), "null"),
            (Reading::Instead, _) => ("null".into(), "null"),
        };
        let limit = query.bind(integer(OLDEST_ROWS));
        query.sql = format!(
            "select min({})\nfrom (select {column} as moment from {}\nwhere {} is {null}\n  and {reach}\n  and {}\n\
             order by {column}\nlimit {limit})",
            self.form.moment("moment"),
            self.table,
            self.since,
            self.predicate.sql
        );
        query
    }

    /// Counts values of `since` that are neither NULL nor time: they are kept. Looks at `rows` rows from one end.
    pub(crate) fn unreadable(&self, rows: u64, last_first: bool) -> Query {
        let mut query = Query::default();
        let order = match (self.walk, last_first) {
            (Walk::Since, false) => format!(" order by {}", self.since),
            (Walk::Since, true) => format!(" order by {} desc", self.since),
            (Walk::Rows, _) => String::new(),
        };
        let limit = query.bind(integer(rows));
        query.sql = format!(
            "select count(*)\nfrom (select {0} from {1} where {0} is not null{order} limit {limit})\nwhere not {2}",
            self.since,
            self.table,
            self.form.readable(&self.since)
        );
        query
    }
}
