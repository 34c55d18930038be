//! Lock, then judge: where a row's fate hangs on other rows, its lock is taken first and the predicate is evaluated
//! again in a later statement, which sees what came before the lock.

use forgetd_connector::walk::Span;
use forgetd_connector::{Key, LockWait};

use super::{ALIAS, Param, Query, Returning, Sql};

impl Query {
    /// Locks the due rows of a span and reads their physical row ids, at most `limit` of them.
    pub(crate) fn lock(&self, span: &Span, locks: LockWait, limit: u64) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let limit = sql.bind(limit.into());
        let text = format!(
            "select {ALIAS}.ctid::text from {} where {within} and {} limit {limit} {}",
            self.from(),
            self.predicate,
            for_update(locks)
        );
        sql.say(text)
    }

    /// Locks those rows of these keys that are due and reads their physical row ids.
    pub(crate) fn lock_keys(&self, keys: &[Key], locks: LockWait) -> Sql {
        let mut sql = self.with_predicate();
        let listed = self.listed(keys, &mut sql);
        let text = format!(
            "select {ALIAS}.ctid::text from {} cross join {listed} and {} {}",
            self.from(),
            self.predicate,
            for_update(locks)
        );
        sql.say(text)
    }

    /// Deletes those of the locked rows that are due now.
    pub(crate) fn delete_locked(&self, ids: &[String], returning: Returning) -> Sql {
        let mut sql = self.with_predicate();
        let locked = locked(ids, &mut sql);
        let text =
            format!("delete from {} where {locked} and {}{}", self.from(), self.predicate, self.returning(returning));
        sql.say(text)
    }

    /// Counts those of the locked rows that are due.
    pub(crate) fn due_locked(&self, ids: &[String]) -> Sql {
        let mut sql = self.with_predicate();
        let locked = locked(ids, &mut sql);
        let text = format!("select count(*) from {} where {locked} and {}", self.from(), self.predicate);
        sql.say(text)
    }
}

pub(super) const fn for_update(locks: LockWait) -> &'static str {
    match locks {
        LockWait::Wait => "for update of t",
        LockWait::Skip => "for update of t skip locked",
    }
}

/// No other transaction can move a row that is locked, so its physical row id holds until the end.
fn locked(ids: &[String], sql: &mut Sql) -> String {
    let ids = sql.bind(Param::Texts(ids.iter().cloned().map(Some).collect()));
    format!("{ALIAS}.ctid = any ({ids}::text[]::tid[])")
}
