//! How a lane walks a table in bounded spans: pure arithmetic on positions, shared by connectors that speak SQL.
//!
//! A position is (since, key). While fewer rows than a batch share one `since`, spans are ranges of `since`; where more
//! do, the walk goes through the keys inside that one value, so a DATE column with any number of rows a day comes to an
//! end. Rows with NULL in `since` follow as a segment of their own, walked by key. Tables whose rows lie scattered, or
//! that have no usable index, are walked by physical row id, which is right for deletes only: a row that is updated gets
//! another one. Where the rows stay they are walked by key alone instead.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Key, Value};

/// Where a lane stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Before the first row.
    Start,
    /// Before all rows of this `since`.
    From(Value),
    /// Inside the rows of one `since`, after this key.
    Inside {
        /// The shared value.
        since: Value,
        /// The last key that was passed; absent: before the first of them.
        after: Option<Key>,
    },
    /// After all rows of this `since`.
    Past(Value),
    /// Among the rows whose `since` is NULL, after this key.
    Nulls {
        /// The last key that was passed.
        after: Option<Key>,
    },
    /// Among all rows, whatever their `since`, after this key.
    Keys {
        /// The last key that was passed; absent: before the first of them.
        after: Option<Key>,
    },
    /// At this physical row id.
    Physical {
        /// The storage the ids belong to: a rewritten table has another one, and the walk begins again.
        storage: String,
        /// The first row id that was not passed.
        from: u64,
    },
}

/// The rows one batch looks at. All bounds are in the engine's own order of the columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// `since` in a range, below the cutoff in any case.
    Range {
        /// Lower bound; absent: none.
        from: Option<Value>,
        /// Whether the lower bound itself belongs to the span.
        inclusive: bool,
        /// Upper bound, not part of the span; absent: the cutoff.
        to: Option<Value>,
    },
    /// One value of `since`, a range of keys.
    Inside {
        /// The shared value.
        since: Value,
        /// Keys after this one; absent: from the first.
        after: Option<Key>,
        /// Up to and with this one; absent: to the last.
        to: Option<Key>,
    },
    /// NULL in `since`, a range of keys.
    Nulls {
        /// Keys after this one; absent: from the first.
        after: Option<Key>,
        /// Up to and with this one; absent: to the last.
        to: Option<Key>,
    },
    /// A range of keys, whatever `since` is.
    Keys {
        /// Keys after this one; absent: from the first.
        after: Option<Key>,
        /// Up to and with this one; absent: to the last.
        to: Option<Key>,
    },
    /// Physical row ids from (with) and to (without).
    Physical {
        /// First row id.
        from: u64,
        /// First row id after the span.
        to: u64,
    },
}

/// What a connector has to look up before the span at a position is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Peek {
    /// The `since` of the row that comes `rows` rows after the bound, in order of `since`, below the cutoff.
    Since {
        /// Lower bound; absent: none.
        from: Option<Value>,
        /// Whether the lower bound itself counts.
        inclusive: bool,
    },
    /// The key of the `rows`-th row of one `since` after a key, in order of keys.
    Inside {
        /// The shared value.
        since: Value,
        /// Keys after this one.
        after: Option<Key>,
    },
    /// The same among rows whose `since` is NULL.
    Nulls {
        /// Keys after this one.
        after: Option<Key>,
    },
    /// The same among all rows.
    Keys {
        /// Keys after this one.
        after: Option<Key>,
    },
}

/// What the lookup found.
#[derive(Clone, Debug, PartialEq)]
pub enum Peeked {
    /// The `since` at the asked distance; absent: fewer rows remain.
    Since(Option<Value>),
    /// The key at the asked distance; absent: fewer rows remain.
    Key(Option<Key>),
}

/// Whether the lane has a segment of NULLs after its last range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullSegment {
    /// Rows whose `since` is NULL can be due.
    Walked,
    /// They are never due.
    Absent,
}

// === impl Position ===

impl Position {
    /// Reads a cursor; one that cannot be read starts the lane anew, which is always safe.
    pub fn from_cursor(cursor: Option<&Cursor>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(cursor.as_text()).ok()).unwrap_or(Self::Start)
    }

    /// The position as a cursor.
    pub fn to_cursor(&self) -> Cursor {
        Cursor::from_text(serde_json::to_string(self).unwrap_or_default())
    }

    /// What has to be looked up here; absent for physical positions, whose spans are arithmetic.
    pub fn peek(&self) -> Option<Peek> {
        Some(match self {
            Self::Start => Peek::Since { from: None, inclusive: true },
            Self::From(since) => Peek::Since { from: Some(since.clone()), inclusive: true },
            Self::Past(since) => Peek::Since { from: Some(since.clone()), inclusive: false },
            Self::Inside { since, after } => Peek::Inside { since: since.clone(), after: after.clone() },
            Self::Nulls { after } => Peek::Nulls { after: after.clone() },
            Self::Keys { after } => Peek::Keys { after: after.clone() },
            Self::Physical { .. } => return None,
        })
    }

    /// The span at this position, and the position behind it (absent: the lane's end).
    ///
    /// `None` when a whole lookup window shares the `since` this position begins with: look up again at
    /// [`Position::inside`].
    pub fn span(&self, peeked: Peeked, nulls: NullSegment) -> Option<(Span, Option<Self>)> {
        let after_ranges = || match nulls {
            NullSegment::Walked => Some(Self::Nulls { after: None }),
            NullSegment::Absent => None,
        };
        Some(match (self, peeked) {
            (Self::From(since), Peeked::Since(Some(to))) if to == *since => return None,
            (Self::Start | Self::From(_) | Self::Past(_), Peeked::Since(to)) => {
                let (from, inclusive) = match self {
                    Self::From(since) => (Some(since.clone()), true),
                    Self::Past(since) => (Some(since.clone()), false),
                    _ => (None, true),
                };
                let next = match &to {
                    Some(to) => Some(Self::From(to.clone())),
                    None => after_ranges(),
                };
                (Span::Range { from, inclusive, to }, next)
            }
            (Self::Inside { since, after }, Peeked::Key(to)) => {
                let next = match &to {
                    Some(key) => Self::Inside { since: since.clone(), after: Some(key.clone()) },
                    None => Self::Past(since.clone()),
                };
                (Span::Inside { since: since.clone(), after: after.clone(), to }, Some(next))
            }
            (Self::Nulls { after }, Peeked::Key(to)) => {
                let next = to.clone().map(|key| Self::Nulls { after: Some(key) });
                (Span::Nulls { after: after.clone(), to }, next)
            }
            (Self::Keys { after }, Peeked::Key(to)) => {
                let next = to.clone().map(|key| Self::Keys { after: Some(key) });
                (Span::Keys { after: after.clone(), to }, next)
            }
            // A lookup that does not answer this position's question ends nothing and skips nothing.
            _ => return None,
        })
    }

    /// The position inside the `since` this position begins with; itself where it begins with none.
    pub fn inside(&self) -> Self {
        match self {
            Self::From(since) => Self::Inside { since: since.clone(), after: None },
            other => other.clone(),
        }
    }
}

/// For how many rows a span is planned, where so many plans before this one turned out too large.
///
/// The second time the rows are counted as what they are. From the third on, those that are inserted meanwhile find room
/// in a span that is planned for fewer.
pub fn aim(rows_max: u32, overflows: u32) -> u32 {
    rows_max.checked_shr(overflows.saturating_sub(1)).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::{NullSegment, Peek, Peeked, Position, Span};
    use crate::{Key, Value};

    #[test]
    fn the_third_plan_aims_at_half() {
        let aims = |rows_max| (0..5).map(|overflows| super::aim(rows_max, overflows)).collect::<Vec<_>>();
        assert_eq!(aims(100), [100, 100, 50, 25, 12]);
        assert_eq!(aims(1), [1; 5]);
        assert_eq!(super::aim(100, 40), 1);
    }

    /// Walks a table of (since, key) rows the way a connector does and returns the spans' row counts.
    fn walk(rows: &mut [(Option<i64>, i64)], window: usize, nulls: NullSegment) -> Vec<usize> {
        walk_from(Position::Start, rows, window, nulls)
    }

    fn walk_from(begin: Position, rows: &mut [(Option<i64>, i64)], window: usize, nulls: NullSegment) -> Vec<usize> {
        rows.sort_unstable();
        let key = |k: i64| Key(vec![Value::Int(k)]);
        let int = |v: &Value| {
            if let Value::Int(v) = v { *v } else { panic!("an int") }
        };
        let key_int = |k: &Option<Key>| k.as_ref().map_or(i64::MIN, |k| int(&k.0[0]));
        let mut position = begin;
        let mut counts = vec![];
        for _ in 0..10_000 {
            let peeked = match position.peek().unwrap() {
                Peek::Since { from, inclusive } => {
                    let low = from.as_ref().map_or(i64::MIN, &int);
                    let mut left = rows.iter().filter_map(|r| r.0).filter(|s| *s > low || (inclusive && *s == low));
                    Peeked::Since(left.nth(window).map(Value::Int))
                }
                Peek::Inside { since, after } => {
                    let after = key_int(&after);
                    let mut left = rows.iter().filter(|r| r.0 == Some(int(&since)) && r.1 > after);
                    Peeked::Key(left.nth(window - 1).map(|r| key(r.1)))
                }
                Peek::Nulls { after } => {
                    let after = key_int(&after);
                    let mut left = rows.iter().filter(|r| r.0.is_none() && r.1 > after);
                    Peeked::Key(left.nth(window - 1).map(|r| key(r.1)))
                }
                Peek::Keys { after } => {
                    let after = key_int(&after);
                    let mut keys: Vec<i64> = rows.iter().map(|r| r.1).filter(|k| *k > after).collect();
                    keys.sort_unstable();
                    Peeked::Key(keys.get(window - 1).map(|k| key(*k)))
                }
            };
            let Some((span, next)) = position.span(peeked, nulls) else {
                position = position.inside();
                continue;
            };
            counts.push(rows.iter().filter(|r| within(&span, r)).count());
            match next {
                Some(next) => {
                    assert_ne!(next, position, "every span moves the position");
                    position = next;
                }
                None => return counts,
            }
        }
        panic!("the walk does not end");
    }

    fn within(span: &Span, row: &(Option<i64>, i64)) -> bool {
        let int = |v: &Value| {
            if let Value::Int(v) = v { *v } else { panic!("an int") }
        };
        let above = |after: &Option<Key>| after.as_ref().is_none_or(|k| row.1 > int(&k.0[0]));
        let upto = |to: &Option<Key>| to.as_ref().is_none_or(|k| row.1 <= int(&k.0[0]));
        match span {
            Span::Range { from, inclusive, to } => row.0.is_some_and(|s| {
                from.as_ref().is_none_or(|f| s > int(f) || (*inclusive && s == int(f)))
                    && to.as_ref().is_none_or(|t| s < int(t))
            }),
            Span::Inside { since, after, to } => row.0 == Some(int(since)) && above(after) && upto(to),
            Span::Nulls { after, to } => row.0.is_none() && above(after) && upto(to),
            Span::Keys { after, to } => above(after) && upto(to),
            Span::Physical { .. } => false,
        }
    }

    #[test]
    fn every_row_is_in_exactly_one_span_and_no_span_exceeds_the_window() {
        let cases: Vec<Vec<(Option<i64>, i64)>> = vec![
            vec![],
            (0..100).map(|k| (Some(k), k)).collect(),
            (0..100).map(|k| (Some(7), k)).collect(),
            (0..100).map(|k| (Some(k / 33), k)).collect(),
            (0..100).map(|k| (if k % 3 == 0 { None } else { Some(k / 50) }, k)).collect(),
        ];
        for mut rows in cases {
            for window in [1, 2, 7, 33, 100, 1000] {
                let counts = walk(&mut rows, window, NullSegment::Walked);
                assert_eq!(counts.iter().sum::<usize>(), rows.len());
                assert!(counts.iter().all(|n| *n <= window), "{counts:?} with window {window}");
                let counts = walk(&mut rows, window, NullSegment::Absent);
                assert_eq!(counts.iter().sum::<usize>(), rows.iter().filter(|r| r.0.is_some()).count());
                let counts = walk_from(Position::Keys { after: None }, &mut rows, window, NullSegment::Absent);
                assert_eq!(counts.iter().sum::<usize>(), rows.len());
                assert!(counts.iter().all(|n| *n <= window), "{counts:?} with window {window}");
            }
        }
    }
}
