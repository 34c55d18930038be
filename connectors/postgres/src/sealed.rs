//! The sealed lane: keys are read first, changed later under the same predicate, and looked at again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::bulk::{Bulk, Met};
use forgetd_connector::walk::{Position, aim};
use forgetd_connector::{
    Cause, Compare, Fault, FaultClass, Key, LaneClaim, LockWait, Order, Outcome, Picked, SealedLane, Step, Transform,
    fault_point,
};

use crate::compare::{self, Along, Counting};
use crate::connect::{Answer, Ask, Held};
use crate::connector::Shared;
use crate::error;
use crate::lane::write::{Computed, compute, met};
use crate::lane::written;
use crate::preflight;
use crate::query::{Among, Query, Returning, Sql};
use crate::survey::{get, odd};
use crate::walk::{Counted, Walker, read_key};

/// The longest time that the server takes for a statement.
const LIMIT_MS_MAX: u128 = i32::MAX as u128;

/// How often a span that turned out too large is planned again.
const OVERFLOWS_MAX: u32 = 8;

/// One lane of one step whose receipts lie elsewhere.
pub(crate) struct SealedKeys {
    shared: Arc<Shared>,
    step: Step,
    place: String,
    claim: LaneClaim,
    query: Arc<Query>,
    transform: Arc<dyn Transform>,
    walker: Walker,
}

/// What became of the keys' rows.
#[derive(Default)]
struct Finished {
    changed: u64,
    /// Rows that went or changed with them.
    along: Along,
    /// Rows that cannot be transformed, by cause.
    unfit: BTreeMap<Cause, u64>,
}

// === impl SealedKeys ===

impl SealedKeys {
    /// Opens the lane: surveys the table and chooses how to walk it.
    pub(crate) async fn open(
        shared: Arc<Shared>,
        step: &Step,
        claim: &LaneClaim,
        transform: Arc<dyn Transform>,
    ) -> Result<Self, Fault> {
        let place = step.place(shared.database());
        if step.table.key.is_empty() {
            return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "open lane", place));
        }
        let query = Arc::new(shared.query(step)?);
        let held = shared.lanes.take().await?;
        let (survey, walk) = shared.survey(&held, step, &query).await?;
        held.give_back();
        let walker = Walker::new(step, Arc::clone(&query), survey, (walk, None), place.clone());
        Ok(Self { shared, step: step.clone(), place, claim: claim.clone(), query, transform, walker })
    }

    /// Changes the keys' rows in one transaction; what the counters say decides whether it commits.
    async fn change(&self, keys: &[Key], locks: LockWait) -> Result<Finished, Fault> {
        let held = self.shared.lanes.take().await?;
        match self.change_in(&held, keys, locks).await {
            Ok(changed) => {
                let committing = held.committing(&self.place)?;
                let mut answers = held.turn("commit", &[Ask::Batch("commit")]).await?.into_iter();
                answers.next().ok_or_else(|| odd(&self.place))?.map_err(|error| self.fault(&error, "commit"))?;
                drop(committing);
                held.give_back();
                Ok(changed)
            }
            Err(fault) if fault.class == FaultClass::Disconnected => Err(fault),
            Err(fault) => {
                for answer in held.turn("roll back", &[Ask::Batch("rollback")]).await? {
                    answer.map_err(|error| self.fault(&error, "roll back"))?;
                }
                let fault = preflight::diagnosed(&held, &self.step, &self.walker.survey, &self.place, fault).await;
                held.give_back();
                Err(fault)
            }
        }
    }

    async fn change_in(&self, held: &Held, keys: &[Key], locks: LockWait) -> Result<Finished, Fault> {
        let context = &self.shared.link.context;
        let survey = &self.walker.survey;
        let mut counters = Sql::default();
        let counting = Counting::new(Compare::All, survey.oid, &survey.announced, &context.control_name, &mut counters);
        let counters = counters.say(format!("select current_setting('track_counts') = 'on', {}", counting.columns()));
        let first = self.first(keys, locks, Bulk::default());
        let limit = self.claim.in_time("finish", &self.place)?;
        let begin = format!(
            "{}; set local lock_timeout = {}; set local idle_in_transaction_session_timeout = {}; {}; \
             set constraints all immediate{}",
            self.shared.link.begin(),
            context.lock_wait_ms.max(1),
            self.claim.idle_ms_max.max(1),
            limited(limit),
            self.query.pins(),
        );
        let mut asks = vec![Ask::Batch(&begin), Ask::Query(&counters), Ask::Query(&first)];
        asks.extend(self.in_one().then_some(Ask::Query(&counters)));
        let mut answers = held.turn("finish", &asks).await?.into_iter();
        let mut next = |operation| self.next(&mut answers, operation, locks);
        next("begin")?;
        let before = next("read counters")?;
        let before = before.rows.first().ok_or_else(|| odd(&self.place))?;
        if !get::<bool>(before, 0, &self.place)? {
            return Err(Fault::new(FaultClass::Blocked(Cause::TrackCounts), "finish", &self.place));
        }
        let first = next("finish")?;
        let (finished, after) = if self.in_one() {
            let finished = Finished { changed: first.affected, ..Finished::default() };
            (finished, next("read counters")?)
        } else {
            self.then(held, keys, first, &counters, locks).await?
        };
        let after = after.rows.first().ok_or_else(|| odd(&self.place))?;
        let before = counting.read(before, 1, &self.place)?;
        let after = counting.read(after, 1, &self.place)?;
        let reported = self.query.reported(finished.changed);
        let along = compare::agree(&before, &after, survey.oid, reported, &survey.announced, &self.place)?;
        // The commit follows.
        self.claim.in_time("finish", &self.place)?;
        Ok(Finished { along, ..finished })
    }

    /// Whether one statement does it all.
    fn in_one(&self) -> bool {
        !self.query.rewrites() && !self.query.looks_elsewhere()
    }

    /// That statement; or one that locks the keys' rows that are due, and reads what is computed from them.
    fn first(&self, keys: &[Key], locks: LockWait, bulk: Bulk) -> Sql {
        if self.in_one() {
            self.query.delete_keys(keys, locks)
        } else if self.query.computed().is_empty() {
            self.query.lock_keys(keys, locks)
        } else {
            self.query.read_rows(Among::Keys(keys), Some(locks), keys.len() as u64, Returning::Nothing, bulk)
        }
    }

    /// Changes what was locked, and reads the counters. Where more was met than is read at once, some of the keys at a time.
    async fn then(
        &self,
        held: &Held,
        keys: &[Key],
        mut first: Answer,
        counters: &Sql,
        locks: LockWait,
    ) -> Result<(Finished, Answer), Fault> {
        let mut finished = Finished::default();
        let (mut bulk, mut rest, mut some) = (Bulk::default(), keys, keys.len());
        loop {
            let mut second = None;
            match self.met(&first)? {
                None => bulk.met_wide(),
                Some(Met::TooMany(fits)) => bulk.overflowed(fits),
                Some(met) => {
                    let (sql, unfit) = self.second(&mut first, met).await?;
                    second = sql;
                    unfit.into_iter().for_each(|(cause, rows)| *finished.unfit.entry(cause).or_default() += rows);
                    rest = rest.split_at(some).1;
                }
            }
            some = bulk.aim(u32::try_from(rest.len()).unwrap_or(u32::MAX)) as usize;
            let more = (!rest.is_empty()).then(|| self.first(&rest[..some], locks, bulk));
            let limit = limited(self.claim.in_time("finish", &self.place)?);
            let mut asks = vec![Ask::Batch(&limit)];
            asks.extend(second.iter().map(Ask::Query));
            asks.push(Ask::Query(more.as_ref().unwrap_or(counters)));
            let mut answers = held.turn("finish", &asks).await?.into_iter();
            self.next(&mut answers, "finish", locks)?;
            if second.is_some() {
                let answer = self.next(&mut answers, "finish", locks)?;
                let rewrites = self.query.rewrites();
                finished.changed += if rewrites { written(&answer.rows, &self.place)? } else { answer.affected };
            }
            match more {
                None => return Ok((finished, self.next(&mut answers, "read counters", locks)?)),
                Some(_) => first = self.next(&mut answers, "finish", locks)?,
            }
        }
    }

    /// Whether everything is here that is computed from; absent: a row was wider than its share.
    fn met(&self, first: &Answer) -> Result<Option<Met>, Fault> {
        if self.query.computed().is_empty() {
            return Ok(Some(Met::All));
        }
        Ok(met(&first.rows, &self.place)?.map(|(met, _)| met))
    }

    /// What changes the rows that were locked, judged again by what is there now; absent where nothing is to be done.
    async fn second(&self, first: &mut Answer, met: Met) -> Result<(Option<Sql>, BTreeMap<Cause, u64>), Fault> {
        let ids = || first.rows.iter().map(|row| get(row, 0, &self.place)).collect::<Result<Vec<String>, _>>();
        let (query, returning) = (&self.query, Returning::Nothing);
        match self.step.rewrite() {
            None => Ok((Some(query.delete_locked(&ids()?, returning)), BTreeMap::new())),
            Some(_) if query.computed().is_empty() => {
                let ids = ids()?;
                Ok((Some(query.write(Among::Locked(&ids), LockWait::Wait, returning)), BTreeMap::new()))
            }
            Some(_) if met == Met::TooLarge => Ok((None, Computed::too_large().unfit)),
            Some(rewrite) => {
                let rows = std::mem::take(&mut first.rows);
                let computed = compute(query, rewrite, &self.transform, rows, &self.place).await?;
                let some = !computed.rows.is_empty();
                let triggers = self.walker.survey.triggers;
                Ok((some.then(|| query.write_rows(&computed.rows, returning, triggers)), computed.unfit))
            }
        }
    }

    /// The next of a turn's answers.
    fn next(
        &self,
        answers: &mut impl Iterator<Item = Result<Answer, tokio_postgres::Error>>,
        operation: &'static str,
        locks: LockWait,
    ) -> Result<Answer, Fault> {
        let answer = answers.next().ok_or_else(|| odd(&self.place))?;
        answer.map_err(|error| {
            let mut fault = self.fault(&error, operation);
            if fault.class == FaultClass::Locked && locks == LockWait::Skip {
                // Not the row itself but something that goes with it is locked.
                fault.class = FaultClass::Row(Cause::Locked);
            }
            fault
        })
    }

    fn fault(&self, error: &tokio_postgres::Error, operation: &'static str) -> Fault {
        let fault = error::fault(error, operation, &self.place);
        if self.query.rewrites() { error::of_a_value(fault) } else { fault }
    }

    async fn kept(&self, keys: &[Key]) -> Result<u64, Fault> {
        let held = self.shared.lanes.take().await?;
        let count = self.query.due_among(keys);
        let answers = match held.read("look", &self.place, self.query.pins(), &[&count]).await {
            Ok(answers) => answers,
            // The rows may have changed already: nobody may take this for a lock that kept them from it.
            Err(fault) if fault.class == FaultClass::Locked => {
                held.give_back();
                return Err(Fault { class: FaultClass::LockedWhole, ..fault });
            }
            Err(fault) => return Err(fault),
        };
        held.give_back();
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place))?;
        Ok(get::<i64>(row, 0, &self.place)?.unsigned_abs())
    }
}

/// Lets no statement of the transaction take longer than this. A shorter time that the role or the database was given stays.
fn limited(limit: Duration) -> String {
    let ms = limit.as_millis().clamp(1, LIMIT_MS_MAX);
    format!(
        "select set_config('statement_timeout', '{ms}', true) where current_setting('statement_timeout') = '0' \
         or current_setting('statement_timeout')::interval > interval '{ms} milliseconds'"
    )
}

#[async_trait]
impl SealedLane for SealedKeys {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        fault_point::before("pick")?;
        let position = Position::from_cursor(order.from.as_ref());
        for overflows in 0..OVERFLOWS_MAX {
            let aim = aim(order.rows_max, overflows);
            let held = self.shared.lanes.take().await?;
            let planned = self.walker.plan(&held, position.clone(), aim, Counted::Rows).await?;
            let select = self.query.due_keys(&planned.span, u64::from(order.rows_max) + 1);
            let ahead = self.walker.ahead(&planned);
            let mut queries = vec![&select];
            queries.extend(&ahead);
            let answers = held.read("pick", &self.place, self.query.pins(), &queries).await?;
            held.give_back();
            let rows = answers.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
            if rows.len() > order.rows_max as usize {
                self.walker.overflowed();
                continue;
            }
            let keys: Result<Vec<Option<Key>>, Fault> =
                rows.iter().map(|row| read_key(&self.query, row, 0, &self.place)).collect();
            let keys: Vec<Key> = keys?.into_iter().flatten().collect();
            self.walker.went(&planned, keys.len() as u64, 0);
            if let Some(answer) = answers.get(1) {
                let found = answer.rows.first().map(|row| get(row, 0, &self.place)).transpose()?;
                self.walker.learn(&planned, found);
            }
            fault_point::after("pick")?;
            return Ok(Picked { keys, next: planned.next() });
        }
        Err(Fault::new(FaultClass::Transient, "pick", &self.place)
            .with_detail("rows were inserted faster than a batch"))
    }

    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        fault_point::before("finish")?;
        let Finished { changed, along, unfit } = match self.change(keys, LockWait::Wait).await {
            // What is locked is kept and counted; the rest need not wait for it.
            Err(fault) if fault.class == FaultClass::Locked => self.change(keys, LockWait::Skip).await?,
            other => other?,
        };
        fault_point::after("finish")?;
        let kept = self.kept(keys).await?;
        let (gone, Along { cascaded, references_set }) = ((keys.len() as u64).saturating_sub(kept), along);
        Ok(Outcome { changed, gone, kept, cascaded, references_set, unfit })
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        let kept = self.kept(keys).await?;
        Ok(Outcome { gone: (keys.len() as u64).saturating_sub(kept), kept, ..Outcome::default() })
    }
}
