//! Where batches begin and end: looks ends of spans up ahead of time and keeps them bounded.
//!
//! Rows are walked by `since` where an index leads with it, else by key, which is how they lie; and a delete turns to that where
//! rows that follow each other by `since` turn out to lie scattered, and many of all are due.
//!
//! Usually a span is as many rows of the table as a batch may change, found by the index alone. Where few of those
//! are due the span stretches; where exactness matters (small batches, after a row was refused) due rows are counted.

pub(crate) mod layout;
mod turning;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forgetd_connector::layout::Looks;
use forgetd_connector::walk::{NullSegment, Peek, Peeked, Position, Span};
use forgetd_connector::{Fault, FaultClass, Key, Next, Step, Value};
use mysql_async::Row;
use tokio::time::Instant;

use crate::answer::{get, odd};
use crate::codec;
use crate::connect::Session;
use crate::query::{Query, Sql};
use crate::survey::walk_by_description;
use turning::QUARTERS;

/// Batches up to this size count due rows instead of all rows: poison is isolated by small batches.
const EXACT_MAX: u32 = 64;

/// The least rows looked at while due rows are counted.
const EXACT_WINDOW_MIN: u64 = 2_000;

/// The most rows looked at per row that may be changed.
const STRETCH_MAX: u64 = 50;

/// A transaction that took this long looks at fewer rows next time; only one that took half of it looks at more.
const SLOW_MICROS: u64 = 25_000;

/// How many ends of spans inside one `since` are looked up at once, and at the most: each lookup may have to sort the
/// whole tie group, and then fewer of them are better.
const ENDS: u64 = 16;
const ENDS_MAX: u64 = 256;

/// The most rows looked at by one lookup of ends among all keys.
const KEYS_MAX: u64 = 200_000;

/// A lookup of ends that took this long asks for more of them next time.
const LOOKUP_SLOW: Duration = Duration::from_millis(40);

/// How a lane goes through its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// In order of `since`, ties and NULLs by key.
    Since,
    /// In order of keys, whatever `since` is.
    Keys,
}

/// Whether a span's bound was found by counting all rows or due rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// All rows.
    Rows,
    /// Due rows: no more than the batch may change.
    Due,
}

/// A span that is ready to be worked on.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    position: Position,
    rows_max: u32,
    pub(crate) span: Span,
    pub(crate) after: Option<Position>,
    counted: Counted,
}

/// Plans the spans of one lane.
pub(crate) struct Walker {
    query: Arc<Query>,
    place: String,
    walk: Walk,
    /// How the table's description has it walked.
    described: Walk,
    /// Whether an order was planned.
    begun: bool,
    looks: Looks,
    nulls: NullSegment,
    /// Where the lane ends, where that is before its last row.
    until: Option<Position>,
    stretch: u64,
    /// The same in quarters, where rows are walked by key because they lie scattered.
    filling: u64,
    planned: Option<Planned>,
    ends: Ends,
    /// Set after a batch was refused or turned out too large, until one goes through.
    counted: Counted,
}

/// Ends of spans inside one `since` that were looked up together.
struct Ends {
    at: Option<Position>,
    keys: VecDeque<Key>,
    /// No further row was found behind the last of them.
    complete: bool,
    window: u64,
    /// How many to look up next time.
    most: u64,
}

// === impl Planned ===

impl Planned {
    /// Where the lane goes on.
    pub(crate) fn next(&self) -> Next {
        match &self.after {
            Some(position) => Next::At(position.to_cursor()),
            None => Next::End,
        }
    }
}

// === impl Ends ===

impl Ends {
    fn new(most: u64) -> Self {
        Self { at: None, keys: VecDeque::new(), complete: false, window: 0, most }
    }
}

// === impl Walker ===

impl Walker {
    /// A walk to its last row, or up to `until`, where the query ends too.
    pub(crate) fn new(step: &Step, query: Arc<Query>, (walk, until): (Walk, Option<Position>), place: String) -> Self {
        let nulls = if step.walks_nulls() { NullSegment::Walked } else { NullSegment::Absent };
        Self {
            query,
            place,
            walk,
            described: walk_by_description(step),
            begun: false,
            looks: Looks::NEVER,
            nulls,
            until,
            stretch: 1,
            filling: QUARTERS,
            planned: None,
            ends: Ends::new(ENDS),
            counted: Counted::Rows,
        }
    }

    /// The span at the cursor. Takes a turn unless it was looked up before. `counted` may ask for an exact one.
    pub(crate) async fn plan(
        &mut self,
        session: &mut Session,
        position: Position,
        rows_max: u32,
        counted: Counted,
    ) -> Result<Planned, Fault> {
        let rows_max = rows_max.max(1);
        let counted = self.counting(rows_max, counted);
        if !self.begun {
            self.resumes(&position);
        }
        let begin = self.begin(position);
        if self.until.as_ref() == Some(&begin) {
            return Err(odd(&self.place).with_detail("the lane is at its end"));
        }
        if let Some(planned) = self.known(&begin, rows_max, counted) {
            return Ok(planned.clone());
        }
        let (span, after) = self.look(session, begin.clone(), rows_max, counted).await?;
        let planned = Planned { position: begin, rows_max, span, after, counted };
        self.planned = Some(planned.clone());
        Ok(planned)
    }

    /// Where a lane with this cursor really stands.
    fn begin(&self, position: Position) -> Position {
        match (self.walk, position) {
            // A `since` means nothing to a walk without it, nor a key to one by `since`.
            (Walk::Since, Position::Physical { .. } | Position::Keys { .. }) => Position::Start,
            (Walk::Since, position) => position,
            (Walk::Keys, position @ Position::Keys { .. }) => position,
            (Walk::Keys, _) => Position::Keys { after: None },
        }
    }

    async fn look(
        &mut self,
        session: &mut Session,
        mut position: Position,
        rows_max: u32,
        counted: Counted,
    ) -> Result<(Span, Option<Position>), Fault> {
        // A range turns into its first tie group at most once.
        for _ in 0..2 {
            let peek = position.peek().ok_or_else(|| odd(&self.place))?;
            let peeked = match (counted, &peek) {
                (Counted::Due, _) => self.peek_due(session, &peek, rows_max).await?,
                (Counted::Rows, Peek::Since { .. }) => {
                    let sql = self.query.peek_since(&peek, self.window(rows_max)).ok_or_else(|| odd(&self.place))?;
                    let rows = self.read(session, &sql).await?;
                    Peeked::Since(self.since_value(rows.first())?)
                }
                (Counted::Rows, _) => self.peek_keys(session, &position, &peek, rows_max).await?,
            };
            if let Some(found) = self.span(&position, peeked) {
                return Ok(found);
            }
            position = position.inside();
        }
        Err(odd(&self.place))
    }

    async fn peek_due(&self, session: &mut Session, peek: &Peek, rows_max: u32) -> Result<Peeked, Fault> {
        let window = self.window(rows_max).max(EXACT_WINDOW_MIN);
        let sql = self.query.peek_due(peek, rows_max, window).ok_or_else(|| odd(&self.place))?;
        let rows = self.read(session, &sql).await?;
        let row = rows.first().ok_or_else(|| odd(&self.place))?;
        if matches!(peek, Peek::Since { .. }) {
            return Ok(Peeked::Since(self.since_by_due(row)?));
        }
        let by_due = self.key(row, 0)?;
        Ok(Peeked::Key(match by_due {
            Some(key) => Some(key),
            None => self.key(row, self.query.key().len())?,
        }))
    }

    async fn peek_keys(
        &mut self,
        session: &mut Session,
        position: &Position,
        peek: &Peek,
        rows_max: u32,
    ) -> Result<Peeked, Fault> {
        let window = self.window(rows_max);
        if !self.knows_end(position, rows_max) {
            let most = match peek {
                // Every row is one of them: what is looked up and never used costs most here.
                Peek::Keys { .. } => self.ends.most.min((KEYS_MAX / window).max(1)),
                _ => self.ends.most,
            };
            let sql = self.query.peek_keys(peek, window, most).ok_or_else(|| odd(&self.place))?;
            let began = Instant::now();
            let rows = self.read(session, &sql).await?;
            let slow = began.elapsed() > LOOKUP_SLOW;
            let keys =
                rows.iter().filter_map(|row| self.key(row, 0).transpose()).collect::<Result<VecDeque<_>, _>>()?;
            let complete = (keys.len() as u64) < most;
            let next = if slow { (self.ends.most * 4).min(ENDS_MAX) } else { self.ends.most };
            self.ends = Ends { at: Some(position.clone()), keys, complete, window, most: next };
        }
        Ok(Peeked::Key(self.next_end(position)))
    }

    /// Whether the end of the span at this position was looked up before.
    fn knows_end(&self, position: &Position, rows_max: u32) -> bool {
        self.ends.at.as_ref() == Some(position)
            && self.ends.window == self.window(rows_max)
            && (self.ends.complete || !self.ends.keys.is_empty())
    }

    /// Takes that end; absent: no further row was found.
    fn next_end(&mut self, position: &Position) -> Option<Key> {
        let end = self.ends.keys.pop_front();
        self.ends.at = match (position, &end) {
            (Position::Inside { since, .. }, Some(key)) => {
                Some(Position::Inside { since: since.clone(), after: Some(key.clone()) })
            }
            (Position::Keys { .. }, Some(key)) => Some(Position::Keys { after: Some(key.clone()) }),
            (_, Some(key)) => Some(Position::Nulls { after: Some(key.clone()) }),
            (_, None) => None,
        };
        end
    }

    /// The lookup of the span behind a planned one, to be sent along with its batch.
    pub(crate) fn ahead(&self, planned: &Planned) -> Option<Sql> {
        let peek = planned.after.as_ref()?.peek()?;
        match planned.counted {
            Counted::Rows => self.query.peek_since(&peek, self.window(planned.rows_max)),
            Counted::Due if matches!(peek, Peek::Since { .. }) => {
                let window = self.window(planned.rows_max).max(EXACT_WINDOW_MIN);
                self.query.peek_due(&peek, planned.rows_max, window)
            }
            Counted::Due => None,
        }
    }

    /// Takes the answer to [`Walker::ahead`].
    pub(crate) fn learn(&mut self, planned: &Planned, rows: &[Row]) -> Result<(), Fault> {
        let Some(position) = planned.after.clone() else { return Ok(()) };
        let found = match (planned.counted, rows.first()) {
            (Counted::Rows, row) => self.since_value(row)?,
            (Counted::Due, Some(row)) => self.since_by_due(row)?,
            (Counted::Due, None) => None,
        };
        // No span: a whole window shares one `since`, and the next plan looks inside.
        if let Some((span, after)) = self.span(&position, Peeked::Since(found)) {
            self.planned = Some(Planned { position, span, after, ..*planned });
        }
        Ok(())
    }

    /// The span at the cursor if it is known without a turn.
    pub(crate) fn ready(&self, position: Position, rows_max: u32) -> Option<Planned> {
        if self.looks.now() {
            return None;
        }
        let (begin, rows_max, counted) =
            (self.begin(position), rows_max.max(1), self.counting(rows_max, Counted::Rows));
        self.known(&begin, rows_max, counted).cloned()
    }

    /// The span at a position. Where fewer rows remain than were asked for, a lane that ends before its last row ends there.
    fn span(&self, position: &Position, peeked: Peeked) -> Option<(Span, Option<Position>)> {
        let peeked = match (peeked, &self.until) {
            (Peeked::Since(None), Some(Position::From(until))) => Peeked::Since(Some(until.clone())),
            (Peeked::Key(None), Some(Position::Keys { after })) => Peeked::Key(after.clone()),
            (found, _) => found,
        };
        position.span(peeked, self.nulls)
    }

    /// What was looked up before, if it answers this.
    fn known(&self, begin: &Position, rows_max: u32, counted: Counted) -> Option<&Planned> {
        self.planned.as_ref().filter(|planned| {
            planned.position == *begin
                && planned.rows_max == rows_max
                && (planned.counted == counted || planned.counted == Counted::Due)
        })
    }

    /// Due rows are counted where batches are small, after one was refused, and where somebody asks for it.
    fn counting(&self, rows_max: u32, asked: Counted) -> Counted {
        let exact = rows_max <= EXACT_MAX || self.counted == Counted::Due || asked == Counted::Due;
        if exact { Counted::Due } else { Counted::Rows }
    }

    /// A batch went through: how far the next one may look.
    pub(crate) fn went(&mut self, planned: &Planned, changed: u64, micros: u64) {
        self.counted = Counted::Rows;
        self.planned = None;
        self.looks.went(Instant::now().into_std());
        self.pace_rows(planned, changed, micros);
        self.follow(planned);
    }

    /// Plans the next span where its end was looked up together with this one's.
    fn follow(&mut self, planned: &Planned) {
        let Some(position) = planned.after.clone() else { return };
        let rows_max = planned.rows_max;
        let counted = self.counting(rows_max, Counted::Rows);
        if counted == Counted::Due || !self.knows_end(&position, rows_max) {
            return;
        }
        let peeked = Peeked::Key(self.next_end(&position));
        if let Some((span, after)) = self.span(&position, peeked) {
            self.planned = Some(Planned { position, rows_max, span, after, counted });
        }
    }

    /// How far the next batch may look.
    fn pace_rows(&mut self, planned: &Planned, changed: u64, micros: u64) {
        let rows_max = u64::from(planned.rows_max);
        if self.turned() {
            if planned.counted == Counted::Rows {
                self.fill(changed, self.window(planned.rows_max));
            }
            return;
        }
        if micros > SLOW_MICROS {
            self.stretch = (self.stretch / 2).max(1);
        } else if changed * 2 < rows_max && micros * 2 < SLOW_MICROS {
            self.stretch = (self.stretch * 2).min(STRETCH_MAX);
        } else if changed * 10 > rows_max * 9 {
            self.stretch = (self.stretch - 1).max(1);
        }
    }

    /// A row of the planned span was refused: the next spans are exact until one goes through. The span itself is
    /// kept, so that passing over it passes exactly what was refused.
    pub(crate) fn refused(&mut self) {
        self.stays();
        self.counted = Counted::Due;
    }

    /// The planned span held more rows than the batch may change.
    pub(crate) fn overflowed(&mut self) {
        self.counted = Counted::Due;
        self.stretch = (self.stretch / 2).max(1);
        self.filling = (self.filling / 2).max(QUARTERS);
        self.planned = None;
        self.ends = Ends::new(self.ends.most);
    }

    fn window(&self, rows_max: u32) -> u64 {
        let rows_max = u64::from(rows_max);
        if self.turned() { rows_max * self.filling / QUARTERS } else { rows_max * self.stretch }.max(1)
    }

    async fn read(&self, session: &mut Session, sql: &Sql) -> Result<Vec<Row>, Fault> {
        let answers = session.read("look up", &self.place, &[sql]).await.map_err(whole)?;
        Ok(answers.into_iter().next().map(|answer| answer.rows).unwrap_or_default())
    }

    fn since_value(&self, row: Option<&Row>) -> Result<Option<Value>, Fault> {
        match row {
            Some(row) => self.lead(row, 0),
            None => Ok(None),
        }
    }

    /// The bound by due rows, else the one by rows looked at.
    fn since_by_due(&self, row: &Row) -> Result<Option<Value>, Fault> {
        match self.lead(row, 0)? {
            Some(value) => Ok(Some(value)),
            None => self.lead(row, 1),
        }
    }

    /// A value of the leading column.
    fn lead(&self, row: &Row, n: usize) -> Result<Option<Value>, Fault> {
        let lead = self.query.lead().ok_or_else(|| odd(&self.place))?;
        Ok(get::<Option<String>>(row, n, &self.place)?.map(|text| codec::value(lead, text)))
    }

    fn key(&self, row: &Row, at: usize) -> Result<Option<Key>, Fault> {
        read_key(&self.query, row, at, &self.place)
    }
}

/// A read takes no lock of a row: what it could not have is the table.
pub(crate) fn whole(fault: Fault) -> Fault {
    match fault.class {
        FaultClass::Locked => Fault { class: FaultClass::LockedWhole, ..fault },
        _ => fault,
    }
}

/// Reads a key from columns that hold its texts; absent where they are NULL.
pub(crate) fn read_key(query: &Query, row: &Row, at: usize, place: &str) -> Result<Option<Key>, Fault> {
    let mut values = vec![];
    for (n, column) in query.key().iter().enumerate() {
        match get::<Option<String>>(row, at + n, place)? {
            Some(text) => values.push(codec::value(column, text)),
            None => return Ok(None),
        }
    }
    Ok(Some(Key(values)))
}
