//! From the driver's errors to faults: numbers and names pass, message texts never do.

use forgetd_connector::{Cause, Commit, Fault, FaultClass};
use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::reply::Written;

/// Why a call did not do what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) fate: Fate,
}

/// What is known about the one document that a failed write meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was not written.
    Nothing,
    /// It was not written, because its key is there already.
    Duplicate,
    /// Nobody knows, or it was written and may still be rolled back.
    Unknown,
}

/// A unique index was broken.
const DUPLICATE: &[i32] = &[11000, 11001, 12582];

/// The node is no primary any more, goes down or comes up, or its network broke: what was under way is unknown.
const GONE: &[i32] = &[6, 7, 89, 91, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436];

/// The write took place; that a majority has it was not confirmed.
const UNCONFIRMED: &[i32] = &[64, 79, 100];

/// After which a write may be done all the same: the server stopped in the middle, or says no more than that it failed.
const IN_THE_MIDDLE: &[i32] = &[1, 8, 50, 11601];

/// Numbers of PostgreSQL's below FerretDB, which it passes on, and what a server says for them: a missing privilege, and a
/// document that does not pass its collection's validation.
const PASSED_ON: &[(i32, i32)] = &[(16_797_828, 13), (525_074_461, 121)];

/// How PostgreSQL below FerretDB begins when a privilege is missing.
const DENIED: &str = "permission denied for ";

/// What the driver says when a TLS handshake fails, and what to do; its text names the server's address alone.
const HANDSHAKES: &[(&str, &str)] = &[
    ("UnknownIssuer", "the server's certificate is of an authority that is not trusted: see tlsCAFile"),
    ("CaUsedAsEndEntity", "the server's certificate is of an authority that is not trusted: see tlsCAFile"),
    ("NotValidForName", "the server's certificate is for another name than the url's"),
    ("Expired", "the server's certificate has ended"),
];

// === impl Failure ===

impl Failure {
    /// Reads a driver's error.
    pub(crate) fn of(error: &Error, operation: &'static str, place: &str) -> Self {
        let fault = |class| Fault::new(class, operation, place);
        let by_code = |code: i32| Self { fault: fault(class(code)).with_code(code.to_string()), fate: fate(code) };
        let unknown = |class| Self { fault: fault(class), fate: Fate::Unknown };
        let unsent = |class, detail: &str| Self { fault: fault(class).with_detail(detail), fate: Fate::Nothing };
        match error.kind.as_ref() {
            // FerretDB has no number of its own for it where one document is written or read.
            ErrorKind::Command(error) if error.code == 1 && error.message.starts_with(DENIED) => by_code(13),
            ErrorKind::Command(error) => by_code(error.code),
            ErrorKind::Write(WriteFailure::WriteError(error)) => {
                let mut failure = by_code(error.code);
                if let Some(name) = index_name(error.code, &error.message) {
                    failure.fault = failure.fault.with_detail(name);
                }
                failure
            }
            ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
                Self { fate: Fate::Unknown, ..by_code(error.code) }
            }
            ErrorKind::InsertMany(errors) => {
                let code =
                    errors.write_errors.iter().flatten().map(|error| error.code).find(|code| !is_duplicate(*code));
                match (code, &errors.write_concern_error) {
                    (Some(code), _) => by_code(code),
                    (None, Some(error)) => Self { fate: Fate::Unknown, ..by_code(error.code) },
                    (None, None) => by_code(DUPLICATE[0]),
                }
            }
            ErrorKind::ServerSelection { message, .. } => {
                let handshake = HANDSHAKES.iter().find(|(said, _)| message.contains(said)).map(|(_, why)| *why);
                unsent(FaultClass::Unreachable, handshake.unwrap_or("no primary: see url, network, TLS and server"))
            }
            ErrorKind::Authentication { .. } => unsent(FaultClass::Unreachable, "the server refused the login"),
            ErrorKind::DnsResolve { .. } => {
                unsent(FaultClass::Unreachable, "the name of the url could not be resolved")
            }
            ErrorKind::InvalidTlsConfig { .. } => {
                unsent(FaultClass::Unreachable, "TLS cannot be set up: see tlsCAFile and tlsCertificateKeyFile")
            }
            ErrorKind::IncompatibleServer { .. } => {
                unsent(FaultClass::Blocked(Cause::Unsupported), "the server is too old")
            }
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => unknown(FaultClass::Disconnected),
            ErrorKind::InvalidArgument { .. } | ErrorKind::BsonSerialization(_) => {
                unsent(FaultClass::Internal, "the driver refused what it was given")
            }
            _ => unknown(FaultClass::Internal),
        }
    }

    /// Reads the answer to a write command in which not everything was done, or not confirmed. What is not named in it was
    /// done all the same.
    pub(crate) fn of_written(written: &Written, operation: &'static str, place: &str) -> Option<Self> {
        let code = written.worst()?;
        let fault = Fault::new(class(code), operation, place).with_code(code.to_string());
        Some(Self { fault, fate: Fate::Unknown })
    }

    /// One statement of a write, or its confirmation, that failed with this code.
    pub(crate) fn of_code(code: i32, operation: &'static str, place: &str) -> Self {
        let fault = Fault::new(class(code), operation, place).with_code(code.to_string());
        Self { fault, fate: Fate::Unknown }
    }

    /// What was not even sent.
    pub(crate) fn unsent(fault: Fault) -> Self {
        Self { fault, fate: Fate::Nothing }
    }

    /// No answer in time.
    pub(crate) fn late(operation: &'static str, place: &str) -> Self {
        let fault = Fault::new(FaultClass::Disconnected, operation, place).with_detail("no answer in time");
        Self { fault, fate: Fate::Unknown }
    }

    /// An answer that cannot be read, although the server did what it was asked.
    pub(crate) fn odd(operation: &'static str, place: &str) -> Self {
        Self { fault: odd(operation, place), fate: Fate::Unknown }
    }

    /// The same for a call on the control collections: nobody's document is to blame for what our own refuse.
    pub(crate) fn of_control(mut self) -> Self {
        self.fault.class = match self.fault.class {
            FaultClass::Blocked(Cause::TableMissing) => FaultClass::Blocked(Cause::ControlTables),
            FaultClass::Row(_) => FaultClass::Internal,
            class => class,
        };
        self
    }

    /// What became of a receipt, or of another document that nobody else may write.
    pub(crate) fn commit(self) -> Commit {
        match self.fate {
            Fate::Nothing => Commit::RolledBack(self.fault),
            Fate::Duplicate => Commit::Fenced,
            Fate::Unknown => Commit::Unknown(self.fault),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        failure.fault
    }
}

/// An answer that is not what such a server answers.
pub(crate) fn odd(operation: &'static str, place: &str) -> Fault {
    Fault::new(FaultClass::Internal, operation, place).with_detail("the answer cannot be read")
}

/// What the server refuses to tell is not there.
pub(crate) fn unless_refused<T>(found: Result<T, Failure>) -> Result<Option<T>, Fault> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failure { fault, .. }) => match fault.class {
            FaultClass::Disconnected | FaultClass::Unreachable | FaultClass::Timeout => Err(fault),
            _ => Ok(None),
        },
    }
}

/// Whether the code says that a unique index was broken.
pub(crate) fn is_duplicate(code: i32) -> bool {
    DUPLICATE.contains(&code)
}

/// What a code says about the one document that was to be written.
fn fate(code: i32) -> Fate {
    if is_duplicate(code) {
        Fate::Duplicate
    } else if [GONE, UNCONFIRMED, IN_THE_MIDDLE].concat().contains(&code) {
        Fate::Unknown
    } else {
        Fate::Nothing
    }
}

/// Why a server did not change the one document that a statement of several meant; absent: not for the document's sake.
pub(crate) fn refusal(code: i32) -> Option<Cause> {
    match class(code) {
        FaultClass::Row(cause) => Some(cause),
        FaultClass::Internal if fate(code) == Fate::Nothing => Some(Cause::RowRefused),
        _ => None,
    }
}

/// What a server's code means.
pub(crate) fn class(code: i32) -> FaultClass {
    match PASSED_ON.iter().find(|(passed, _)| *passed == code).map_or(code, |(_, known)| *known) {
        code if is_duplicate(code) => FaultClass::Row(Cause::Unique),
        code if GONE.contains(&code) || UNCONFIRMED.contains(&code) => FaultClass::Disconnected,
        50 => FaultClass::Timeout,
        // Deadlocks and conflicts, interrupted operations, cursors that were lost.
        24 | 43 | 46 | 112 | 136 | 175 | 237 | 251 | 11601 => FaultClass::Transient,
        121 => FaultClass::Row(Cause::Check),
        28 | 40 | 66 => FaultClass::Row(Cause::TransformUnfit),
        10334 | 17280 | 17419 | 17420 => FaultClass::Row(Cause::Size),
        13 | 8000 => FaultClass::Blocked(Cause::Privilege),
        18 => FaultClass::Unreachable,
        26 => FaultClass::Blocked(Cause::TableMissing),
        166 => FaultClass::Blocked(Cause::TableKind),
        20 | 59 | 72 | 115 | 238 | 263 => FaultClass::Blocked(Cause::Unsupported),
        _ => FaultClass::Internal,
    }
}

/// The name of the index that a duplicate broke: it stands before the values.
fn index_name(code: i32, message: &str) -> Option<String> {
    let (_, rest) = message.split_once(" index: ").filter(|_| is_duplicate(code))?;
    let (name, _) = rest.split_once(" dup key:")?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$');
    name.chars().all(plain).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, FaultClass};

    use super::{Fate, class, fate, index_name, refusal};

    #[test]
    fn codes_mean_what_a_batch_has_to_do() {
        for (code, means, known) in [
            (11000, FaultClass::Row(Cause::Unique), Fate::Duplicate),
            (121, FaultClass::Row(Cause::Check), Fate::Nothing),
            (13, FaultClass::Blocked(Cause::Privilege), Fate::Nothing),
            (16_797_828, FaultClass::Blocked(Cause::Privilege), Fate::Nothing),
            (166, FaultClass::Blocked(Cause::TableKind), Fate::Nothing),
            (112, FaultClass::Transient, Fate::Nothing),
            (43, FaultClass::Transient, Fate::Nothing),
            (10334, FaultClass::Row(Cause::Size), Fate::Nothing),
            (50, FaultClass::Timeout, Fate::Unknown),
            (64, FaultClass::Disconnected, Fate::Unknown),
            (10107, FaultClass::Disconnected, Fate::Unknown),
            (11602, FaultClass::Disconnected, Fate::Unknown),
            (11601, FaultClass::Transient, Fate::Unknown),
            (1, FaultClass::Internal, Fate::Unknown),
            (99_999, FaultClass::Internal, Fate::Nothing),
        ] {
            assert_eq!((class(code), fate(code)), (means, known), "{code}");
        }
    }

    /// One document costs itself alone, also by a code that nobody knows; what is no document's fault is none.
    #[test]
    fn a_refused_statement_is_its_documents() {
        for (code, cause) in [
            (121, Some(Cause::Check)),
            (525_074_461, Some(Cause::Check)),
            (16_797_828, None),
            (40, Some(Cause::TransformUnfit)),
            (99_999, Some(Cause::RowRefused)),
            (1, None),
            (13, None),
            (64, None),
            (112, None),
        ] {
            assert_eq!(refusal(code), cause, "{code}");
        }
    }

    #[test]
    fn names_pass_and_values_do_not() {
        for (code, message, name) in [
            (
                11000,
                r#"E11000 duplicate key error collection: d.c index: email_1 dup key: { email: "marker" }"#,
                Some("email_1"),
            ),
            (11000, r#"E11000 duplicate key error collection: d.c index: marker x dup key: { email: "y" }"#, None),
            (11000, "duplicate key: marker", None),
            (121, r#"failed index: marker dup key: "#, None),
        ] {
            assert_eq!(index_name(code, message).as_deref(), name, "{message}");
        }
    }
}
