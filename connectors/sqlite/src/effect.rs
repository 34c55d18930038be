//! What a statement did, by table: counted by SQLite itself while it happens.
//!
//! Three sources, because none is whole. The *update hook* names the table of every changed row, cascades and triggers
//! included, but is silent about WITHOUT ROWID tables and about tables that are emptied by truncation. The *authorizer*
//! names, when a statement is prepared, every table it can write, triggers included; answering IGNORE to a DELETE also
//! switches truncation off. The *total of changes* counts rows of every kind, without names. What remains after
//! subtracting the hook's count from the total belongs to the WITHOUT ROWID tables that the authorizer named. The one
//! thing none of them sees is a row that a trigger's `INSERT OR REPLACE` replaced.

mod announced;
mod rewritten;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{Action, AuthAction, AuthContext, Authorization};

pub(crate) use announced::{Along, Announced, Happened, Terrain};
pub(crate) use rewritten::Allowed;

/// Rows changed since [`Recorder::restart`], by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows that went.
    pub(crate) deleted: BTreeMap<String, u64>,
    /// Rows that came.
    pub(crate) inserted: BTreeMap<String, u64>,
    /// Rows that were changed in place.
    pub(crate) updated: BTreeMap<String, u64>,
    /// The row ids of those that were changed in place in the one table that is followed closely and are still there, and
    /// how often each was.
    pub(crate) rows: HashMap<i64, u64>,
    close: Option<String>,
}

/// What a statement can write, as found when it was prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Tables it can delete from.
    pub(crate) deletes: BTreeSet<String>,
    /// Tables it can insert into or update.
    pub(crate) writes: BTreeSet<String>,
    /// Triggers that can fire, each with the tables it can write and how.
    pub(crate) triggers: BTreeMap<String, Written>,
    /// Functions that it calls.
    pub(crate) functions: BTreeSet<String>,
}

/// What one trigger can write itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Tables it can delete from.
    pub(crate) deletes: BTreeSet<String>,
    /// Tables it can insert into or update.
    pub(crate) writes: BTreeSet<String>,
}

/// Listens to one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<(Tally, Reach)>>);

// === impl Tally ===

impl Tally {
    /// All changes counted.
    pub(crate) fn changes(&self) -> u64 {
        [&self.deleted, &self.inserted, &self.updated].into_iter().flat_map(BTreeMap::values).sum()
    }
}

// === impl Recorder ===

impl Recorder {
    /// Installs the hooks. Statements prepared on the connection from now on never truncate.
    pub(crate) fn listen(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let state = Arc::clone(&self.0);
        connection.update_hook(Some(move |action, schema: &str, table: &str, row| {
            if schema == "main" {
                count(&mut state.lock().unwrap_or_else(PoisonError::into_inner).0, action, table, row);
            }
        }))?;
        let state = Arc::clone(&self.0);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            note(&mut state.lock().unwrap_or_else(PoisonError::into_inner).1, &context)
        }))
    }

    /// Begins a new count; in the table `close`, which rows are changed is remembered too.
    pub(crate) fn restart(&self, close: Option<&str>) {
        let tally = Tally { close: close.map(str::to_owned), ..Tally::default() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = tally;
    }

    /// What was counted.
    pub(crate) fn tally(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// What `sql` can write. Prepares it, and never runs it.
    pub(crate) fn reach(&self, connection: &Connection, sql: &str) -> rusqlite::Result<Reach> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Reach::default();
        connection.prepare(sql)?;
        Ok(std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1))
    }
}

fn count(tally: &mut Tally, action: Action, table: &str, row: i64) {
    if tally.close.as_deref() == Some(table) {
        match action {
            Action::SQLITE_UPDATE => *tally.rows.entry(row).or_default() += 1,
            Action::SQLITE_DELETE => drop(tally.rows.remove(&row)),
            _ => {}
        }
    }
    let rows = match action {
        Action::SQLITE_DELETE => &mut tally.deleted,
        Action::SQLITE_INSERT => &mut tally.inserted,
        _ => &mut tally.updated,
    };
    match rows.get_mut(table) {
        Some(rows) => *rows += 1,
        None => drop(rows.insert(table.into(), 1)),
    }
}

fn note(reach: &mut Reach, context: &AuthContext<'_>) -> Authorization {
    let trigger = context.accessor.map(|name| reach.triggers.entry(name.into()).or_default());
    if let AuthAction::Function { function_name } = context.action {
        reach.functions.insert(function_name.into());
    }
    if context.database_name != Some("main") {
        return Authorization::Allow;
    }
    match context.action {
        AuthAction::Delete { table_name } => {
            reach.deletes.insert(table_name.into());
            if let Some(written) = trigger {
                written.deletes.insert(table_name.into());
            }
            // Not a refusal: SQLite deletes row by row then, and the hook sees each of them.
            return Authorization::Ignore;
        }
        AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } => {
            reach.writes.insert(table_name.into());
            if let Some(written) = trigger {
                written.writes.insert(table_name.into());
            }
        }
        _ => {}
    }
    Authorization::Allow
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::Recorder;

    #[test]
    fn cascades_triggers_and_truncations_are_seen() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "pragma foreign_keys = on;
                 create table p (id integer primary key, at int);
                 create table c (id integer primary key, p int references p (id) on delete cascade);
                 create table s (id integer primary key, p int references p (id) on delete set null);
                 create table emptied (n int);
                 create table pair (a int, b int, primary key (a, b)) without rowid;
                 insert into p values (1, 1), (2, 2), (3, 3);
                 insert into c (p) values (1), (1), (2);
                 insert into s (p) values (1), (3);
                 insert into emptied values (1), (2), (3), (4);
                 insert into pair values (1, 1), (1, 2);
                 create trigger t after delete on p when old.id = 2 begin
                   delete from emptied;
                   delete from pair;
                   insert into s (p) values (null);
                 end;",
            )
            .unwrap();
        let recorder = Recorder::default();
        recorder.listen(&mut connection).unwrap();
        let sql = "delete from p where at < 3";
        let reach = recorder.reach(&connection, sql).unwrap();
        assert!(reach.triggers["t"].deletes.contains("pair"), "{reach:?}");
        for table in ["p", "emptied", "pair"] {
            assert!(reach.deletes.contains(table), "{table}: {reach:?}");
        }
        assert!(reach.writes.contains("s"), "{reach:?}");
        recorder.restart(None);
        let before = connection.total_changes();
        assert_eq!(connection.execute(sql, []).unwrap(), 2);
        let tally = recorder.tally();
        let deleted: Vec<(&str, u64)> = tally.deleted.iter().map(|(table, n)| (table.as_str(), *n)).collect();
        assert_eq!(deleted, [("c", 3), ("emptied", 4), ("p", 2)]);
        assert_eq!((tally.updated["s"], tally.inserted["s"]), (1, 1));
        assert_eq!(connection.total_changes() - before, tally.changes() + 2, "two rows of the table without row ids");
    }
}
