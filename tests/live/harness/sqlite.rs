//! A SQLite file of the test's own.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;

use super::{Database, Rows};

/// A file in a temporary folder, in WAL mode as an application would have it.
pub(crate) struct Sqlite {
    folder: tempfile::TempDir,
}

// === impl Sqlite ===

impl Sqlite {
    /// An empty database.
    pub(crate) fn database() -> Self {
        let database = Self { folder: tempfile::tempdir().expect("tempdir") };
        drop(database.rows("PRAGMA journal_mode = wal"));
        database
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("main.db")
    }

    /// A connection of the test's own, with foreign keys on.
    pub(crate) fn session(&self) -> rusqlite::Connection {
        open(&self.path())
    }
}

fn open(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).expect("open");
    connection.busy_timeout(std::time::Duration::from_secs(30)).expect("busy_timeout");
    connection.pragma_update(None, "foreign_keys", true).expect("foreign_keys");
    connection
}

impl Database for Sqlite {
    fn engine(&self) -> &'static str {
        "sqlite"
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    fn exec(&self, sql: &str) {
        self.session().execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    fn rows(&self, sql: &str) -> Rows {
        read(&self.session(), sql)
    }

    fn tables(&self) -> Vec<String> {
        let rows = self.rows(
            "select '\"' || name || '\"' from pragma_table_list where schema = 'main' and type = 'table' \
             and name not like 'sqlite%' and name not like 'forgetd%'",
        );
        rows.into_iter().flatten().flatten().collect()
    }

    fn control_table(&self, name: &str) -> String {
        format!("forgetd_{name}")
    }

    fn supposing(&self, statements: &[String], queries: &[String]) -> Vec<Rows> {
        let session = self.session();
        session.execute_batch("begin").expect("begin");
        for sql in statements {
            session.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        queries.iter().map(|query| read(&session, query)).collect()
    }
}

fn read(session: &rusqlite::Connection, sql: &str) -> Rows {
    let mut statement = session.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|n| row.get_ref(n).map(text)).collect());
    rows.unwrap_or_else(|error| panic!("{error}: {sql}")).map(|row| row.expect("row")).collect()
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(hex::encode(bytes)),
    }
}
