//! How the rows of a table lie, looked at while a lane works: statistics may be old, or were never made.

use forgetd_connector::Fault;
use forgetd_connector::layout::{SHARE_MIN, as_float, share};
use forgetd_connector::walk::{Peek, Position, Span};

use super::Walk;
use crate::connect::Session;
use crate::query::{LINE_BITS, Query, Sql};
use crate::survey::{Survey, get, odd};

/// A table of which fewer blocks are ahead is not worth a look.
pub(super) const BLOCKS_MIN: u64 = 2_048;

/// How many of the next rows in order of `since` are looked at, and how few of them say nothing.
const NEXT: u64 = 500;
const NEXT_MIN: u64 = 200;

/// At how many places of the table, and how many blocks at each.
const PLACES: u64 = 8;
const BLOCKS: u64 = 8;

/// Rows that fill so many times the blocks that they would fill together lie scattered.
const SPREAD: f64 = 4.0;

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Of the next rows in order of `since`, how many there are and in how many blocks.
    next: (u64, u64),
    /// Of some blocks all over the table, how many there are, the rows in them, and the due ones among those.
    blocks: u64,
    rows: u64,
    due: u64,
}

// === impl Layout ===

impl Layout {
    /// Looks at the rows that come next at `position` and, by physical row id, at those that are ahead. Nothing where the lane is
    /// inside rows that share one `since`, or near its end.
    pub(crate) async fn look(
        session: &Session,
        query: &Query,
        survey: &Survey,
        position: &Position,
        place: &str,
    ) -> Result<Option<Self>, Fault> {
        let (next, first) = match position {
            Position::Physical { from, .. } => (None, from >> LINE_BITS),
            position => match position.peek() {
                Some(peek @ Peek::Since { .. }) => (query.laid_next(&peek, NEXT), 0),
                _ => return Ok(None),
            },
        };
        let ahead = survey.blocks.saturating_sub(first);
        if ahead < BLOCKS_MIN {
            return Ok(None);
        }
        let places = (0..PLACES).map(|n| {
            let from = first + ahead * n / PLACES;
            query.laid_within(&Span::Physical { from: from << LINE_BITS, to: (from + BLOCKS) << LINE_BITS })
        });
        let asked: Vec<Sql> = places.chain(next).collect();
        let answers =
            session.read("look at the layout", place, query.pins(), &asked.iter().collect::<Vec<_>>()).await?;
        let numbers = answers.iter().map(|answer| {
            let row = answer.rows.first().ok_or_else(|| odd(place))?;
            Ok((get::<i64>(row, 0, place)?.unsigned_abs(), get::<i64>(row, 1, place)?.unsigned_abs()))
        });
        let numbers = numbers.collect::<Result<Vec<_>, Fault>>()?;
        let mut layout = Self { blocks: PLACES * BLOCKS, ..Self::default() };
        for (n, counted) in (0..).zip(numbers) {
            if n < PLACES {
                (layout.rows, layout.due) = (layout.rows + counted.0, layout.due + counted.1);
            } else {
                layout.next = counted;
            }
        }
        Ok(Some(layout))
    }

    /// The walk that suits it better than the present one, if one does.
    pub(crate) fn better(&self, walk: Walk) -> Option<Walk> {
        match walk {
            Walk::Since if self.is_scattered() && self.share() > SHARE_MIN => Some(Walk::Physical),
            // Far below the limit, so that it does not turn for nothing.
            Walk::Physical if self.rows >= NEXT_MIN && self.share() < SHARE_MIN / 4.0 => Some(Walk::Since),
            _ => None,
        }
    }

    /// Whether rows that follow each other in order of `since` lie in more blocks than they fill.
    fn is_scattered(&self) -> bool {
        let per_block = share(self.rows, self.blocks).max(1.0);
        let (rows, blocks) = self.next;
        rows >= NEXT_MIN && as_float(blocks) > SPREAD * (as_float(rows) / per_block).max(1.0)
    }

    /// The share of due rows in the table, or in what is ahead.
    fn share(&self) -> f64 {
        share(self.due, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, Walk};

    #[test]
    fn scattered_rows_of_which_many_are_due_are_walked_through_the_blocks() {
        let seen = |next, due| Layout { next, blocks: 64, rows: 2_560, due };
        let turned = |layout: Layout| layout.better(Walk::Since);
        assert_eq!(turned(seen((500, 490), 1_280)), Some(Walk::Physical));
        assert_eq!(turned(seen((500, 14), 1_280)), None, "they lie together");
        assert_eq!(turned(seen((500, 490), 250)), None, "few of them are due");
        assert_eq!(turned(seen((120, 120), 1_280)), None, "too few to tell");
        let wide = Layout { next: (500, 500), blocks: 64, rows: 128, due: 64 };
        assert_eq!(turned(wide), None, "two rows fill a block");
    }

    #[test]
    fn blocks_in_which_little_is_due_are_left_for_the_index() {
        let seen = |due| Layout { next: (0, 0), blocks: 64, rows: 2_560, due };
        assert_eq!(
            [0, 63, 64, 1_280].map(|due| seen(due).better(Walk::Physical)),
            [Some(Walk::Since), Some(Walk::Since), None, None]
        );
        assert_eq!(seen(0).better(Walk::Keys), None);
        assert_eq!(Layout { blocks: 64, ..Layout::default() }.better(Walk::Physical), None, "nothing was met");
    }
}
