//! Statements that change rows, and the counts beside them.

use forgetd_connector::walk::Span;
use forgetd_connector::{Column, ColumnKind, Key, LockWait};

use super::{ALIAS, Param, Query, Sql, of};
use crate::codec;

/// Whether the keys of changed rows come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returning {
    Nothing,
    Keys,
}

impl Query {
    /// Deletes the due rows of a span.
    pub(crate) fn delete(&self, span: &Span, locks: LockWait, returning: Returning) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let rows = format!("{within} and {}", self.predicate);
        let returning = self.returning(returning);
        let from = self.from();
        let text = match locks {
            LockWait::Wait => format!("delete from {from} where {rows}{returning}"),
            // Picked and deleted in one statement: a row id carried further could meet another row.
            LockWait::Skip => format!(
                "with forgetd_free as materialized (select {ALIAS}.ctid as id from {from} where {rows} \
                 for update skip locked) delete from {from} \
                 where {ALIAS}.ctid = any (array(select id from forgetd_free)) and {}{returning}",
                self.predicate
            ),
        };
        sql.say(text)
    }

    /// What a deleted row gives back: its key, integers as they are, for there are as many as rows.
    pub(super) fn returning(&self, returning: Returning) -> String {
        let key = |column: &Column| match column.kind {
            ColumnKind::Integer => format!("{}::int8", of(&column.name)),
            kind => codec::read(kind, &of(&column.name)),
        };
        match returning {
            Returning::Nothing => String::new(),
            Returning::Keys => format!(" returning {}", self.key.iter().map(key).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Counts the due rows of a span.
    pub(crate) fn due_within(&self, span: &Span) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let text = format!("select count(*) from {} where {within} and {}", self.from(), self.predicate);
        sql.say(text)
    }

    /// Reads the keys of due rows in a span, at most `limit`.
    pub(crate) fn due_keys(&self, span: &Span, limit: u64) -> Sql {
        let mut sql = self.with_predicate();
        let within = self.within(span, &mut sql);
        let limit = sql.bind(limit.into());
        let text = format!(
            "select {} from {} where {within} and {} limit {limit}",
            self.key_texts().join(", "),
            self.from(),
            self.predicate,
        );
        sql.say(text)
    }

    /// Deletes the rows of these keys that are still due.
    pub(crate) fn delete_keys(&self, keys: &[Key], locks: LockWait) -> Sql {
        let mut sql = self.with_predicate();
        let listed = self.listed(keys, &mut sql);
        let from = self.from();
        let text = match locks {
            LockWait::Wait => format!("delete from {from} using {listed} and {}", self.predicate),
            LockWait::Skip => format!(
                "with forgetd_free as materialized (select {ALIAS}.ctid as id from {from} cross join {listed} and \
                 {predicate} for update of {ALIAS} skip locked) delete from {from} \
                 where {ALIAS}.ctid = any (array(select id from forgetd_free)) and {predicate}",
                predicate = self.predicate
            ),
        };
        sql.say(text)
    }

    /// Counts the rows of these keys that are due.
    pub(crate) fn due_among(&self, keys: &[Key]) -> Sql {
        let mut sql = self.with_predicate();
        let listed = self.listed(keys, &mut sql);
        let text = format!("select count(*) from {} cross join {listed} and {}", self.from(), self.predicate);
        sql.say(text)
    }

    /// `(the list) as k where t.key = k.key`: arrays of texts, one per key column.
    pub(super) fn listed(&self, keys: &[Key], sql: &mut Sql) -> String {
        let mut arrays = vec![];
        let mut equal = vec![];
        for (n, column) in self.key.iter().enumerate() {
            let texts = keys.iter().map(|key| key.0.get(n).and_then(codec::text)).collect();
            arrays.push(format!("{}::text[]", sql.bind(Param::Texts(texts))));
            equal.push(format!(
                "{} = {}",
                of(&column.name),
                codec::from_text(column, &format!("forgetd_keys.forgetd_c{n}"))
            ));
        }
        let names: Vec<String> = (0..self.key.len()).map(|n| format!("forgetd_c{n}")).collect();
        format!("unnest({}) as forgetd_keys({}) where {}", arrays.join(", "), names.join(", "), equal.join(" and "))
    }
}
