//! Answers to statements, and how they are read.

use forgetd_connector::{Fault, FaultClass};
use mysql_async::Row;
use mysql_async::prelude::FromValue;
use tokio::time::Instant;

/// The answer to one part of a turn.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Rows that a statement inserted, deleted or, for an update, *matched*, whether or not it changed them. An insert
    /// that updates a duplicate counts 2 for it, and 1 where that changed nothing.
    pub(crate) affected: u64,
    /// Rows that an update changed; absent where the statement was none.
    pub(crate) changed: Option<u64>,
    /// When it was complete.
    pub(crate) at: Instant,
}

/// What the server says behind an update: `Rows matched: 3  Changed: 2  Warnings: 0`.
pub(crate) fn changed(info: &str) -> Option<u64> {
    let (_, rest) = info.split_once("Changed: ")?;
    rest.split(' ').next()?.parse().ok()
}

/// A value of a row.
pub(crate) fn get<T: FromValue>(row: &Row, n: usize, place: &str) -> Result<T, Fault> {
    match row.get_opt(n) {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(odd(place)),
    }
}

/// The same, taken out of the row.
pub(crate) fn take<T: FromValue>(row: &mut Row, n: usize, place: &str) -> Result<T, Fault> {
    match row.take_opt(n) {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(odd(place)),
    }
}

/// The server answered in another shape than it was asked to.
pub(crate) fn odd(place: &str) -> Fault {
    Fault::new(FaultClass::Internal, "read answer", place).with_detail("an answer of another shape")
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn changed_rows_are_read_from_what_an_update_says() {
        assert_eq!(changed("Rows matched: 3  Changed: 2  Warnings: 0"), Some(2));
        assert_eq!(changed("Records: 3  Duplicates: 0  Warnings: 0"), None);
        assert_eq!(changed(""), None);
    }
}
