//! A new database from a script: the demo's, in a folder of its own. No other path creates a file.

use std::path::Path;

use forgetd_connector::{Fault, FaultClass};
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
