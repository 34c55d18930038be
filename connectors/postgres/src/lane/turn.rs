//! Turn 1 of a batch: one flush from BEGIN to the lookup of the next span; or to the locks, where rows are judged after
//! they were locked; or to the rows, where their new values are computed.
//!
//! Few statements, because each one more is parsed, planned and answered with a send of its own: the entrance (the fence
//! and the counters before), the change, and the exit.

use forgetd_connector::{Cause, Compare, Fault, FaultClass, LockWait, Order};
use tokio_postgres::{Error, Row};

use super::Atomic;
use super::act::{Act, Acting, Changed, returning};
use crate::compare::{Counters, Counting};
use crate::connect::{Answer, Ask};
use crate::error;
use crate::query::{Among, Param, Sql};
use crate::survey::{get, odd};
use crate::walk::Planned;

/// Turn 1, ready to be sent.
pub(super) struct Turn {
    begin: String,
    entrance: Sql,
    before: Counting,
    rest: Rest,
}

/// What comes behind the entrance.
enum Rest {
    /// Everything else.
    Act(Act),
    /// Locks alone.
    Lock(Sql, LockWait),
    /// Rows whose new values are computed before they are written.
    Read(Sql, LockWait),
}

/// What turn 1 came to. Its transaction is open.
pub(super) enum Met {
    /// The batch is done.
    Changed(Changed),
    /// These rows wait for their judgement.
    Locked(Locked),
    /// These rows wait for what is computed of them.
    Read(Read),
}

/// Rows that were read, and not locked unless they had to be.
pub(super) struct Read {
    pub(super) entrance: Entrance,
    pub(super) rows: Vec<Row>,
}

/// Rows that are locked.
pub(super) struct Locked {
    pub(super) entrance: Entrance,
    /// Their physical row ids.
    pub(super) ids: Vec<String>,
}

/// What the fence and the server say inside the transaction.
pub(super) struct Entrance {
    pub(super) xid: String,
    pub(super) storage: String,
    pub(super) before: Counters,
}

/// Columns of the entrance before the counters.
const ENTRANCE: usize = 4;

// === impl Turn ===

impl Turn {
    /// The statements, in their order.
    pub(super) fn asks(&self) -> Vec<Ask<'_>> {
        let mut asks = vec![Ask::Batch(&self.begin), Ask::Query(&self.entrance)];
        match &self.rest {
            Rest::Act(act) => asks.extend(act.asks()),
            Rest::Lock(sql, _) | Rest::Read(sql, _) => asks.push(Ask::Query(sql)),
        }
        asks
    }
}

impl Atomic {
    /// The turn for an order and its span.
    pub(super) fn turn(&self, order: &Order, planned: &Planned) -> Turn {
        let (entrance, before) = self.entrance(order.compare);
        // One more than the batch may change tells "exactly as many" from "more".
        let limit = u64::from(order.rows_max) + 1;
        let rest = if !self.query.computed().is_empty() {
            // Each lock is written to disk. Where a row's own version says whether it is still the same, none is needed.
            let locks = Some(order.locks).filter(|locks| self.query.looks_elsewhere() || *locks == LockWait::Skip);
            let span = Among::Span(&planned.span);
            Rest::Read(self.query.read_rows(span, locks, limit, returning(order), self.bulk), order.locks)
        } else if self.query.looks_elsewhere() {
            Rest::Lock(self.query.lock(&planned.span, order.locks, limit), order.locks)
        } else {
            Rest::Act(self.act(order, planned, Acting::Span))
        };
        Turn { begin: self.begin(), entrance, before, rest }
    }

    /// Reads every answer; the first that failed, in their order, is the reason.
    pub(super) fn answered(&self, turn: &Turn, answers: Vec<Result<Answer, Error>>) -> Result<Met, Fault> {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(|| odd(&self.place));
        next()?.map_err(|error| error::fault(&error, "begin", &self.place))?;
        let entrance = self.enter(turn, next()?)?;
        match &turn.rest {
            Rest::Act(act) => Ok(Met::Changed(self.changed(act, entrance, answers)?)),
            Rest::Lock(_, locks) => {
                let locked = next()?.map_err(|error| self.unread(&error, *locks))?;
                let ids = locked.rows.iter().map(|row| get(row, 0, &self.place)).collect::<Result<_, _>>()?;
                Ok(Met::Locked(Locked { entrance, ids }))
            }
            Rest::Read(_, locks) => {
                let read = next()?.map_err(|error| self.unread(&error, *locks))?;
                Ok(Met::Read(Read { entrance, rows: read.rows }))
            }
        }
    }

    /// BEGIN and every setting, local to the transaction: behind a transaction pooler the session is the application's.
    fn begin(&self) -> String {
        let context = &self.shared.link.context;
        format!(
            "{}; set local lock_timeout = {}; set local idle_in_transaction_session_timeout = {}; \
             set local statement_timeout = {}; set constraints all immediate{}",
            self.shared.link.begin(),
            context.lock_wait_ms.max(1),
            self.claim.idle_ms_max.max(1),
            statement_ms(context.call_timeout_ms, self.shared.local.statement_ms),
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
}

/// How long a statement of a batch may take, in milliseconds: the server ends it before the call is given up as lost, and the
/// batch is tried with fewer rows. What the role was given stays where it is less; 0 is nothing.
fn statement_ms(call: u64, role: u64) -> u64 {
    let ours = (call / 2).max(1);
    if role == 0 { ours } else { role.min(ours) }
}

#[cfg(test)]
mod tests {
    use super::statement_ms;

    #[test]
    fn a_statement_ends_before_the_call_and_no_later_than_the_role_was_given() {
        let limits =
            [(60_000, 0), (60_000, 5_000), (60_000, 45_000), (1, 0)].map(|(call, role)| statement_ms(call, role));
        assert_eq!(limits, [30_000, 5_000, 30_000, 1]);
    }
}
