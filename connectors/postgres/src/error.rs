//! From the driver's errors to faults: codes and names pass, message texts never do.

use forgetd_connector::{Cause, Fault, FaultClass};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// Turns a driver error into a fault. The message is dropped: a unique violation prints the key.
pub(crate) fn fault(error: &Error, operation: &'static str, place: &str) -> Fault {
    let Some(db) = error.as_db_error() else {
        return Fault::new(FaultClass::Disconnected, operation, place);
    };
    let fault = Fault::new(class(db), operation, place).with_code(db.code().code());
    match name(db) {
        Some(name) => fault.with_detail(name),
        // What it is about stands in the message only, and that may hold a row's values.
        None if db.where_().is_some() => fault.with_detail("inside a trigger or another function"),
        None => fault,
    }
}

/// What a fault of a statement that writes values means: one of them is no value of its column's type, or too large for
/// it. The server says so also from inside the type's own functions.
pub(crate) fn of_a_value(fault: Fault) -> Fault {
    match (fault.class, fault.code.as_deref()) {
        (FaultClass::Blocked(Cause::ColumnType), Some(code)) if code.starts_with("22") => {}
        (FaultClass::Row(Cause::RowRefused), Some("22P02")) => {}
        _ => return fault,
    }
    Fault { class: FaultClass::Row(Cause::TransformUnfit), ..fault }
}

/// Turns an error met while a connection was made into a fault. Whatever it was, there is no connection; but who may log
/// in and may not connect to the database lacks a grant.
pub(crate) fn unreachable(error: &Error, place: &str) -> Fault {
    let fault = Fault::new(FaultClass::Unreachable, "connect", place);
    match error.as_db_error() {
        Some(db) if *db.code() == SqlState::INSUFFICIENT_PRIVILEGE => Fault {
            class: FaultClass::Blocked(Cause::Privilege),
            ..fault.with_code(db.code().code()).with_detail("the role may not connect to the database")
        },
        Some(db) => fault.with_code(db.code().code()),
        None => fault.with_detail("no connection: see url, network, TLS and server"),
    }
}

/// Whether the server answered this error; if not, the connection is gone and nobody knows what was done.
pub(crate) fn answered(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| class(db) != FaultClass::Disconnected)
}

/// Whether the error carries this code.
pub(crate) fn is(error: &Error, code: &SqlState) -> bool {
    error.code() == Some(code)
}

/// What the server says about a statement that it could not make sense of: syntax, names and types. Only for a statement
/// that meets no row, and outside any function: then the words are the policy's own and the catalog's.
pub(crate) fn about_statement(error: &Error) -> Option<String> {
    let db = error.as_db_error().filter(|db| db.where_().is_none())?;
    if !db.code().code().starts_with("42") {
        return None;
    }
    // A syntax error repeats the word where it stands, which can be a literal.
    let repeats = *db.code() == SqlState::SYNTAX_ERROR || db.message().contains('\'');
    let said = if repeats { "it cannot be read as SQL" } else { db.message() };
    Some(said.to_owned())
}

/// Names that are safe to print: things of the catalog, never rows.
fn name(db: &DbError) -> Option<String> {
    let parts: Vec<&str> = [db.schema(), db.table(), db.column(), db.constraint()]
        .into_iter()
        .flatten()
        .filter(|p| !p.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

fn class(db: &DbError) -> FaultClass {
    let code = db.code();
    // A context means that the error was raised inside a function: a trigger's, or a referential action's.
    let raised_inside = db.where_().is_some();
    match code.code() {
        "23503" | "23001" => FaultClass::Row(Cause::ForeignKey),
        "23514" | "23502" => FaultClass::Row(Cause::Check),
        "23505" | "23P01" => FaultClass::Row(Cause::Unique),
        "55P03" => FaultClass::Locked,
        "40001" | "40P01" | "40003" => FaultClass::Transient,
        "57014" => FaultClass::Timeout,
        "42501" => FaultClass::Blocked(Cause::Privilege),
        "25006" => FaultClass::Blocked(Cause::ReadOnly),
        "25P03" | "25P04" | "57P05" => FaultClass::Disconnected,
        "57P01" | "57P02" | "57P03" | "57P04" => FaultClass::Disconnected,
        // The server says so for a DELETE on a published table without replica identity, cascaded or not.
        "55000" => FaultClass::Blocked(Cause::ReplicaIdentity),
        "3F000" | "42P01" if !raised_inside => FaultClass::Blocked(Cause::TableMissing),
        "42703" if !raised_inside => FaultClass::Blocked(Cause::ColumnMissing),
        "42883" | "42804" | "42846" if !raised_inside => FaultClass::Blocked(Cause::ColumnType),
        "53300" => FaultClass::Unreachable,
        text if text.starts_with("08") => FaultClass::Disconnected,
        text if text.starts_with("54") => FaultClass::Row(Cause::Size),
        text if text.starts_with("53") => FaultClass::Transient,
        text if text.starts_with("22") && !raised_inside => FaultClass::Blocked(Cause::ColumnType),
        text if text.starts_with("P0") || raised_inside => FaultClass::Row(Cause::RowRefused),
        text if text.starts_with("27") || text.starts_with("09") || text.starts_with("38") => {
            FaultClass::Row(Cause::RowRefused)
        }
        text if text.starts_with("23") => FaultClass::Row(Cause::Check),
        _ => FaultClass::Internal,
    }
}
