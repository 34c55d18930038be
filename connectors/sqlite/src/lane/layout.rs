//! How the rows of a table lie, looked at while a lane works: SQLite's statistics do not tell.

use forgetd_connector::walk::{Peek, Position};
use forgetd_connector::{Key, Value};
use rusqlite::{Connection, params_from_iter};

use crate::query::{Area, Scope};
use crate::walk;

/// After so many batches the first look is taken: runs of some hundred rows are over by then.
const FIRST: u32 = 4;

/// So many batches lie between two further looks.
const EVERY: u32 = 256;

/// How many of the next rows in order of `since` are looked at, and how few of them say nothing.
const NEXT: u64 = 500;
const NEXT_MIN: usize = 200;

/// Row ids that are further apart seldom share a page.
const APART: u64 = 100;

/// Where more than this share of those rows lie apart, a walk in their order jumps over the file.
const APART_MIN: f64 = 0.25;

/// At how many places of the table, and how many rows at each.
const PLACES: i128 = 8;
const ROWS: u64 = 128;

/// Above this share of due rows, reading the whole table once is cheaper than jumping over it.
const SHARE_MIN: f64 = 0.1;

/// When a lane looks next: in so many batches; absent: never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks(Option<u32>);

// === impl Looks ===

impl Looks {
    pub(super) const NEVER: Self = Self(None);
    pub(super) const SOON: Self = Self(Some(FIRST));

    /// Whether a look is to be taken before the batch that begins. Counts it.
    pub(super) fn due(&mut self) -> bool {
        match self.0 {
            Some(0) => {
                self.0 = Some(EVERY - 1);
                true
            }
            _ => {
                self.0 = self.0.map(|batches| batches - 1);
                false
            }
        }
    }

    /// Takes no further look. Whether it would have.
    pub(super) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// Whether rows that follow each other in order of `since` lie apart, and so many of all rows are due that the table is better
/// read once in the order of its rows. No answer is no.
pub(super) fn suits_rows(connection: &Connection, scope: &Scope, position: &Position) -> rusqlite::Result<bool> {
    let Some(peek @ Peek::Since { .. }) = position.peek() else { return Ok(false) };
    let query = scope.next_row_ids(&peek, NEXT);
    let mut statement = connection.prepare_cached(&query.sql)?;
    let ids = statement.query_map(params_from_iter(&query.values), |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
    Ok(lie_apart(ids) && share(connection, scope)? > SHARE_MIN)
}

fn lie_apart(mut ids: Vec<i64>) -> bool {
    if ids.len() < NEXT_MIN {
        return false;
    }
    ids.sort_unstable();
    let apart = ids.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) > APART).count();
    as_float(apart as u64) > APART_MIN * as_float(ids.len() as u64)
}

/// The share of due rows at some places all over the table.
fn share(connection: &Connection, scope: &Scope) -> rusqlite::Result<f64> {
    let query = scope.row_id_bounds();
    let bounds = connection.prepare_cached(&query.sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = bounds else { return Ok(0.0) };
    let (mut rows, mut due) = (0, 0);
    for place in 0..PLACES {
        let ahead = (i128::from(last) - i128::from(first)) * place / PLACES;
        // Between the two by construction.
        let after = i64::try_from(i128::from(first) + ahead).unwrap_or(first);
        let after = Some(Key(vec![Value::Int(after)]));
        // Near its end there are fewer.
        let Some(to) = walk::row_behind(connection, scope, after.as_ref(), ROWS)? else { continue };
        rows += ROWS;
        due += scope.count_in(&Area::Rows { after, to: Some(to) }, ROWS).number(connection)?;
    }
    Ok(as_float(due) / as_float(rows.max(1)))
}

#[allow(clippy::cast_precision_loss, reason = "a guess needs no exact numbers")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{EVERY, FIRST, Looks, lie_apart};

    #[test]
    fn rows_lie_apart_where_most_are_on_pages_of_their_own() {
        assert!(lie_apart((0..500).map(|n| n * 7_919 % 100_000).collect()));
        assert!(!lie_apart((0..500).map(|n| n * 2).collect()), "every other one");
        assert!(!lie_apart((0..500).map(|n| n + n / 10 * 1_000).collect()), "ten at a time");
        assert!(!lie_apart((0..199).map(|n| n * 7_919).collect()), "too few to tell");
        assert!(lie_apart(
            (0..500).map(|n| if n % 2 == 0 { i64::MIN + n * 300 } else { i64::MAX - n * 300 }).collect()
        ));
    }

    #[test]
    fn a_lane_looks_soon_and_then_rarely() {
        let mut looks = Looks::SOON;
        let seen: Vec<u32> = (0..400).filter(|_| looks.due()).collect();
        assert_eq!(seen, [FIRST, FIRST + EVERY]);
        let mut never = Looks::NEVER;
        assert!((0..600).all(|_| !never.due()));
    }
}
