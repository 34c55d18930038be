//! Where a lane stands, and the next rows it looks at.

use forgetd_connector::walk::{NullSegment, Peek, Peeked, Position};
use forgetd_connector::{Cursor, Key, Next};
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::query::{Area, Query, Scope, Walk};

/// A lane's position: by `since`, or in the table's own order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Ordered by `since`.
    Since(Position),
    /// Ordered by the rows themselves.
    Rows {
        /// The storage that the row belongs to; in another one the walk begins again.
        storage: String,
        /// The last row that was passed.
        after: Option<Key>,
    },
}

// === impl Place ===

impl Place {
    /// Where an order begins: the position decides how a lane goes on that may turn from one walk to the other. What cannot be
    /// read, or belongs to another walk or storage, begins at the start: safe, because rows that are gone are not met again.
    pub(crate) fn resume(from: Option<&Cursor>, scope: &Scope, storage: String) -> Self {
        let saved = from.and_then(|cursor| serde_json::from_str(cursor.as_text()).ok());
        let by_rows = scope.walk() == Walk::Rows || scope.turns();
        match saved {
            Some(place @ Self::Since(_)) if scope.walk() == Walk::Since => place,
            Some(Self::Rows { storage: saved, after }) if by_rows && saved == storage => Self::Rows { storage, after },
            _ if scope.walk() == Walk::Since => Self::Since(Position::Start),
            _ => Self::Rows { storage, after: None },
        }
    }

    /// The rows from here on, about `rows` of them, and the place behind them.
    ///
    /// Never more than `rows` rows of the table lie in the area. The place behind is never this one.
    pub(crate) fn ahead(
        &self,
        connection: &Connection,
        scope: &Scope,
        rows: u64,
    ) -> rusqlite::Result<(Area, Option<Self>)> {
        match self {
            Self::Rows { storage, after } => {
                let to = row_key(connection, &scope.peek_rows(after.as_ref(), rows), scope.row_width())?;
                let next = to.clone().map(|to| Self::Rows { storage: storage.clone(), after: Some(to) });
                Ok((Area::Rows { after: after.clone(), to }, next))
            }
            Self::Since(position) => {
                let (area, next) = ahead_by_since(position, connection, scope, rows)?;
                Ok((area, next.map(Self::Since)))
            }
        }
    }
}

/// A place as the seam's answer.
pub(crate) fn next(place: Option<&Place>) -> Next {
    // Keys and texts alone: JSON can always be written.
    match place.map(serde_json::to_string) {
        Some(Ok(text)) => Next::At(Cursor::from_text(text)),
        _ => Next::End,
    }
}

fn ahead_by_since(
    position: &Position,
    connection: &Connection,
    scope: &Scope,
    rows: u64,
) -> rusqlite::Result<(Area, Option<Position>)> {
    let nulls = if scope.walks_nulls() { NullSegment::Walked } else { NullSegment::Absent };
    let mut position = position.clone();
    loop {
        // Physical positions are not made here; one that was read from elsewhere begins anew.
        let peek = position.peek().unwrap_or(Peek::Since { from: None, inclusive: true });
        let query = scope.peek(&peek, rows);
        let peeked = match &peek {
            Peek::Since { .. } => Peeked::Since(first(connection, &query, |row| value(row, 0))?),
            Peek::Inside { .. } | Peek::Nulls { .. } | Peek::Keys { .. } => {
                Peeked::Key(row_key(connection, &query, scope.row_width())?)
            }
        };
        match position.span(peeked, nulls) {
            Some((span, next)) => return Ok((Area::Since(span), next)),
            // A whole window of one `since`: once more, by the rows inside it. A position inside always has a span.
            None => position = if position == position.inside() { Position::Start } else { position.inside() },
        }
    }
}

/// The last of so many rows behind `after` in the table's own order; absent where there are fewer.
pub(crate) fn row_behind(
    connection: &Connection,
    scope: &Scope,
    after: Option<&Key>,
    rows: u64,
) -> rusqlite::Result<Option<Key>> {
    row_key(connection, &scope.peek_rows(after, rows), scope.row_width())
}

/// The row at this place in the table's own order, counted from 1; absent where there are fewer, and where it is the last.
pub(crate) fn row_at(connection: &Connection, scope: &Scope, rows: u64) -> rusqlite::Result<Option<Key>> {
    let Some(key) = row_behind(connection, scope, None, rows)? else { return Ok(None) };
    let next = row_behind(connection, scope, Some(&key), 1)?;
    Ok(next.map(|_| key))
}

fn row_key(connection: &Connection, query: &Query, width: usize) -> rusqlite::Result<Option<Key>> {
    first(connection, query, |row| (0..width).map(|at| value(row, at)).collect::<Result<_, _>>().map(Key))
}

/// A value as cursors keep it.
fn value(row: &Row<'_>, at: usize) -> rusqlite::Result<forgetd_connector::Value> {
    row.get_ref(at).map(|value| codec::pack(codec::read(value)))
}

fn first<T>(
    connection: &Connection,
    query: &Query,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(&query.sql)?.query_row(params_from_iter(&query.values), read).optional()
}
