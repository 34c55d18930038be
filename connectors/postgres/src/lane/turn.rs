//! Turn 1 of a batch: one flush from BEGIN to the lookup of the next span.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault, FaultClass, LockWait, Order, TableRef};
use tokio_postgres::{Error, Row};

use super::Atomic;
use crate::compare;
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
    pub(super) ahead: Option<Vec<Row>>,
    pub(super) xid: String,
    pub(super) storage: String,
    pub(super) micros: u64,
}

/// What the fence and the server say inside the transaction.
struct Entrance {
    xid: String,
    storage: String,
}

impl Atomic {
    /// Sends the turn and reads every answer; the first that failed, in their order, is the reason.
    pub(super) async fn send(&mut self, session: &Session, order: &Order, planned: &Planned) -> Result<Changed, Fault> {
        let announced = &self.walker.survey.announced;
        let own = self.walker.survey.oid;
        let begin = self.begin();
        let fence = self.fence();
        let counters = compare::statement(order.compare, own, announced, &self.shared.link.context.control_name);
        let returning = if order.want_keys { Returning::Keys } else { Returning::Nothing };
        let change = self.query.delete(&planned.span, order.locks, returning);
        // Where rows can stay without an error, count what stayed.
        let counts_left = order.locks == LockWait::Skip || self.walker.survey.triggers == RowTriggers::BeforeDelete;
        let left = counts_left.then(|| self.query.due_within(&planned.span));
        let ahead = self.walker.ahead(planned);
        let mut asks = vec![Ask::Batch(&begin), Ask::Query(&fence), Ask::Query(&counters), Ask::Query(&change)];
        asks.extend(left.iter().map(Ask::Query));
        asks.extend(ahead.iter().map(Ask::Query));
        // Last, because they say how long the whole turn took the server.
        asks.push(Ask::Query(&counters));
        let mut answers = session.turn("change", &asks).await?.into_iter();
        let mut next = || answers.next().ok_or_else(|| odd(&self.place));

        next()?.map_err(|error| error::fault(&error, "begin", &self.place))?;
        let entrance = self.enter(next()?)?;
        let other = |error: Error| error::fault(&error, "read counters", &self.place);
        let before = next()?.map_err(other)?;
        let change = next()?.map_err(|error| self.refused(&error, order.locks))?;
        let left = if counts_left { Some(self.left(next()?)?) } else { None };
        let ahead = if ahead.is_some() {
            Some(next()?.map_err(|error| error::fault(&error, "look up", &self.place))?.rows)
        } else {
            None
        };
        let after = next()?.map_err(other)?;
        if order.locks == LockWait::Wait && left.is_some_and(|left| left > 0) {
            return Err(Fault::new(FaultClass::Blocked(Cause::TriggerCancels), "change", &self.place));
        }
        let (before, _) = compare::read(&before.rows, &self.place)?;
        let (after, micros) = compare::read(&after.rows, &self.place)?;
        let cascaded = compare::agree(&before, &after, own, change.affected, announced, &self.place)?;
        Ok(Changed {
            rows: change.affected,
            cascaded,
            left,
            keys: change.rows,
            ahead,
            xid: entrance.xid,
            storage: entrance.storage,
            micros,
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

    /// The fence under a share lock, and what has to be known about this very transaction.
    fn fence(&self) -> Sql {
        let text = format!(
            "select term, pg_current_xact_id()::text, pg_relation_filenode($2::int8::oid)::int8, \
             current_setting('track_counts') from {} where instance = $1 for share",
            self.shared.names.table("fence")
        );
        let instance = self.shared.link.context.instance.as_str().into();
        Sql::new(text, vec![instance, Param::Int(self.walker.survey.oid)])
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
        Ok(Entrance { xid: get(row, 1, &self.place)?, storage: storage.to_string() })
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
