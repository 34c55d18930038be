//! Rows that lie together: a batch whose keys are neighbours is changed by one range of keys.
//!
//! One range is about twice as fast as a thousand keys, on both products. It looks at every row that lies in it, so it is
//! for spans in which hardly any other row lies; and every row in it is judged by the span and the predicate as anywhere.

use forgetd_connector::LockWait;
use forgetd_connector::walk::Span;

use super::carried::{Carrier, counts};
use super::change::ALL;
use super::{Query, Sql, of};

/// The ends of the range, in variables of the session; NULL where the keys are no neighbours: a range without ends holds
/// no row.
const FIRST: &str = "@forgetd_first";
const LAST: &str = "@forgetd_last";

impl Query {
    /// Whether neighbours can be told by their keys: one column of whole numbers.
    pub(crate) fn has_neighbours(&self) -> bool {
        matches!(self.key(), [column] if counts(column))
    }

    /// Counts the due rows of a span, and notes where the first and the last of their keys lie, if that is no further apart
    /// than a quarter more than there are rows.
    pub(crate) fn gather_reach(&self, span: &Span, rows_max: u32) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let most = sql.bind(u64::from(rows_max));
        let limit = sql.bind(u64::from(rows_max) + 1);
        // As decimals: the distance of two keys can be more than their type holds.
        let distance = "cast(max(forgetd_k0) as decimal(20)) - cast(min(forgetd_k0) as decimal(20))";
        let near = format!("count(*) <= {most} and {distance} <= count(*) * 5 div 4 + 16");
        sql.say(format!(
            "select count(*), if({near}, min(forgetd_k0), null), if({near}, max(forgetd_k0), null) into {}, {FIRST}, {LAST} \
             from (select {} from {} where {within} and {} limit {limit}) as forgetd_rows",
            Carrier::Due.count(),
            self.key_named(),
            self.from(),
            self.predicate(),
        ))
    }

    /// Locks the due rows between the ends, or fails at once.
    pub(crate) fn lock_reach(&self, span: &Span) -> Sql {
        let (sql, rows) = self.in_reach(span);
        let locked = self.flavour().for_update("t", LockWait::Wait);
        sql.say(format!("select count(*) from (select 1 from {rows} {ALL} {locked}) as forgetd_rows"))
    }

    /// Deletes them.
    pub(crate) fn delete_reach(&self, span: &Span) -> Sql {
        let (sql, rows) = self.in_reach(span);
        sql.say(format!("{}delete t from {rows}", self.flavour().at_once()))
    }

    /// The due rows of the span between the ends.
    fn in_reach(&self, span: &Span) -> (Sql, String) {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let key = self.key().iter().map(|column| of(&column.name)).collect::<String>();
        let rows = format!(
            "{}{} where {key} between {FIRST} and {LAST} and {within} and {}",
            self.from(),
            self.by_key(),
            self.predicate()
        );
        (sql, rows)
    }

    /// How many rows were due, and whether they are neighbours.
    pub(crate) fn reached() -> Sql {
        Sql::plain(format!("select {}, {FIRST} is not null", Carrier::Due.count()))
    }
}
