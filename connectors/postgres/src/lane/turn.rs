//! Turn 1 of a batch: one flush from BEGIN to the lookup of the next span.
//!
//! Few statements, because each one more is parsed, planned and answered with a send of its own: the entrance (the fence
//! and the counters before), the change, and the exit (the counters after and the lookup).

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Compare, Fault, FaultClass, LockWait, Order, TableRef};
use tokio_postgres::{Error, Row};

use super::Atomic;
use crate::compare::{self, Counters};
use crate::connect::{Answer, Ask, Session};
use crate::error;
use crate::query::{Param, Returning, Sql};
use crate::survey::{RowTriggers, get, odd};
use crate::walk::Planned;

/// What turn 1 did. Its transaction is open.
pub(super) struct Changed {
    pub(super) rows: u64,
    pub(super) cascaded: BTreeMap<TableRef, u64>,
    /// Due rows that are still in the span, where they were counted.
    pub(super) left: Option<u64>,
    pub(super) keys: Vec<Row>,
    /// What was looked up ahead.
    pub(super) ahead: Option<Ahead>,
    pub(super) xid: String,
    pub(super) storage: String,
    pub(super) micros: u64,
}

/// The answer to a lookup that was sent along.
pub(super) struct Ahead {
    pub(super) row: Option<Row>,
    /// Its first column.
    pub(super) at: usize,
}

/// What the fence and the server say inside the transaction.
struct Entrance {
    xid: String,
    storage: String,
    before: Counters,
}

/// Columns of the entrance before the counters.
const ENTRANCE: usize = 4;

/// The exit's column after the counters: the microseconds since the transaction began.
const ELAPSED: &str = "(extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000000)::int8";

impl Atomic {
    /// Sends the turn and reads every answer; the first that failed, in their order, is the reason.
    pub(super) async fn send(&mut self, session: &Session, order: &Order, planned: &Planned) -> Result<Changed, Fault> {
        let survey = &self.walker.survey;
        let begin = self.begin();
        let entrance = self.entrance(order.compare);
        let returning = if order.want_keys { Returning::Keys } else { Returning::Nothing };
        let change = self.query.delete(&planned.span, order.locks, returning);
        // Where rows can stay without an error, count what stayed.
        let counts_left = order.locks == LockWait::Skip || survey.triggers == RowTriggers::BeforeDelete;
        let left = counts_left.then(|| self.query.due_within(&planned.span));
        let ahead = self.walker.ahead(planned);
        let looks_ahead = ahead.is_some();
        let exit = self.exit(order.compare, ahead);
        let mut asks = vec![Ask::Batch(&begin), Ask::Query(&entrance), Ask::Query(&change)];
        asks.extend(left.iter().map(Ask::Query));
        // Last, because it says how long the whole turn took the server.
        asks.push(Ask::Query(&exit));
        let mut answers = session.turn("change", &asks).await?.into_iter();
        let mut next = || answers.next().ok_or_else(|| odd(&self.place));

        next()?.map_err(|error| error::fault(&error, "begin", &self.place))?;
        let entrance = self.enter(next()?)?;
        let change = next()?.map_err(|error| self.refused(&error, order.locks))?;
        let left = if counts_left { Some(self.left(next()?)?) } else { None };
        let mut exit = next()?.map_err(|error| error::fault(&error, "read counters", &self.place))?.rows;
        if order.locks == LockWait::Wait && left.is_some_and(|left| left > 0) {
            return Err(Fault::new(FaultClass::Blocked(Cause::TriggerCancels), "change", &self.place));
        }
        let after = compare::read(&exit, 0, &self.place)?;
        let cascaded =
            compare::agree(&entrance.before, &after, survey.oid, change.affected, &survey.announced, &self.place)?;
        let last = exit.pop();
        let micros = last.as_ref().map_or(Ok(0), |row| get::<i64>(row, compare::COLUMNS, &self.place))?;
        Ok(Changed {
            rows: change.affected,
            cascaded,
            left,
            keys: change.rows,
            ahead: looks_ahead.then_some(Ahead { row: last, at: compare::COLUMNS + 1 }),
            xid: entrance.xid,
            storage: entrance.storage,
            micros: micros.unsigned_abs(),
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
    fn entrance(&self, compare: Compare) -> Sql {
        let survey = &self.walker.survey;
        let context = &self.shared.link.context;
        let mut sql = Sql::new("", vec![context.instance.as_str().into(), Param::Int(survey.oid)]);
        let counters = compare::counters(compare, survey.oid, &survey.announced, &context.control_name, &mut sql);
        sql.say(format!(
            "select f.*, c.* from (select term, pg_current_xact_id()::text, \
             pg_relation_filenode($2::int8::oid)::int8, current_setting('track_counts') \
             from {} where instance = $1 for share) as f left join ({counters}) as c on true",
            self.shared.names.table("fence")
        ))
    }

    /// The counters after, the time it took, and what is looked up ahead.
    fn exit(&self, compare: Compare, ahead: Option<Sql>) -> Sql {
        let survey = &self.walker.survey;
        let control_name = &self.shared.link.context.control_name;
        let (mut sql, columns, join) = match ahead {
            Some(ahead) => {
                let join = format!(" left join ({}) as a on true", ahead.text());
                (ahead, ", a.*", join)
            }
            None => (Sql::default(), "", String::new()),
        };
        let counters = compare::counters(compare, survey.oid, &survey.announced, control_name, &mut sql);
        sql.say(format!("select c.*, {ELAPSED}{columns} from ({counters}) as c{join}"))
    }

    fn enter(&self, answer: Result<Answer, Error>) -> Result<Entrance, Fault> {
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
        let before = compare::read(&answer.rows, ENTRANCE, &self.place)?;
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

    fn left(&self, answer: Result<Answer, Error>) -> Result<u64, Fault> {
        let answer = answer.map_err(|error| error::fault(&error, "count locked", &self.place))?;
        let row = answer.rows.first().ok_or_else(|| odd(&self.place))?;
        Ok(get::<i64>(row, 0, &self.place)?.unsigned_abs())
    }
}
