//! What changes the rows of a batch, once its transaction is begun and fenced: the change, what is left, and the exit
//! (the counters after and the lookup of the next span).
//!
//! Where a row's fate hangs on other rows, the rows of the span were locked before this; it goes out in a turn of its
//! own, and judges each of them again by what is there now.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault, FaultClass, LockWait, Order};
use tokio_postgres::{Error, Row};

use super::turn::Entrance;
use super::{Atomic, Locked};
use crate::compare::{self, Along, Counting};
use crate::connect::{Answer, Ask, Session};
use crate::error;
use crate::query::{Among, Returning, RowToWrite, Sql};
use crate::survey::{RowTriggers, get, odd};
use crate::walk::Planned;

/// How often rows that became due again between two statements are taken after all. A trigger that cancels leaves the
/// same rows each time.
const AGAIN_MAX: usize = 3;

/// The statements.
pub(super) struct Act {
    /// Absent: there is nothing to write.
    change: Option<Sql>,
    /// Counts what stayed, where rows can stay without an error.
    left: Option<Sql>,
    exit: Sql,
    after: Counting,
    looks_ahead: bool,
    locks: LockWait,
    /// Whether the batch is down to one row.
    single: bool,
}

/// Which rows are changed.
#[derive(Clone, Copy)]
pub(super) enum Acting<'a> {
    /// The due rows of the span.
    Span,
    /// Those of these locked ones that are still due.
    Locked(&'a [String]),
    /// These, whose new values are computed.
    Rows(&'a [RowToWrite]),
}

/// What was looked up ahead, if it was: see [`crate::walk::Walker::learn`].
pub(super) type Ahead = Option<Option<Vec<Option<String>>>>;

/// What the batch did. Its transaction is open.
pub(super) struct Changed {
    pub(super) rows: u64,
    /// Rows that were to be written and were no longer as they had been read.
    pub(super) missed: u64,
    /// Rows that cannot be transformed, by cause.
    pub(super) unfit: BTreeMap<Cause, u64>,
    /// Rows that were met, whether they went or not: those that were locked, where that is a step of its own.
    pub(super) met: u64,
    /// What the values that were read come to, in bytes.
    pub(super) bytes: u64,
    /// What was too wide to be read at once; nothing was changed.
    pub(super) wide: Option<Wide>,
    pub(super) along: Along,
    /// Due rows that are still in the span, where they were counted.
    pub(super) left: Option<u64>,
    pub(super) keys: Vec<Row>,
    pub(super) ahead: Ahead,
    pub(super) xid: String,
    pub(super) storage: String,
    pub(super) micros: u64,
}

/// What is too wide.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wide {
    /// A row, for its share of a batch.
    Row,
    /// The rows together.
    Rows {
        /// How many would have fitted.
        fits: u64,
    },
}

/// The answers to the statements.
pub(super) struct Acted {
    rows: u64,
    keys: Vec<Row>,
    left: Option<u64>,
    exit: Row,
}

/// The microseconds since the transaction began.
const ELAPSED: &str = "(extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000000)::int8";

/// No limit of statements for what is left of the transaction: one that struck while COMMIT waits for a standby would end the
/// waiting, and nothing else.
const UNLIMITED: &str = "set_config('statement_timeout', '0', true)";

// === impl Act ===

impl Act {
    /// The statements, in their order.
    pub(super) fn asks(&self) -> Vec<Ask<'_>> {
        let mut asks: Vec<Ask<'_>> = self.change.iter().map(Ask::Query).collect();
        asks.extend(self.left.iter().map(Ask::Query));
        // Last, because it says how long the whole of it took the server.
        asks.push(Ask::Query(&self.exit));
        asks
    }
}

impl Atomic {
    /// The statements for the due rows of a span, or for those of it that were locked or read.
    pub(super) fn act(&self, order: &Order, planned: &Planned, acting: Acting<'_>) -> Act {
        let returning = returning(order);
        let within = || self.query.due_within(&planned.span);
        let left = match (order.locks, acting) {
            // Those that others hold.
            (LockWait::Skip, _) => Some(within()),
            // Those that a trigger kept.
            (LockWait::Wait, _) if self.walker.survey.triggers != RowTriggers::Before => None,
            (LockWait::Wait, Acting::Span) => Some(within()),
            (LockWait::Wait, Acting::Locked(ids)) => Some(self.query.due_locked(ids)),
            (LockWait::Wait, Acting::Rows(rows)) => Some(self.query.as_read(rows)),
        };
        let ahead = self.walker.ahead(planned);
        let looks_ahead = ahead.is_some();
        let (exit, after) = self.exit(order, ahead);
        let (query, span, locks) = (&self.query, &planned.span, order.locks);
        let change = match (acting, query.rewrites()) {
            (Acting::Rows([]), _) => None,
            (Acting::Rows(rows), _) => Some(query.write_rows(rows, returning, self.walker.survey.triggers)),
            (Acting::Span, false) => Some(query.delete(span, locks, returning)),
            (Acting::Locked(ids), false) => Some(query.delete_locked(ids, returning)),
            (Acting::Span, true) => Some(query.write(Among::Span(span), locks, returning)),
            (Acting::Locked(ids), true) => Some(query.write(Among::Locked(ids), LockWait::Wait, returning)),
        };
        Act { change, left, exit, after, looks_ahead, locks, single: order.rows_max <= 1 }
    }

    /// The counters after, what is looked up ahead, and the time all of it took.
    fn exit(&self, order: &Order, ahead: Option<Sql>) -> (Sql, Counting) {
        let survey = &self.walker.survey;
        let control_name = &self.shared.link.context.control_name;
        let (mut sql, lookup) = match ahead {
            Some(ahead) => {
                let lookup = format!(", ({})", ahead.text());
                (ahead, lookup)
            }
            None => (Sql::default(), String::new()),
        };
        let counting = Counting::new(order.compare, survey.oid, &survey.announced, control_name, &mut sql);
        // The time behind them, because columns are computed in their order and it counts what the lookup took.
        let text = format!("select {}{lookup}, {ELAPSED}, {UNLIMITED}", counting.columns());
        (sql.say(text), counting)
    }

    /// Judges locked rows again, and changes those that are still due.
    pub(super) async fn judge(
        &self,
        session: &Session,
        order: &Order,
        planned: &Planned,
        locked: Locked,
    ) -> Result<Changed, Fault> {
        let Locked { entrance, ids } = locked;
        if ids.len() > order.rows_max as usize {
            return Ok(Changed::overflow(entrance, ids.len()));
        }
        let act = self.act(order, planned, Acting::Locked(&ids));
        let mut acted = self.acted(&act, session.turn("change", &act.asks()).await?)?;
        for _ in 0..AGAIN_MAX {
            // A row that was written and is due again would be written for ever.
            if self.query.rewrites() || act.locks == LockWait::Skip || acted.left.unwrap_or(0) == 0 {
                break;
            }
            let again = self.acted(&act, session.turn("change", &act.asks()).await?)?;
            let none = again.rows == 0;
            acted.rows += again.rows;
            acted.keys.extend(again.keys);
            (acted.left, acted.exit) = (again.left, again.exit);
            if none {
                break;
            }
        }
        let changed = self.concluded(&act, entrance, acted)?;
        Ok(Changed { met: ids.len() as u64, ..changed })
    }

    /// Reads every answer; the first that failed, in their order, is the reason.
    pub(super) fn acted(
        &self,
        act: &Act,
        answers: impl IntoIterator<Item = Result<Answer, Error>>,
    ) -> Result<Acted, Fault> {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(|| odd(&self.place));
        let change = match act.change {
            Some(_) => Some(next()?.map_err(|error| self.refused(&error, act.locks))?),
            None => None,
        };
        let left = if act.left.is_some() { Some(self.left(next()?)?) } else { None };
        let exit = next()?.map_err(|error| error::fault(&error, "read counters", &self.place))?;
        let exit = exit.rows.into_iter().next().ok_or_else(|| odd(&self.place))?;
        let Some(change) = change else { return Ok(Acted { rows: 0, keys: vec![], left, exit }) };
        let rows = if self.query.rewrites() { written(&change.rows, &self.place)? } else { change.affected };
        Ok(Acted { rows, keys: change.rows, left, exit })
    }

    /// What the answers say together.
    pub(super) fn concluded(&self, act: &Act, entrance: Entrance, acted: Acted) -> Result<Changed, Fault> {
        let Acted { rows, keys, left, exit } = acted;
        if act.locks == LockWait::Wait && left.is_some_and(|left| left > 0) {
            return Err(self.cancelled(act, rows));
        }
        let survey = &self.walker.survey;
        let after = act.after.read(&exit, 0, &self.place)?;
        let reported = self.query.reported(rows);
        let along = compare::agree(&entrance.before, &after, survey.oid, reported, &survey.announced, &self.place)?;
        let width = act.after.width();
        let ahead = if act.looks_ahead { Some(get(&exit, width, &self.place)?) } else { None };
        let elapsed = width + usize::from(act.looks_ahead);
        Ok(Changed {
            rows,
            missed: 0,
            unfit: BTreeMap::new(),
            met: rows,
            bytes: 0,
            wide: None,
            along,
            left,
            keys,
            ahead,
            xid: entrance.xid,
            storage: entrance.storage,
            micros: get::<i64>(&exit, elapsed, &self.place)?.unsigned_abs(),
        })
    }

    /// The answers to statements that went out with the entrance.
    pub(super) fn changed(
        &self,
        act: &Act,
        entrance: Entrance,
        answers: impl IntoIterator<Item = Result<Answer, Error>>,
    ) -> Result<Changed, Fault> {
        let acted = self.acted(act, answers)?;
        self.concluded(act, entrance, acted)
    }

    /// What it means that rows could not be locked or read: nothing was to be written yet.
    pub(super) fn unread(&self, error: &Error, locks: LockWait) -> Fault {
        self.unlocked(error::fault(error, "change", &self.place), locks)
    }

    fn unlocked(&self, mut fault: Fault, locks: LockWait) -> Fault {
        if fault.class == FaultClass::Locked && locks == LockWait::Skip {
            fault.class = FaultClass::Row(Cause::Locked);
        }
        fault
    }

    /// What a refused change means. A lock that is missing although locked rows were skipped belongs to a row's
    /// children: that row is to blame.
    pub(super) fn refused(&self, error: &Error, locks: LockWait) -> Fault {
        let fault = error::fault(error, "change", &self.place);
        self.unlocked(if self.query.rewrites() { error::of_a_value(fault) } else { fault }, locks)
    }

    /// A trigger that keeps single rows costs those rows; one that keeps everything stops the rule.
    fn cancelled(&self, act: &Act, changed: u64) -> Fault {
        let class = if changed > 0 || self.took || act.single {
            FaultClass::Row(Cause::TriggerCancels)
        } else {
            FaultClass::Blocked(Cause::TriggerCancels)
        };
        Fault::new(class, "change", &self.place)
    }

    fn left(&self, answer: Result<Answer, Error>) -> Result<u64, Fault> {
        let answer = answer.map_err(|error| error::fault(&error, "count locked", &self.place))?;
        let row = answer.rows.first().ok_or_else(|| odd(&self.place))?;
        Ok(get::<i64>(row, 0, &self.place)?.unsigned_abs())
    }
}

/// Whether an order wants the keys of what it changes.
pub(super) const fn returning(order: &Order) -> Returning {
    if order.want_keys { Returning::Keys } else { Returning::Nothing }
}

/// How many rows were written. None of them may count from another moment than before, or hold something else than what
/// was written.
pub(crate) fn written(rows: &[Row], place: &str) -> Result<u64, Fault> {
    let Some(row) = rows.first() else { return Ok(0) };
    if get(row, 1, place)? {
        return Err(Fault::new(FaultClass::Blocked(Cause::SinceMoved), "change", place));
    }
    if get(row, 2, place)? {
        return Err(Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "change", place).with_detail(place));
    }
    Ok(get::<i64>(row, 0, place)?.unsigned_abs())
}

// === impl Changed ===

impl Changed {
    /// More rows were locked than the batch may change; nothing was.
    pub(super) fn overflow(entrance: Entrance, met: usize) -> Self {
        Self {
            rows: 0,
            missed: 0,
            unfit: BTreeMap::new(),
            met: met as u64,
            bytes: 0,
            wide: None,
            along: Along::default(),
            left: None,
            keys: vec![],
            ahead: None,
            xid: entrance.xid,
            storage: entrance.storage,
            micros: 0,
        }
    }
}
