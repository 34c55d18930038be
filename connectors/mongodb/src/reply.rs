//! Answers to write commands that were sent as they are: `ok` says nothing there, and a part can be done.

use mongodb::bson::{Bson, Document};

use crate::error::is_duplicate;

/// What the server says became of a write command. The driver takes every such answer for a success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Documents that were deleted or matched.
    pub(crate) n: u64,
    /// Documents that an update made others.
    pub(crate) modified: u64,
    /// The statements that failed, by their place in the command, with the server's code. Those that are not named were done,
    /// or, in an ordered command, not reached.
    pub(crate) errors: Vec<(u64, i32)>,
    /// All that is counted took place, and that a majority has it was not confirmed: with this code.
    pub(crate) unconfirmed: Option<i32>,
}

// === impl Written ===

impl Written {
    /// Reads an answer; absent: it is none of a write.
    pub(crate) fn read(reply: &Document) -> Option<Self> {
        let errors = match reply.get("writeErrors") {
            None => vec![],
            Some(Bson::Array(errors)) => errors.iter().map(statement).collect::<Option<_>>()?,
            Some(_) => return None,
        };
        let unconfirmed = match reply.get("writeConcernError") {
            None => None,
            Some(Bson::Document(error)) => Some(code(error)?),
            Some(_) => return None,
        };
        let modified = reply.get("nModified").map_or(Some(0), number)?;
        Some(Self { n: number(reply.get("n")?)?, modified, errors, unconfirmed })
    }

    /// The first code that says more than that a key was there already; absent where every statement was done and confirmed.
    pub(crate) fn worst(&self) -> Option<i32> {
        let codes = || self.errors.iter().map(|(_, code)| *code);
        codes().find(|code| !is_duplicate(*code)).or_else(|| codes().next()).or(self.unconfirmed)
    }
}

fn statement(error: &Bson) -> Option<(u64, i32)> {
    let error = error.as_document()?;
    Some((number(error.get("index")?)?, code(error)?))
}

fn code(error: &Document) -> Option<i32> {
    i32::try_from(number(error.get("code")?)?).ok()
}

/// A count or term in whichever of the number types the server chose.
pub(crate) fn number(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(value) => u64::try_from(*value).ok(),
        Bson::Int64(value) => u64::try_from(*value).ok(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is asked first")]
        Bson::Double(value) if value.fract() == 0.0 && (0.0..9e15).contains(value) => Some(*value as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::Written;

    #[test]
    fn what_failed_inside_a_success_is_seen() {
        let whole = Written::read(&doc! { "ok": 1.0, "n": 3, "nModified": 2_i64 }).unwrap();
        assert_eq!((whole.n, whole.modified, whole.worst()), (3, 2, None));

        let reply = doc! { "ok": 1, "n": 5, "writeErrors": [
            { "index": 2, "code": 11000, "errmsg": "marker" }, { "index": 4, "code": 121, "errmsg": "marker" },
        ] };
        let part = Written::read(&reply).unwrap();
        assert_eq!((part.errors.as_slice(), part.worst()), ([(2, 11000), (4, 121)].as_slice(), Some(121)));
        assert!(!format!("{part:?}").contains("marker"));

        let reply = doc! { "ok": 1, "n": 7, "writeConcernError": { "code": 64, "errmsg": "marker" } };
        let unconfirmed = Written::read(&reply).unwrap();
        assert_eq!((unconfirmed.n, unconfirmed.unconfirmed, unconfirmed.worst()), (7, Some(64), Some(64)));
    }

    #[test]
    fn what_cannot_be_read_is_no_success() {
        for reply in [
            doc! { "ok": 1 },
            doc! { "ok": 1, "n": -1 },
            doc! { "ok": 1, "n": 1, "writeErrors": 1 },
            doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 0 }] },
            doc! { "ok": 1, "n": 1, "writeConcernError": { "errmsg": "x" } },
        ] {
            assert_eq!(Written::read(&reply), None, "{reply}");
        }
    }
}
