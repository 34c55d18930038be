//! How the rows of a table lie, looked at while a lane works: the server's statistics do not tell.

use forgetd_connector::layout::{SHARE_MIN, lie_apart, share};
use forgetd_connector::walk::Position;
use forgetd_connector::{Fault, Key};

use crate::answer::{get, odd};
use crate::codec;
use crate::connect::Session;
use crate::query::Query;

/// How many of the next rows in order of `since` are looked at.
const NEXT: u64 = 500;

/// At how many places of the table, and how many rows at each.
const PLACES: i128 = 8;
const ROWS: u64 = 128;

/// What stands between two keys, themselves included: of a key that is one column of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) first: i128,
    pub(crate) last: i128,
}

/// Whether rows that follow each other in order of `since` lie apart, and so many of all rows are due that the table is better
/// gone through once in the order of its keys. No answer is no.
pub(crate) async fn suits_keys(
    session: &mut Session,
    query: &Query,
    position: &Position,
    place: &str,
) -> Result<bool, Fault> {
    let Some(next) = position.peek().and_then(|peek| query.next_keys(&peek, NEXT)) else { return Ok(false) };
    let answers = session.read("look at the layout", place, &[&next]).await?;
    let rows = answers.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
    let keys = rows.iter().map(|row| number(get(row, 0, place)?, place)).collect::<Result<_, _>>()?;
    if !lie_apart(keys) {
        return Ok(false);
    }
    let Some(ends) = ends(session, query, place).await? else { return Ok(false) };
    let places: Vec<_> = (0..PLACES).map(|n| query.due_behind(&ends.at(query, n, PLACES), ROWS)).collect();
    let answers = session.read("look at the layout", place, &places.iter().collect::<Vec<_>>()).await?;
    let (mut all, mut due) = (0, 0);
    for answer in &answers {
        let row = answer.rows.first().ok_or_else(|| odd(place))?;
        all += get::<u64>(row, 0, place)?;
        due += get::<u64>(row, 1, place)?;
    }
    Ok(share(due, all) > SHARE_MIN)
}

/// The least key and the greatest one; nothing of an empty table.
pub(crate) async fn ends(session: &mut Session, query: &Query, place: &str) -> Result<Option<Ends>, Fault> {
    let sql = query.ends_of_keys().ok_or_else(|| odd(place))?;
    let answers = session.read("look at the layout", place, &[&sql]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    let (first, last): (Option<String>, Option<String>) = (get(row, 0, place)?, get(row, 1, place)?);
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    Ok(Some(Ends { first: number(first, place)?, last: number(last, place)? }))
}

// === impl Ends ===

impl Ends {
    /// So many of so many parts of the way from the first key to the last. No row has to have that key.
    pub(crate) fn at(self, query: &Query, part: i128, parts: i128) -> Key {
        let number = self.first + (self.last - self.first) * part / parts;
        Key(query.key().iter().map(|column| codec::value(column, number.to_string())).collect())
    }
}

/// A key of one column of whole numbers.
pub(crate) fn number(text: String, place: &str) -> Result<i128, Fault> {
    text.parse().map_err(|_| odd(place))
}
