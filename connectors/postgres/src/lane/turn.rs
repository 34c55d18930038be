//! Turn 1 of a batch: one flush from BEGIN to the lookup of the next span.
//!
//! Few statements, because each one more is parsed, planned and answered with a send of its own: the entrance (the fence
//! and the counters before), the change, and the exit (the counters after and the lookup).

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Compare, Fault, FaultClass, LockWait, Order, TableRef};
use tokio_postgres::{Error, Row};

use super::Atomic;
use crate::compare::{self, Counters, Counting};
use crate::connect::{Answer, Ask, Session};
use crate::error;
use crate::query::{Param, Returning, Sql};
use crate::survey::{RowTriggers, get, odd};
use crate::walk::Planned;

/// Turn 1, ready to be sent.
pub(super) struct Turn {
    begin: String,
    entrance: Sql,
    before: Counting,
    change: Sql,
    /// Counts what stayed, where rows can stay without an error.
    left: Option<Sql>,
    exit: Sql,
    after: Counting,
    looks_ahead: bool,
    locks: LockWait,
    /// Whether the batch is down to one row.
    single: bool,
}

/// What was looked up ahead, if it was: see [`crate::walk::Walker::learn`].
pub(super) type Ahead = Option<Option<Vec<Option<String>>>>;

/// What turn 1 did. Its transaction is open.
pub(super) struct Changed {
    pub(super) rows: u64,
    pub(super) cascaded: BTreeMap<TableRef, u64>,
    /// Due rows that are still in the span, where they were counted.
    pub(super) left: Option<u64>,
    pub(super) keys: Vec<Row>,
    pub(super) ahead: Ahead,
    pub(super) xid: String,
    pub(super) storage: String,
    pub(super) micros: u64,
}

/// What the fence and the server say inside the transaction.
struct Entrance {
    xid: String,
    storage: String,
    before: Counters,
}

/// Columns of the entrance before the counters.
const ENTRANCE: usize = 4;

/// The microseconds since the transaction began.
const ELAPSED: &str = "(extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000000)::int8";

// === impl Turn ===

impl Turn {
    /// The statements, in their order.
    pub(super) fn asks(&self) -> Vec<Ask<'_>> {
        let mut asks = vec![Ask::Batch(&self.begin), Ask::Query(&self.entrance), Ask::Query(&self.change)];
        asks.extend(self.left.iter().map(Ask::Query));
        // Last, because it says how long the whole turn took the server.
        asks.push(Ask::Query(&self.exit));
        asks
    }
}

impl Atomic {
    /// Sends the turn and reads what it did.
    pub(super) async fn send(&self, session: &Session, turn: &Turn) -> Result<Changed, Fault> {
        let answers = session.turn("change", &turn.asks()).await?;
        self.answered(turn, answers)
    }

    /// The turn for an order and its span.
    pub(super) fn turn(&self, order: &Order, planned: &Planned) -> Turn {
        let survey = &self.walker.survey;
        let returning = if order.want_keys { Returning::Keys } else { Returning::Nothing };
        let counts_left = order.locks == LockWait::Skip || survey.triggers == RowTriggers::BeforeDelete;
        let ahead = self.walker.ahead(planned);
        let looks_ahead = ahead.is_some();
        let (entrance, before) = self.entrance(order.compare);
        let (exit, after) = self.exit(order.compare, ahead);
        Turn {
            begin: self.begin(),
            entrance,
            before,
            change: self.query.delete(&planned.span, order.locks, returning),
            left: counts_left.then(|| self.query.due_within(&planned.span)),
            exit,
            after,
            looks_ahead,
            locks: order.locks,
            single: order.rows_max <= 1,
        }
    }

    /// Reads every answer; the first that failed, in their order, is the reason.
    pub(super) fn answered(&self, turn: &Turn, answers: Vec<Result<Answer, Error>>) -> Result<Changed, Fault> {
        let survey = &self.walker.survey;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(|| odd(&self.place));
        next()?.map_err(|error| error::fault(&error, "begin", &self.place))?;
        let entrance = self.enter(turn, next()?)?;
        let change = next()?.map_err(|error| self.refused(&error, turn.locks))?;
        let left = if turn.left.is_some() { Some(self.left(next()?)?) } else { None };
        let exit = next()?.map_err(|error| error::fault(&error, "read counters", &self.place))?;
        if turn.locks == LockWait::Wait && left.is_some_and(|left| left > 0) {
            return Err(self.cancelled(turn, change.affected));
        }
        let exit = exit.rows.first().ok_or_else(|| odd(&self.place))?;
        let after = turn.after.read(exit, 0, &self.place)?;
        let (own, announced) = (survey.oid, &survey.announced);
        let cascaded = compare::agree(&entrance.before, &after, own, change.affected, announced, &self.place)?;
        let width = turn.after.width();
        let ahead = if turn.looks_ahead { Some(get(exit, width, &self.place)?) } else { None };
        let elapsed = width + usize::from(turn.looks_ahead);
        Ok(Changed {
            rows: change.affected,
            cascaded,
            left,
            keys: change.rows,
            ahead,
            xid: entrance.xid,
            storage: entrance.storage,
            micros: get::<i64>(exit, elapsed, &self.place)?.unsigned_abs(),
        })
    }

    /// BEGIN and every setting, local to the transaction: behind a transaction pooler the session is the application's.
    fn begin(&self) -> String {
        let context = &self.shared.link.context;
        format!(
            "{}; set local lock_timeout = {}; set local idle_in_transaction_session_timeout = {}; \
             set constraints all immediate{}",
            self.shared.link.begin(),
            context.lock_wait_ms.max(1),
            self.claim.idle_ms_max.max(1),
            self.query.pins(),
        )
    }

    /// The fence under a share lock, what has to be known about this very transaction, and the counters before.
    fn entrance(&self, compare: Compare) -> (Sql, Counting) {
        let survey = &self.walker.survey;
        let context = &self.shared.link.context;
        let mut sql = Sql::new("", vec![context.instance.as_str().into(), Param::Int(survey.oid)]);
        let counting = Counting::new(compare, survey.oid, &survey.announced, &context.control_name, &mut sql);
        let text = format!(
            "select term, pg_current_xact_id()::text, pg_relation_filenode($2::int8::oid)::int8, \
             current_setting('track_counts'), {} from {} where instance = $1 for share",
            counting.columns(),
            self.shared.names.table("fence")
        );
        (sql.say(text), counting)
    }

    /// The counters after, what is looked up ahead, and the time all of it took.
    fn exit(&self, compare: Compare, ahead: Option<Sql>) -> (Sql, Counting) {
        let survey = &self.walker.survey;
        let control_name = &self.shared.link.context.control_name;
        let (mut sql, lookup) = match ahead {
            Some(ahead) => {
                let lookup = format!(", ({})", ahead.text());
                (ahead, lookup)
            }
            None => (Sql::default(), String::new()),
        };
        let counting = Counting::new(compare, survey.oid, &survey.announced, control_name, &mut sql);
        // The time last, because columns are computed in their order and it counts what the lookup took.
        let text = format!("select {}{lookup}, {ELAPSED}", counting.columns());
        (sql.say(text), counting)
    }

    fn enter(&self, turn: &Turn, answer: Result<Answer, Error>) -> Result<Entrance, Fault> {
        let fault = |cause| Fault::new(FaultClass::Blocked(cause), "check fence", &self.place);
        let answer = answer.map_err(|error| self.shared.control_fault(&error, "check fence"))?;
        let Some(row) = answer.rows.first() else { return Err(fault(Cause::ControlTables).with_detail("fence")) };
        let term: i64 = get(row, 0, &self.place)?;
        if u64::try_from(term).ok() != Some(self.claim.term) {
            return Err(fault(Cause::Fenced));
        }
        if get::<&str>(row, 3, &self.place)? != "on" {
            return Err(fault(Cause::TrackCounts));
        }
        let storage: Option<i64> = get(row, 2, &self.place)?;
        let Some(storage) = storage else { return Err(fault(Cause::TableMissing)) };
        let before = turn.before.read(row, ENTRANCE, &self.place)?;
        Ok(Entrance { xid: get(row, 1, &self.place)?, storage: storage.to_string(), before })
    }

    /// What a refused change means. A lock that is missing although locked rows were skipped belongs to a row's
    /// children: that row is to blame.
    fn refused(&self, error: &Error, locks: LockWait) -> Fault {
        let mut fault = error::fault(error, "change", &self.place);
        if fault.class == FaultClass::Locked && locks == LockWait::Skip {
            fault.class = FaultClass::Row(Cause::Locked);
        }
        fault
    }

    /// A trigger that keeps single rows costs those rows; one that keeps everything stops the rule.
    fn cancelled(&self, turn: &Turn, changed: u64) -> Fault {
        let class = if changed > 0 || self.took || turn.single {
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
