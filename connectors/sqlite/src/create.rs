//! A new database from a script, and a look into one: the demo's, in a folder of its own. No other path creates a file.

use std::path::Path;

use forgetd_connector::{Fault, FaultClass};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// Makes a new database at `path` and runs `script` in it, in one transaction. A file that exists is never touched; a
/// script that fails leaves none behind.
pub fn create(path: &Path, script: &str) -> Result<(), Fault> {
    let place = path.display().to_string();
    let fault = |error: &rusqlite::Error| {
        let code = error.sqlite_error_code().map_or_else(|| "-".into(), |code| format!("{code:?}"));
        Fault::new(FaultClass::Internal, "create database", &*place).with_code(code)
    };
    if path.exists() {
        return Err(Fault::new(FaultClass::Internal, "create database", &*place).with_detail("the file exists"));
    }
    let unfinished = path.with_extension("new");
    drop(std::fs::remove_file(&unfinished));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(&unfinished, flags).map_err(|error| fault(&error))?;
    // A crash leaves the unfinished file only, so nothing here has to be durable before the rename.
    connection
        .execute_batch(&format!("pragma synchronous = off; begin; {script} commit; pragma journal_mode = wal;"))
        .map_err(|error| fault(&error))?;
    connection.close().map_err(|(_, error)| fault(&error))?;
    std::fs::rename(&unfinished, path).map_err(|error| {
        Fault::new(FaultClass::Internal, "create database", place).with_detail(error.kind().to_string())
    })
}

/// The rows that `query` gives, each value as text, NULL as an empty one. Nothing is written.
pub fn ask(path: &Path, query: &str) -> Result<Vec<Vec<String>>, Fault> {
    let place = path.display().to_string();
    let fault = |error: rusqlite::Error| {
        let code = error.sqlite_error_code().map_or_else(|| "-".into(), |code| format!("{code:?}"));
        Fault::new(FaultClass::Internal, "read database", &*place).with_code(code)
    };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
    let mut statement = connection.prepare(query).map_err(fault)?;
    let width = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, n: usize| {
        Ok(match row.get_ref(n)? {
            ValueRef::Null | ValueRef::Blob(_) => String::new(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        })
    };
    let rows = statement.query_map([], |row| (0..width).map(|n| text(row, n)).collect()).map_err(fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}
