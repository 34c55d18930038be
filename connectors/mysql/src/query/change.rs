//! Statements that take rows away, and the counts beside them.

use std::collections::BTreeMap;

use forgetd_connector::walk::Span;
use forgetd_connector::{Fault, Key, LockWait};

use super::carried::Carrier;
use super::{ALIAS, Query, Sql};

/// What a derived table that shall be worked out first is limited to: the engine would put a condition of the outer
/// statement into one without a limit, or the rows that it locks into another order of joins.
pub(super) const ALL: &str = "limit 9223372036854775807";

impl Query {
    /// Reads the keys of the due rows of a span, without a lock, and carries them on, unless there are more than
    /// `rows_max`.
    ///
    /// Locks are taken by key afterwards. A read that locks takes a lock on every row that it looks at, by every index that
    /// it goes through, and one of the products keeps those of rows that turn out to be none of ours: an update of a live
    /// row inside the span would wait for the batch.
    pub(crate) fn gather(&self, span: &Span, rows_max: u32) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let most = sql.bind(u64::from(rows_max));
        let limit = sql.bind(u64::from(rows_max) + 1);
        let rows = format!(
            "select {} from {} where {within} and {} limit {limit}",
            self.key_named(),
            self.from(),
            self.predicate()
        );
        self.carry(sql, Carrier::Due, &rows, Some(&most))
    }

    /// Carries keys on that we give.
    pub(crate) fn gather_keys(&self, keys: &[Key]) -> Result<Sql, Fault> {
        let mut sql = Sql::default();
        let listed = self.listed(keys, &mut sql)?;
        let count = sql.bind(keys.len() as u64);
        let text = format!("set {} = {listed}, {} = {count}", Carrier::Due.keys(), Carrier::Due.count());
        Ok(sql.say(text))
    }

    /// Locks the carried rows that are due and can be locked at once, and deletes them: for rows whose fate hangs on
    /// nothing else.
    ///
    /// Locked and deleted in one statement, but one after the other: a delete by itself would wait for each row that
    /// somebody else has locked, holding those that it has. Where it can be told not to, and fails then, it is enough: a quarter
    /// faster.
    pub(crate) fn delete_free(&self, locks: LockWait) -> Sql {
        if locks == LockWait::Wait && self.flavour().changes_at_once() {
            return self.delete_carried(Carrier::Due);
        }
        let text = format!(
            "{}delete {ALIAS} from ({}) as forgetd_free straight_join {}{} on {} where {}",
            self.flavour().at_once(),
            self.locking(Carrier::Due, locks),
            self.from(),
            self.by_key(),
            self.same_key("forgetd_free"),
            self.predicate()
        );
        self.with_predicate().say(text)
    }

    /// Deletes carried rows, which are locked or need not be.
    pub(crate) fn delete_carried(&self, carrier: Carrier) -> Sql {
        let (at_once, rows) = (self.flavour().at_once(), self.rows_of(carrier.keys()));
        let text = format!("{at_once}delete {ALIAS} from {rows}{}", self.still());
        self.with_predicate().say(text)
    }

    /// Deletes the carried rows that are due: for tables whose rows cannot be locked.
    pub(crate) fn delete_due(&self, carrier: Carrier) -> Sql {
        let text = format!("delete {ALIAS} from {} where {}", self.rows_of(carrier.keys()), self.predicate());
        self.with_predicate().say(text)
    }

    /// The predicate once more beside rows that are locked and judged, where it looks at nothing but themselves. Where it
    /// looks elsewhere it is left out: a statement that writes would lock what it reads there.
    pub(super) fn still(&self) -> String {
        if self.looks_elsewhere() { String::new() } else { format!(" where {}", self.predicate()) }
    }

    /// Counts the carried rows that are due.
    pub(crate) fn due_carried(&self, carrier: Carrier) -> Sql {
        let text = format!("select count(*) from {} where {}", self.rows_of(carrier.keys()), self.predicate());
        self.with_predicate().say(text)
    }

    /// Reads the keys of carried rows.
    pub(crate) fn keys_carried(&self, carrier: Carrier) -> Sql {
        Sql::plain(format!("select {} from {}", self.key_texts().join(", "), self.rows_of(carrier.keys())))
    }

    /// How many keys were carried, and how many arrived: two numbers for each carrier.
    pub(crate) fn carried_rows(carriers: &[Carrier]) -> Sql {
        let one = |carrier: &Carrier| format!("{}, coalesce(json_length({}), 0)", carrier.count(), carrier.keys());
        Sql::plain(format!("select {}", carriers.iter().map(one).collect::<Vec<_>>().join(", ")))
    }

    /// Counts the due rows of a span.
    pub(crate) fn due_within(&self, span: &Span) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let text = format!("select count(*) from {} where {within} and {}", self.from(), self.predicate());
        sql.say(text)
    }

    /// Reads the keys of due rows in a span, at most `limit`.
    pub(crate) fn due_keys(&self, span: &Span, limit: u64) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let limit = sql.bind(limit);
        let text = format!(
            "select {} from {} where {within} and {} limit {limit}",
            self.key_texts().join(", "),
            self.from(),
            self.predicate(),
        );
        sql.say(text)
    }

    /// Counts the rows of these keys that are due.
    pub(crate) fn due_among(&self, keys: &[Key]) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let listed = self.listed(keys, &mut sql)?;
        let text = format!("select count(*) from {} where {}", self.rows_of(&listed), self.predicate());
        Ok(sql.say(text))
    }

    /// The statements that change the rows of a span, in their order, for whoever looks at them: `rows` of them at most.
    pub(crate) fn change(&self, span: &Span, rows: u32) -> Vec<Sql> {
        let mut change = vec![self.gather(span, rows)];
        if self.rewrites() {
            change.extend(self.written(rows));
        } else if self.looks_elsewhere() || self.takes_along() {
            change.push(self.lock(LockWait::Wait));
            change.extend(self.looks_elsewhere().then(|| self.judge_held()));
            change.extend(self.children(&BTreeMap::new()).into_iter().map(|child| child.delete));
            change.push(self.delete_carried(self.chosen()));
        } else {
            change.push(self.delete_free(LockWait::Wait));
        }
        change
    }

    /// The same where the rows are neighbours and nothing has to be known of them in between; none where that cannot be.
    pub(crate) fn change_reach(&self, span: &Span, rows: u32) -> Vec<Sql> {
        if self.rewrites() || self.looks_elsewhere() || self.takes_along() || !self.has_neighbours() {
            return vec![];
        }
        let lock = self.lock_reach(span);
        [self.gather_reach(span, rows)].into_iter().chain(lock).chain(self.delete_reach(span)).collect()
    }

    /// The carrier whose rows are changed where they are locked in a statement of its own.
    pub(crate) fn chosen(&self) -> Carrier {
        if self.looks_elsewhere() { Carrier::Judged } else { Carrier::Held }
    }
}
