//! SQLite's answers, in the seam's closed classes. Messages end here: they can hold what a trigger made of a row.

use forgetd_connector::{Cause, Fault, FaultClass};
use rusqlite::Error;
use rusqlite::ffi;

/// What a statement on a user's table ran into.
pub(crate) fn fault(operation: &'static str, place: &str, error: &Error) -> Fault {
    let Some((code, message)) = parts(error) else {
        return Fault::new(FaultClass::Internal, operation, place).with_detail(defect(error));
    };
    let fault = Fault::new(class(code, message), operation, place).with_code(name(code));
    match advice(code) {
        Some(detail) => fault.with_detail(detail),
        None => fault,
    }
}

/// What a statement on the control tables ran into: there, a missing table or column means `install`.
pub(crate) fn control_fault(operation: &'static str, place: &str, error: &Error) -> Fault {
    let mut fault = fault(operation, place, error);
    if matches!(fault.class, FaultClass::Blocked(Cause::TableMissing | Cause::ColumnMissing)) {
        fault.class = FaultClass::Blocked(Cause::ControlTables);
    }
    fault
}

/// What a statement that could not be prepared misses, where the message holds names of the schema and nothing else.
pub(crate) fn missing(error: &Error) -> Option<String> {
    const FORMS: &[&str] = &[
        "no such table: ",
        "no such column: ",
        "no such function: ",
        "no such collation sequence: ",
        "foreign key mismatch - ",
    ];
    let (_, message) = parts(error)?;
    FORMS.iter().any(|form| message.starts_with(form)).then(|| message.to_owned())
}

/// Whether a primary key or a unique constraint refused the statement.
pub(crate) fn is_unique(error: &Error) -> bool {
    let unique = [ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_ROWID];
    parts(error).is_some_and(|(code, _)| unique.contains(&code))
}

/// Why a value does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// A check constraint, by its name or else its expression.
    Check(String),
    /// There is none where something must be.
    Null,
    /// It is of another type, in a STRICT table or a row id.
    Type,
}

/// Why a value that was written does not fit, if that is what is wrong.
pub(crate) fn misfit(error: &Error) -> Option<Misfit> {
    let (code, message) = parts(error)?;
    match code {
        ffi::SQLITE_CONSTRAINT_CHECK => {
            message.strip_prefix("CHECK constraint failed: ").map(|name| Misfit::Check(name.to_owned()))
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => Some(Misfit::Null),
        ffi::SQLITE_CONSTRAINT_DATATYPE | ffi::SQLITE_MISMATCH => Some(Misfit::Type),
        _ => None,
    }
}

/// Whether a failed COMMIT has certainly not happened: nothing was written yet, and the transaction is still open.
pub(crate) fn refuses_commit(error: &Error) -> bool {
    let refused = [ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED, ffi::SQLITE_CONSTRAINT, ffi::SQLITE_INTERRUPT];
    parts(error).is_some_and(|(code, _)| refused.contains(&(code & 0xff)))
}

/// Whether the connection should not be used on: what it believes of the file may be wrong.
pub(crate) fn spoils_connection(error: &Error) -> bool {
    let spoiled = [ffi::SQLITE_IOERR, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CANTOPEN, ffi::SQLITE_FULL];
    parts(error).is_some_and(|(code, _)| spoiled.contains(&(code & 0xff)))
}

fn parts(error: &Error) -> Option<(i32, &str)> {
    match error {
        Error::SqliteFailure(error, message) => Some((error.extended_code, message.as_deref().unwrap_or_default())),
        Error::SqlInputError { error, msg, .. } => Some((error.extended_code, msg)),
        _ => None,
    }
}

fn class(code: i32, message: &str) -> FaultClass {
    match (code, code & 0xff) {
        (ffi::SQLITE_BUSY_SNAPSHOT, _) => FaultClass::Transient,
        (_, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => FaultClass::Locked,
        (_, ffi::SQLITE_CONSTRAINT) => FaultClass::Row(constraint(code, message)),
        (_, ffi::SQLITE_TOOBIG) => FaultClass::Row(Cause::Size),
        (_, ffi::SQLITE_INTERRUPT) => FaultClass::Timeout,
        (_, ffi::SQLITE_READONLY) => FaultClass::Blocked(Cause::ReadOnly),
        (_, ffi::SQLITE_PERM | ffi::SQLITE_AUTH) => FaultClass::Blocked(Cause::Privilege),
        (_, ffi::SQLITE_CANTOPEN) => FaultClass::Unreachable,
        (_, ffi::SQLITE_SCHEMA | ffi::SQLITE_PROTOCOL) => FaultClass::Transient,
        (_, ffi::SQLITE_IOERR) => FaultClass::Disconnected,
        (_, ffi::SQLITE_ERROR) if message.contains("no such table") => FaultClass::Blocked(Cause::TableMissing),
        (_, ffi::SQLITE_ERROR) if message.contains("no such column") => FaultClass::Blocked(Cause::ColumnMissing),
        (_, ffi::SQLITE_ERROR) if message.contains("foreign key mismatch") => FaultClass::Blocked(Cause::ForeignKey),
        _ => FaultClass::Internal,
    }
}

fn constraint(code: i32, message: &str) -> Cause {
    match code {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Cause::ForeignKey,
        // ON DELETE RESTRICT is carried out like a trigger that raises, under this very message.
        ffi::SQLITE_CONSTRAINT_TRIGGER if message == "FOREIGN KEY constraint failed" => Cause::ForeignKey,
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            Cause::Unique
        }
        ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_NOTNULL | ffi::SQLITE_CONSTRAINT_DATATYPE => Cause::Check,
        _ => Cause::RowRefused,
    }
}

/// What to do about codes that no class explains.
const fn advice(code: i32) -> Option<&'static str> {
    match code & 0xff {
        ffi::SQLITE_FULL => Some("the disk is full, or the database reached max_page_count"),
        ffi::SQLITE_IOERR => Some("the disk or its file system failed; look at the system log"),
        ffi::SQLITE_CANTOPEN => {
            Some("the file, or one it needs beside it, cannot be opened; check path and permissions")
        }
        ffi::SQLITE_NOTADB => Some("the file is no SQLite database, or it is encrypted"),
        ffi::SQLITE_CORRUPT => Some("the file is damaged; run PRAGMA integrity_check"),
        ffi::SQLITE_NOMEM => Some("out of memory"),
        _ => None,
    }
}

/// The code by the name its documentation uses, as far as it has one here, with its number.
fn name(code: i32) -> String {
    let name = match code & 0xff {
        ffi::SQLITE_ERROR => "SQLITE_ERROR",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE",
    };
    format!("{name} {code}")
}

/// The driver's own errors, by kind; their texts can hold values.
const fn defect(error: &Error) -> &'static str {
    match error {
        Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) => "a column has an unexpected type",
        Error::QueryReturnedNoRows => "a row is missing",
        Error::InvalidParameterCount(..) => "a statement has another number of parameters",
        _ => "the driver refused the call",
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, FaultClass};
    use rusqlite::Connection;

    use super::fault;

    #[test]
    fn messages_with_values_are_dropped() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("create table t (email text unique); insert into t values ('marker@x')").unwrap();
        connection
            .execute_batch("create trigger no before delete on t begin select raise(abort, 'marker@x is kept'); end")
            .unwrap();
        for (sql, class) in [
            ("insert into t values ('marker@x')", FaultClass::Row(Cause::Unique)),
            ("delete from t", FaultClass::Row(Cause::RowRefused)),
            ("select * from missing_table", FaultClass::Blocked(Cause::TableMissing)),
            ("select gone from t", FaultClass::Blocked(Cause::ColumnMissing)),
        ] {
            let error = connection.execute_batch(sql).unwrap_err();
            let fault = fault("change", "crm.t", &error);
            assert_eq!(fault.class, class, "{sql}");
            assert!(!format!("{fault} {fault:?}").contains("marker"), "{fault}");
        }
    }

    #[test]
    fn both_kinds_of_foreign_key_are_foreign_keys() {
        let connection = Connection::open_in_memory().unwrap();
        for action in ["no action", "restrict"] {
            connection
                .execute_batch(&format!(
                    "pragma foreign_keys = on; drop table if exists c; drop table if exists p;
                     create table p (id integer primary key); insert into p values (1);
                     create table c (p integer references p (id) on delete {action}); insert into c values (1)"
                ))
                .unwrap();
            let error = connection.execute_batch("delete from p").unwrap_err();
            assert_eq!(fault("change", "crm.p", &error).class, FaultClass::Row(Cause::ForeignKey), "{action}");
        }
    }
}
