//! Where batches begin and end: looks ends of spans up ahead of time and keeps them bounded.
//!
//! Rows that are deleted may be walked by physical row id; rows that stay are walked by `since`, or by key where that is
//! cheaper or `since` gives no order.
//!
//! Usually a span is as many rows of the table as a batch may change, found by the index alone. Where few of those
//! are due the span stretches; where exactness matters (small batches, after a row was refused) due rows are counted.

mod layout;
mod physical;
mod turning;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forgetd_connector::layout::Looks;
use forgetd_connector::walk::{NullSegment, Peek, Peeked, Position, Span};
use forgetd_connector::{Column, ColumnKind, Fault, Key, Next, Step, Value};
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::codec;
use crate::connect::Session;
use crate::query::{Query, Sql};
use crate::survey::{Survey, get, odd, walk_by_description};
pub(crate) use layout::Layout;
use physical::Pace;

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
    /// In order of physical row ids.
    Physical,
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
    pub(crate) survey: Survey,
    pub(crate) walk: Walk,
    /// Whether an index leads through the table in order of `since`.
    by_since: bool,
    /// Whether a batch was planned yet.
    begun: bool,
    looks: Looks,
    nulls: NullSegment,
    /// Where the lane ends, where that is before its last row.
    until: Option<Position>,
    stretch: u64,
    pace: Pace,
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
    /// A walk to its last row, or up to `until`; the query ends there too where that is a value of `since`.
    pub(crate) fn new(
        step: &Step,
        query: Arc<Query>,
        survey: Survey,
        (walk, until): (Walk, Option<Position>),
        place: String,
    ) -> Self {
        let nulls = if step.walks_nulls() { NullSegment::Walked } else { NullSegment::Absent };
        let pace = Pace::new(&survey);
        Self {
            query,
            place,
            survey,
            walk,
            by_since: walk_by_description(step) == Walk::Since,
            begun: false,
            looks: Looks::NEVER,
            nulls,
            until,
            stretch: 1,
            pace,
            planned: None,
            ends: Ends::new(ENDS),
            counted: Counted::Rows,
        }
    }

    /// Replaces what is known about the table: its storage is another one.
    pub(crate) fn resurvey(&mut self, survey: Survey) {
        self.pace = Pace::new(&survey);
        self.survey = survey;
        self.planned = None;
    }

    /// The span at the cursor. Takes a turn unless it was looked up before. `counted` may ask for an exact one.
    pub(crate) async fn plan(
        &mut self,
        session: &Session,
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
        let (span, after) = if let Position::Physical { from, .. } = &begin {
            self.physical(session, *from, rows_max, counted).await?
        } else {
            self.logical(session, begin.clone(), rows_max, counted).await?
        };
        let planned = Planned { position: begin, rows_max, span, after, counted };
        self.planned = Some(planned.clone());
        Ok(planned)
    }

    /// Where a lane with this cursor really stands.
    fn begin(&self, position: Position) -> Position {
        match (self.walk, position) {
            (Walk::Physical, Position::Physical { storage, from }) if storage == self.survey.storage => {
                Position::Physical { storage, from }
            }
            // Row ids of another storage mean nothing here, and neither does a `since` to a walk without it.
            (Walk::Physical, _) => Position::Physical { storage: self.survey.storage.clone(), from: 0 },
            (Walk::Since, Position::Physical { .. } | Position::Keys { .. }) => Position::Start,
            (Walk::Since, position) => position,
            (Walk::Keys, position @ Position::Keys { .. }) => position,
            (Walk::Keys, _) => Position::Keys { after: None },
        }
    }

    async fn logical(
        &mut self,
        session: &Session,
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

    async fn peek_due(&self, session: &Session, peek: &Peek, rows_max: u32) -> Result<Peeked, Fault> {
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
        session: &Session,
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

    /// The lookup of the span behind a planned one, to be sent along with its batch: no row, or one array of texts.
    pub(crate) fn ahead(&self, planned: &Planned) -> Option<Sql> {
        let peek = planned.after.as_ref()?.peek()?;
        let (sql, columns) = match planned.counted {
            Counted::Rows => (self.query.peek_since(&peek, self.window(planned.rows_max))?, "a.b0"),
            Counted::Due if matches!(peek, Peek::Since { .. }) => {
                let window = self.window(planned.rows_max).max(EXACT_WINDOW_MIN);
                (self.query.peek_due(&peek, planned.rows_max, window)?, "a.b0, a.b1")
            }
            Counted::Due => return None,
        };
        let text = format!("select array[{columns}] from ({}) as a({})", sql.text(), columns.replace("a.", ""));
        Some(sql.say(text))
    }

    /// Takes the answer to [`Walker::ahead`].
    pub(crate) fn learn(&mut self, planned: &Planned, found: Option<Vec<Option<String>>>) {
        let Some(position) = planned.after.clone() else { return };
        // The bound by due rows, else the one by rows looked at; neither: fewer rows remain.
        let text = found.into_iter().flatten().flatten().next();
        let peeked = Peeked::Since(text.zip(self.query.lead()).map(|(text, lead)| codec::value(lead, text)));
        // No span: a whole window shares one `since`, and the next plan looks inside.
        if let Some((span, after)) = self.span(&position, peeked) {
            self.planned = Some(Planned { position, span, after, ..*planned });
        }
    }

    /// The span at the cursor if it is known without a turn.
    pub(crate) fn ready(&self, position: Position, rows_max: u32) -> Option<Planned> {
        if self.looks.now() {
            return None;
        }
        let (begin, rows_max, counted) =
            (self.begin(position), rows_max.max(1), self.counting(rows_max, Counted::Rows));
        if let Some(planned) = self.known(&begin, rows_max, counted) {
            return Some(planned.clone());
        }
        let Position::Physical { from, .. } = begin else { return None };
        if counted == Counted::Due {
            return None;
        }
        let (span, after) = self.physical_rows(from, rows_max);
        Some(Planned { position: begin, rows_max, span, after, counted })
    }

    /// The span at a position. Where fewer rows remain than were asked for, a lane that ends before its last row ends there.
    fn span(&self, position: &Position, peeked: Peeked) -> Option<(Span, Option<Position>)> {
        let peeked = match (peeked, &self.until) {
            (Peeked::Since(None), Some(Position::From(until))) => Peeked::Since(Some(until.clone())),
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
        if let Span::Physical { from, to } = planned.span {
            self.pace.went(from, to, changed, micros);
            return;
        }
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

    /// How far the next batch may look, unless rows are walked physically.
    fn pace_rows(&mut self, planned: &Planned, changed: u64, micros: u64) {
        let rows_max = u64::from(planned.rows_max);
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
        self.planned = None;
        self.ends = Ends::new(self.ends.most);
    }

    fn window(&self, rows_max: u32) -> u64 {
        u64::from(rows_max) * self.stretch
    }

    async fn read(&self, session: &Session, sql: &Sql) -> Result<Vec<Row>, Fault> {
        let answers = session.read("look up", &self.place, self.query.pins(), &[sql]).await?;
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

/// The key that a deleted row gave back; absent where it is NULL.
pub(crate) fn read_returned_key(query: &Query, row: &Row, place: &str) -> Result<Option<Key>, Fault> {
    key_of(query, |n, column| match column.kind {
        ColumnKind::Integer => Ok(get::<Option<i64>>(row, n, place)?.map(Value::Int)),
        _ => read_text(column, row, n, place),
    })
}

/// Reads a key from columns that hold its texts; absent where they are NULL.
pub(crate) fn read_key(query: &Query, row: &Row, at: usize, place: &str) -> Result<Option<Key>, Fault> {
    key_of(query, |n, column| read_text(column, row, at + n, place))
}

fn read_text(column: &Column, row: &Row, n: usize, place: &str) -> Result<Option<Value>, Fault> {
    Ok(get::<Option<String>>(row, n, place)?.map(|text| codec::value(column, text)))
}

fn key_of(query: &Query, value: impl Fn(usize, &Column) -> Result<Option<Value>, Fault>) -> Result<Option<Key>, Fault> {
    let mut values = Vec::with_capacity(query.key().len());
    for (n, column) in query.key().iter().enumerate() {
        let Some(value) = value(n, column)? else { return Ok(None) };
        values.push(value);
    }
    Ok(Some(Key(values)))
}
