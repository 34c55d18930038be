//! Rows that lie together: a batch whose keys are neighbours is changed by one range of keys.
//!
//! One range is faster than a thousand keys, on one of the products twice as fast. Every row in it is judged by the span and
//! the predicate as anywhere.

use forgetd_connector::LockWait;
use forgetd_connector::walk::Span;

use super::carried::{Carrier, counts};
use super::change::ALL;
use super::{Query, Sql, of};

/// The ends of the range, in variables of the session; NULL where the keys are no neighbours: a range without ends holds
/// no row.
const FIRST: &str = "@forgetd_first";
const LAST: &str = "@forgetd_last";

/// Which ends a range has.
#[derive(Clone, Copy)]
enum Ends {
    Both,
    /// All but the last row.
    First,
    /// The last row.
    Last,
}

impl Query {
    /// Whether neighbours can be told by their keys: one column of whole numbers.
    pub(crate) fn has_neighbours(&self) -> bool {
        matches!(self.key(), [column] if counts(column))
    }

    /// Counts the due rows of a span, and notes where the first and the last of their keys lie, if no key is missing in
    /// between. A range locks every row that it looks at, for a moment at least: one that is not ours would be waited for.
    pub(crate) fn gather_reach(&self, span: &Span, rows_max: u32) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let most = sql.bind(u64::from(rows_max));
        let limit = sql.bind(u64::from(rows_max) + 1);
        // As decimals: the distance of two keys can be more than their type holds.
        let distance = "cast(max(forgetd_k0) as decimal(20)) - cast(min(forgetd_k0) as decimal(20))";
        let near = format!("count(*) <= {most} and {distance} < count(*)");
        sql.say(format!(
            "select count(*), if({near}, min(forgetd_k0), null), if({near}, max(forgetd_k0), null) into {}, {FIRST}, {LAST} \
             from (select {} from {} where {within} and {} limit {limit}) as forgetd_rows",
            Carrier::Due.count(),
            self.key_named(),
            self.from(),
            self.predicate(),
        ))
    }

    /// Locks the due rows between the ends, or fails at once. Where they are no longer as many as were counted, the range
    /// has no ends any more: it would wait for the row that is not ours. Absent where the delete itself fails at once.
    pub(crate) fn lock_reach(&self, span: &Span) -> Option<Sql> {
        if self.flavour().changes_at_once() {
            return None;
        }
        let (sql, rows) = self.in_reach(span, Ends::Both);
        let locked = self.flavour().for_update("t", LockWait::Wait);
        let due = Carrier::Due.count();
        Some(sql.say(format!(
            "select if(count(*) = {due}, {LAST}, null) into {LAST} from (select 1 from {rows} {ALL} {locked}) as forgetd_rows"
        )))
    }

    /// Deletes them, where they are still due. The servers look at the row behind a range, too, and would wait for it: so it
    /// ends before its last row, which is one of them, and that one goes by itself.
    pub(crate) fn delete_reach(&self, span: &Span) -> [Sql; 2] {
        [Ends::First, Ends::Last].map(|ends| {
            let (sql, rows) = self.in_reach(span, ends);
            sql.say(format!("{}delete t from {rows}", self.flavour().at_once()))
        })
    }

    /// The due rows of the span between the ends.
    fn in_reach(&self, span: &Span, ends: Ends) -> (Sql, String) {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let key = self.key().iter().map(|column| of(&column.name)).collect::<String>();
        let between = match ends {
            Ends::Both => format!("{key} between {FIRST} and {LAST}"),
            Ends::First => format!("{key} >= {FIRST} and {key} < {LAST}"),
            Ends::Last => format!("{key} = {LAST}"),
        };
        let rows = format!("{}{} where {between} and {within} and {}", self.from(), self.by_key(), self.predicate());
        (sql, rows)
    }

    /// How many rows were due, and whether they are neighbours.
    pub(crate) fn reached() -> Sql {
        Sql::plain(format!("select {}, {LAST} is not null", Carrier::Due.count()))
    }

    /// Ends of a range of so many keys, for whoever asks the server how it would delete one.
    pub(crate) fn any_reach(rows: u32) -> Sql {
        Sql::plain(format!("set {FIRST} = 1, {LAST} = {rows}"))
    }
}
