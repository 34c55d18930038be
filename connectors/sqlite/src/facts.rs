//! What a file is, and what follows from it.

use forgetd_connector::{Capabilities, Durability, Facts, Fault, RowLock};
use rusqlite::Connection;

use crate::products::SQLITE;
use crate::session::Session;

/// The most rows one batch may change: the write lock is everybody's, so a batch is short.
const BATCH_ROWS_MAX: u32 = 1_000;

/// Reads the facts.
pub(crate) fn read(session: &mut Session) -> Result<Facts, Fault> {
    let connection = session.connection("connect")?;
    let found = settings(connection);
    let (synchronous, journal, read_only) = found.map_err(|error| session.failed("connect", &error))?;
    // 2 is FULL, 3 EXTRA. These are our own connection's settings: what the application loses is its own choice.
    let safe = synchronous >= 2 && !matches!(journal.as_str(), "off" | "memory");
    Ok(Facts {
        product: SQLITE.name.into(),
        known: &SQLITE,
        version: rusqlite::version().into(),
        identity: session.file().map_or_else(|| "file".into(), |file| file.to_string()),
        durability: if safe { Durability::Full } else { Durability::Weak },
        read_only,
        pooler: None,
        tls: None,
        probed: None,
    })
}

fn settings(connection: &Connection) -> rusqlite::Result<(i64, String, bool)> {
    let synchronous = connection.query_row("pragma synchronous", [], |row| row.get(0))?;
    let journal = journal_mode(connection)?;
    // Reads the schema, so that a file which is no database is found here and not in the middle of a run.
    connection.query_row("select count(*) from sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok((synchronous, journal, connection.is_readonly("main")?))
}

/// The journal mode that the file's connections work in.
pub(crate) fn journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("pragma journal_mode", [], |row| row.get(0))
}

/// What the engine can do. The same for every file.
pub(crate) const fn capabilities() -> Capabilities {
    Capabilities {
        atomicity: SQLITE.atomicity,
        mixed: false,
        row_lock: RowLock::WholeDatabase,
        fence: SQLITE.fence,
        effect_counters: true,
        batch_rows_max: BATCH_ROWS_MAX,
        share_beside_others: 0.05,
    }
}
