//! The sealed lane's data side: the receipts live in another database, so each change is guarded by keys and predicate.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Fault, FaultClass, Key, LaneClaim, Order, Outcome, Picked, SealedLane, Step, Transform, fault_point,
};
use rusqlite::{Connection, params_from_iter};

use crate::effect::{Along, Recorder};
use crate::lane::{Ground, Pace, Problem, Watched, Wide, find, rewrite};
use crate::query::Query;
use crate::session::{Refusal, Session};
use crate::walk;
use crate::worker::Worker;
use crate::{codec, error};

/// Keys of one statement: far below SQLite's limit of bound values for keys of several columns.
const KEYS_PER_STATEMENT: usize = 500;

/// A lane of one step without receipts.
pub(crate) struct SqliteSealedLane {
    worker: Worker,
    ground: Arc<Ground>,
    claim: LaneClaim,
    pace: Option<Pace>,
}

impl SqliteSealedLane {
    /// Resolves the step against the file as it is now. A sealed batch announces keys, so the table needs one.
    pub(crate) async fn open(
        worker: Worker,
        step: &Step,
        claim: &LaneClaim,
        transform: Arc<dyn Transform>,
    ) -> Result<Self, Fault> {
        let ground = Ground::survey(&worker, step, transform).await?;
        if ground.scope.key_width() == 0 {
            return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "open lane", ground.place));
        }
        Ok(Self { worker, ground: Arc::new(ground), claim: claim.clone(), pace: None })
    }

    async fn on_keys(
        &self,
        operation: &'static str,
        keys: &[Key],
        work: impl FnOnce(&mut Session, &Ground, &[Key]) -> Result<Outcome, Fault> + Send + 'static,
    ) -> Result<Outcome, Fault> {
        if keys.is_empty() {
            return Ok(Outcome::default());
        }
        let (ground, keys) = (Arc::clone(&self.ground), keys.to_vec());
        self.worker.call(operation, move |session| work(session, &ground, &keys)).await
    }
}

#[async_trait]
impl SealedLane for SqliteSealedLane {
    async fn pick(&mut self, order: &Order) -> Result<Picked, Fault> {
        let (ground, order) = (Arc::clone(&self.ground), order.clone());
        let mut pace = self.pace.take().unwrap_or_default();
        let job = move |session: &mut Session| {
            fault_point::before("pick")?;
            // One snapshot: between the two reads nobody makes more rows due than the order allows.
            let picked = session.snapshot("pick", |connection| {
                let found = find(connection, &ground, &order, &mut pace)?;
                Ok((keys(connection, &ground, &ground.scope.keys_in(&found.area))?, found.next))
            });
            let (keys, next) = picked.map_err(|fault| ground.at_table(fault))?;
            fault_point::after("pick")?;
            Ok((pace, Picked { keys, next: walk::next(next.as_ref()) }))
        };
        let (pace, picked) = self.worker.call("pick", job).await?;
        self.pace = Some(pace);
        Ok(picked)
    }

    async fn finish(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        let claim = self.claim.clone();
        self.on_keys("finish", keys, move |session, ground, keys| finish(session, ground, &claim, keys)).await
    }

    async fn look(&mut self, keys: &[Key]) -> Result<Outcome, Fault> {
        self.on_keys("look", keys, |session, ground, keys| {
            let left = left(session.connection("look")?, ground, keys);
            let kept = left.map_err(|error| whole(ground.at_table(session.failed("look", &error))))?;
            Ok(outcome(keys, kept))
        })
        .await
    }
}

fn finish(session: &mut Session, ground: &Ground, claim: &LaneClaim, keys: &[Key]) -> Result<Outcome, Fault> {
    fault_point::before("finish")?;
    let recorder = session.listened("finish")?.1.clone();
    let in_time = || claim.in_time("finish", &ground.place);
    let changed = session.within(in_time()?, |session| {
        session.transact("finish", |connection| {
            // The lock may have been waited for; and before what was done is committed.
            in_time().map_err(Refusal::Fault)?;
            let changed = change(connection, &recorder, ground, keys)?;
            in_time().map(|_| changed).map_err(Refusal::Fault)
        })
    });
    let changed = changed.into_result("finish", &ground.place).map_err(|fault| whole(ground.at_table(fault)))?;
    fault_point::after("finish")?;
    let kept = left(session.connection("finish")?, ground, keys);
    let kept = kept.map_err(|error| whole(ground.at_table(session.failed("finish", &error))))?;
    let Watched { changed, along, returned: unfit, .. } = changed;
    let Along { cascaded, references_set } = along;
    Ok(Outcome { changed, cascaded, references_set, unfit, ..outcome(keys, kept) })
}

/// One writer locks every row of the file: a shorter list of keys gets no further.
fn whole(fault: Fault) -> Fault {
    match fault.class {
        FaultClass::Locked => Fault { class: FaultClass::LockedWhole, ..fault },
        _ => fault,
    }
}

fn outcome(keys: &[Key], kept: u64) -> Outcome {
    Outcome { gone: (keys.len() as u64).saturating_sub(kept), kept, ..Outcome::default() }
}

/// Changes those of the keys that are due; says what was done, and which of them do not fit.
fn change(
    connection: &Connection,
    recorder: &Recorder,
    ground: &Ground,
    keys: &[Key],
) -> Result<Watched<BTreeMap<Cause, u64>>, Refusal> {
    let done = ground.watch(connection, recorder, |terrain| {
        let (mut changed, mut unfit) = (0, BTreeMap::new());
        for keys in keys.chunks(KEYS_PER_STATEMENT) {
            if let Some(rewriting) = ground.scope.rewriting() {
                let read = ground.scope.read_keys(rewriting, keys);
                let (rows, rewritten) = rewrite(connection, ground, terrain, rewriting, &read, Wide::InParts)?;
                changed += rows;
                for (cause, rows) in rewritten.unfit {
                    *unfit.entry(cause).or_default() += rows;
                }
            } else {
                let query = ground.scope.delete_keys(keys);
                changed += connection.prepare_cached(&query.sql)?.execute(params_from_iter(&query.values))? as u64;
            }
        }
        Ok((changed, unfit))
    });
    match done {
        Ok(done) => Ok(done),
        Err(Problem::Sqlite(error)) => {
            let fault = error::fault("finish", &ground.place, &error);
            Err(Refusal::Fault(ground.misfit(fault, &error)))
        }
        Err(Problem::Fault(fault)) => Err(Refusal::Fault(fault)),
    }
}

fn left(connection: &Connection, ground: &Ground, keys: &[Key]) -> rusqlite::Result<u64> {
    keys.chunks(KEYS_PER_STATEMENT).map(|keys| ground.scope.count_keys(keys).number(connection)).sum()
}

fn keys(connection: &Connection, ground: &Ground, query: &Query) -> rusqlite::Result<Vec<Key>> {
    let width = ground.scope.key_width();
    let mut statement = connection.prepare_cached(&query.sql)?;
    let rows = statement.query_map(params_from_iter(&query.values), |row| codec::key(row, width))?;
    rows.collect()
}
