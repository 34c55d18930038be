//! How the rows of a table lie, looked at while a lane works: statistics may be old, or were never made.

use std::time::Duration;

use forgetd_connector::Fault;
use forgetd_connector::walk::{Peek, Position, Span};
use tokio::time::Instant;

use super::Walk;
use crate::connect::Session;
use crate::query::{LINE_BITS, Query, Sql};
use crate::survey::{SHARE_MIN, Survey, get, odd};

/// After so many batches the first look is taken: most runs are over by then. Where batches take long it comes earlier, for a
/// lane that was divided looks no more.
const FIRST: u32 = 8;
const FIRST_WITHIN: Duration = Duration::from_millis(300);

/// So many batches lie between two further looks.
const EVERY: u32 = 256;

/// A table of which fewer blocks are ahead is not worth a look.
const BLOCKS_MIN: u64 = 2_048;

/// How many of the next rows in order of `since` are looked at, and how few of them say nothing.
const NEXT: u64 = 500;
const NEXT_MIN: u64 = 200;

/// At how many places of the table, and how many blocks at each.
const PLACES: u64 = 8;
const BLOCKS: u64 = 8;

/// Rows that fill so many times the blocks that they would fill together lie scattered.
const SPREAD: f64 = 4.0;

/// When a lane looks next.
pub(crate) struct Looks {
    /// In so many batches; absent: never again.
    batches: Option<u32>,
    /// Or behind the next batch after this.
    at: Option<Instant>,
}

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

// === impl Looks ===

impl Looks {
    pub(super) const NEVER: Self = Self { batches: None, at: None };

    /// A lane over a table as large as this, which begins at `now`, looks.
    pub(super) fn over(survey: &Survey, now: Instant) -> Self {
        if survey.blocks < BLOCKS_MIN {
            return Self::NEVER;
        }
        Self { batches: Some(FIRST), at: Some(now + FIRST_WITHIN) }
    }

    /// A batch ended at `now`.
    pub(super) fn went(&mut self, now: Instant) {
        let soon = self.at.is_some_and(|at| now >= at);
        self.batches = self.batches.map(|batches| if soon { 0 } else { batches.saturating_sub(1) });
    }

    pub(super) fn now(&self) -> bool {
        self.batches == Some(0)
    }

    /// Behind a look. A walk by physical row id takes no second one: the index of `since` is full of what it deleted, and a
    /// walk that begins there then would go through all of that.
    pub(super) fn looked(&mut self, walk: Walk, turns: bool) {
        *self = Self { batches: (walk == Walk::Since && !turns).then_some(EVERY), at: None };
    }
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
        let per_block = (as_float(self.rows) / as_float(self.blocks.max(1))).max(1.0);
        let (rows, blocks) = self.next;
        rows >= NEXT_MIN && as_float(blocks) > SPREAD * (as_float(rows) / per_block).max(1.0)
    }

    /// The share of due rows in the table, or in what is ahead.
    fn share(&self) -> f64 {
        as_float(self.due) / as_float(self.rows.max(1))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a guess needs no exact numbers")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{EVERY, FIRST, FIRST_WITHIN, Layout, Looks, Walk};

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

    #[test]
    fn a_lane_looks_early_and_then_rarely() {
        let began = Instant::now();
        let batches_until = |looks: &mut Looks, each: Duration| {
            let mut batches = 0;
            while !looks.now() && batches < 1_000 {
                batches += 1;
                looks.went(began + each * batches);
            }
            batches
        };
        let (fast, slow) = (Duration::from_millis(5), Duration::from_millis(200));
        let first = || Looks { batches: Some(FIRST), at: Some(began + FIRST_WITHIN) };
        assert_eq!(batches_until(&mut first(), fast), FIRST);
        assert_eq!(batches_until(&mut first(), slow), 2, "before the table is divided");
        let behind = |walk, turns| {
            let mut looks = first();
            looks.looked(walk, turns);
            batches_until(&mut looks, slow)
        };
        assert_eq!(behind(Walk::Since, false), EVERY);
        assert_eq!(behind(Walk::Since, true), 1_000, "it turned");
        assert_eq!(behind(Walk::Physical, false), 1_000, "by physical row id it looks once");
    }
}
