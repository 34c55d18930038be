//! From the driver's errors to faults: numbers and names pass, message texts never do.

use std::fmt;

use forgetd_connector::{Cause, Fault, FaultClass};
use mysql_async::{DriverError, ServerError};

use crate::tls;

/// An error that the server answered a statement with. The session can be used on.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Error {
    code: u16,
    state: String,
    /// A thing of the catalog that the message names.
    name: Option<String>,
    class: FaultClass,
}

/// A constraint that no two rows may break was broken: its number.
const DUPLICATE: &[u16] = &[1062, 1169, 1586, 1859];

/// What the server answers when it can say no more, or will not: the connection is gone, or will be, and nobody knows
/// what was done.
const GONE: &[u16] = &[
    1053, 1077, 1078, 1079, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2055, 3032,
    3169, 4031,
];

/// After which a COMMIT has certainly failed.
const ROLLED_BACK: &[u16] = &[1205, 1213, 1180, 1290, 1402, 1614, 1792, 1836, 3100, 3101, 1451, 1452];

/// The account logged in, and has no right on the database that the URL names.
const NOT_ON_DATABASE: u16 = 1044;

// === impl Error ===

impl Error {
    /// Reads what the server answered; absent: the connection is of no use any more.
    pub(crate) fn answered(error: mysql_async::Error) -> Option<Self> {
        match error {
            mysql_async::Error::Server(error) if !GONE.contains(&error.code) => Some(Self::read(&error)),
            _ => None,
        }
    }

    fn read(error: &ServerError) -> Self {
        Self {
            code: error.code,
            state: error.state.clone(),
            name: name(error.code, &error.message),
            class: class(error.code, &error.state, &error.message),
        }
    }

    /// The server's number.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// Whether a row with this unique key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        DUPLICATE.contains(&self.code)
    }

    /// Whether a lock was not granted in time. Only the statement was rolled back, not its transaction.
    pub(crate) fn is_lock_wait(&self) -> bool {
        matches!(self.code, 1205 | 3572)
    }

    /// Whether a COMMIT that was answered with this left nothing behind. After any other error it may have.
    pub(crate) fn is_rolled_back(&self) -> bool {
        ROLLED_BACK.contains(&self.code)
    }

    /// The same as a fault. The message is dropped: a duplicate prints the key.
    pub(crate) fn fault(&self, operation: &'static str, place: &str) -> Fault {
        let fault = Fault::new(self.class, operation, place).with_code(format!("{} {}", self.code, self.state));
        match &self.name {
            Some(name) => fault.with_detail(name),
            None => fault,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.state)
    }
}

/// What it means that an open transaction cannot be gone on with: whatever it was, it was rolled back.
pub(crate) fn gone(error: &Error, operation: &'static str, place: &str) -> Fault {
    let fault = error.fault(operation, place);
    // No such savepoint, so no such transaction.
    if error.code == 1305 { Fault { class: FaultClass::Transient, ..fault } } else { fault }
}

/// Turns an error met while a connection was made into a fault. Whatever it was, there is no connection; but who may log
/// in and has no right on the database lacks a grant.
pub(crate) fn unreachable(error: &mysql_async::Error, place: &str) -> Fault {
    let fault = Fault::new(FaultClass::Unreachable, "connect", place);
    match error {
        mysql_async::Error::Server(error) if error.code == NOT_ON_DATABASE => Fault {
            class: FaultClass::Blocked(Cause::Privilege),
            ..fault
                .with_code(format!("{} {}", error.code, error.state))
                .with_detail("the account has no right on the database")
        },
        mysql_async::Error::Server(error) => fault.with_code(format!("{} {}", error.code, error.state)),
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            fault.with_detail(format!("the account's way to log in, {name}, is not known"))
        }
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            fault.with_detail("the server offers no TLS (ssl-mode)")
        }
        error if tls::tls_error(error).is_some() => {
            fault.with_detail("TLS failed: see ssl-mode, ssl-ca, the certificate and the names in it")
        }
        _ => fault.with_detail("no connection: see url, network, TLS and server"),
    }
}

/// What a number means. SQLSTATEs group too much together here: most of it is HY000.
fn class(code: u16, state: &str, message: &str) -> FaultClass {
    match code {
        1451 | 1452 | 1216 | 1217 | 1701 | 3008 => FaultClass::Row(Cause::ForeignKey),
        1048 | 3819 | 4025 => FaultClass::Row(Cause::Check),
        _ if DUPLICATE.contains(&code) => FaultClass::Row(Cause::Unique),
        1205 | 3572 => FaultClass::Locked,
        // A certification that failed, and a deadlock, roll back; a transaction too large for the cluster always will.
        1180 if is_too_large(message) => FaultClass::Row(Cause::Size),
        1105 if is_too_large(message) => FaultClass::Row(Cause::Size),
        // A group takes no transaction of this size; or the member is leaving it, and says at the next statement that it
        // only reads.
        3100 => FaultClass::Row(Cause::Size),
        1206 | 1213 | 1180 | 1614 | 3101 | 1020 | 1317 | 1412 | 1637 => FaultClass::Transient,
        1969 | 3024 | 1907 => FaultClass::Timeout,
        // The cluster lost its majority, or this node its place in it.
        1047 | 3797 => FaultClass::Disconnected,
        1290 | 1792 | 1836 | 1874 => FaultClass::Blocked(Cause::ReadOnly),
        // A group takes no change of such a table.
        3098 => FaultClass::Blocked(Cause::Unsupported),
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1419 | 1698 | 3118 => FaultClass::Blocked(Cause::Privilege),
        1146 | 1049 | 1051 | 1932 => FaultClass::Blocked(Cause::TableMissing),
        1054 => FaultClass::Blocked(Cause::ColumnMissing),
        1040 | 1203 | 1226 => FaultClass::Unreachable,
        1030 | 1037 | 1038 | 1041 | 1114 | 3015 => FaultClass::Transient,
        1118 | 1153 | 1301 | 1162 | 1163 | 1197 | 3170 => FaultClass::Row(Cause::Size),
        // A value that its column cannot hold.
        1264 | 1265 | 1292 | 1366 | 1406 | 1411 | 1416 | 1441 | 1690 | 3140 | 3141 | 3156 | 1367 | 1525 => {
            FaultClass::Row(Cause::TransformUnfit)
        }
        // A trigger that writes to the table whose rows go; and what raises a condition.
        1442 | 1643..=1645 => FaultClass::Row(Cause::RowRefused),
        // A condition raised by name inside a trigger or a function.
        _ if state.starts_with("45") => FaultClass::Row(Cause::RowRefused),
        _ => FaultClass::Internal,
    }
}

/// The limits of a cluster on one transaction: rows and bytes. The one place where a message is read, for its own words.
fn is_too_large(message: &str) -> bool {
    let low = message.to_lowercase();
    ["wsrep_max_ws", "max_ws_rows", "max_ws_size", "maximum writeset size", "message too long"]
        .iter()
        .any(|word| low.contains(word))
        || low.contains("got error 5 ")
        || low.contains("got error 90 ")
}

/// The name of a constraint or key in a message. Only behind the words and inside the quotes that the server writes
/// around it: the rest of some of these messages is a row's values.
fn name(code: u16, message: &str) -> Option<String> {
    let between = |before: &str, quote: char| {
        let at = message.rfind(before)? + before.len();
        let rest = message.get(at..)?;
        Some(rest.get(..rest.find(quote)?)?.to_owned())
    };
    match code {
        // The child's name and the constraint's stand there, and no value.
        1451 | 1452 => between("CONSTRAINT `", '`'),
        // What is not at the very end may be a part of the value.
        1062 | 1586 => message.strip_suffix('\'')?.rsplit_once("' for key '").map(|(_, name)| name.to_owned()),
        3819 => between("Check constraint '", '\''),
        4025 => between("CONSTRAINT `", '`'),
        _ => None,
    }
    .filter(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-' | '#')))
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, FaultClass};
    use mysql_async::ServerError;

    use super::Error;

    fn read(code: u16, state: &str, message: &str) -> Error {
        Error::read(&ServerError { code, state: state.into(), message: message.into() })
    }

    #[test]
    fn numbers_mean_what_a_batch_has_to_do() {
        for (code, state, message, class) in [
            (1213, "40001", "Deadlock found", FaultClass::Transient),
            (1205, "HY000", "Lock wait timeout exceeded", FaultClass::Locked),
            (1180, "HY000", "Got error 149 \"Deadlock\" during COMMIT", FaultClass::Transient),
            (1180, "HY000", "wsrep_max_ws_rows exceeded", FaultClass::Row(Cause::Size)),
            (1180, "HY000", "Got error 90 \"Message too long\" during COMMIT", FaultClass::Row(Cause::Size)),
            (1290, "HY000", "running with the --read-only option", FaultClass::Blocked(Cause::ReadOnly)),
            (3100, "HY000", "Error on observer while running replication hook", FaultClass::Row(Cause::Size)),
            (3098, "HY000", "The table does not comply", FaultClass::Blocked(Cause::Unsupported)),
            (3101, "40000", "Plugin instructed the server to rollback", FaultClass::Transient),
            (1836, "HY000", "Running in read-only mode", FaultClass::Blocked(Cause::ReadOnly)),
            (3024, "HY000", "maximum statement execution time exceeded", FaultClass::Timeout),
            (1969, "70100", "max_statement_time exceeded", FaultClass::Timeout),
            (1047, "08S01", "WSREP has not yet prepared node", FaultClass::Disconnected),
            (1644, "45000", "marker", FaultClass::Row(Cause::RowRefused)),
            (1442, "HY000", "Can't update table", FaultClass::Row(Cause::RowRefused)),
            (1451, "23000", "", FaultClass::Row(Cause::ForeignKey)),
            (1142, "42000", "", FaultClass::Blocked(Cause::Privilege)),
            (1406, "22001", "", FaultClass::Row(Cause::TransformUnfit)),
            (9999, "HY000", "", FaultClass::Internal),
        ] {
            assert_eq!(read(code, state, message).fault("x", "y").class, class, "{code} {message}");
        }
    }

    #[test]
    fn names_pass_and_values_do_not() {
        for (code, message, name) in [
            (1062, "Duplicate entry 'marker' for key 'item.email'", Some("item.email")),
            (1062, "Duplicate entry 'marker' for key 'marker' for key 'PRIMARY'", Some("PRIMARY")),
            (1062, "Duplicate entry 'marker", None),
            (
                1451,
                "Cannot delete or update a parent row: a foreign key constraint fails (`d`.`c`, CONSTRAINT `c_fk` FOREIGN KEY (`p`) REFERENCES `p` (`id`))",
                Some("c_fk"),
            ),
            (3819, "Check constraint 'positive' is violated.", Some("positive")),
            (4025, "CONSTRAINT `positive` failed for `d`.`t`", Some("positive")),
            (1644, "marker of a row", None),
            (1366, "Incorrect integer value: 'marker' for column `d`.`t`.`n` at row 1", None),
        ] {
            let error = read(code, "23000", message);
            let fault = error.fault("change", "crm.item");
            assert_eq!(fault.detail.as_deref(), name, "{message}");
            assert!(!fault.to_string().contains("marker") && !format!("{error:?}").contains("marker"));
        }
    }

    #[test]
    fn a_session_that_is_gone_has_answered_nothing() {
        for code in [1053, 1927, 4031] {
            let error = ServerError { code, state: "08S01".into(), message: String::new() };
            assert_eq!(Error::answered(mysql_async::Error::Server(error)), None);
        }
    }
}
