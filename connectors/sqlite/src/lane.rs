//! The atomic lane: one transaction after another, each with its receipt.
//!
//! One batch is `begin immediate`, the fence, a lookup of where the span ends, the delete or the transform of rows, a comparison, and in a second
//! call the receipt and COMMIT. A COMMIT behind a failed receipt would keep the delete here, so the code looks at the
//! receipt's one row first. The write lock is the whole database's: whoever holds it, nothing changes meanwhile.

mod batch;
mod fate;
mod ground;
mod layout;
mod rewrite;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{
    AtomicLane, Commit, Effect, Fault, FaultClass, LaneClaim, Next, Order, Receipt, Step, Transform, fault_point,
};

pub(crate) use batch::{Pace, find};
pub(crate) use ground::{Ground, Problem, Watched};
pub(crate) use rewrite::{Wide, rewrite};

use crate::control::Tables;
use crate::session::{Refusal, Session};
use crate::walk;
use crate::worker::Worker;

/// A lane of one step.
pub(crate) struct SqliteLane {
    worker: Worker,
    ground: Arc<Ground>,
    tables: Arc<Tables>,
    claim: LaneClaim,
    /// Travels with each job and back; lost with a dropped future, and then it begins anew.
    pace: Option<Pace>,
    /// How long the transaction of the last commit was open.
    last_open: Option<Duration>,
    /// Set when nobody will commit any more; also the name by which the session knows this lane's transaction.
    abandoned: Arc<AtomicBool>,
}

impl SqliteLane {
    /// Resolves the step against the file as it is now.
    pub(crate) async fn open(
        worker: Worker,
        tables: Arc<Tables>,
        step: &Step,
        claim: &LaneClaim,
        transform: Arc<dyn Transform>,
    ) -> Result<Self, Fault> {
        let ground = Arc::new(Ground::survey(&worker, step, transform).await?);
        let abandoned = Arc::new(AtomicBool::new(false));
        Ok(Self { worker, ground, tables, claim: claim.clone(), pace: None, last_open: None, abandoned })
    }
}

#[async_trait]
impl AtomicLane for SqliteLane {
    async fn change(&mut self, order: &Order) -> Result<Effect, Fault> {
        let (ground, tables) = (Arc::clone(&self.ground), Arc::clone(&self.tables));
        let (claim, order, lane) = (self.claim.clone(), order.clone(), Arc::clone(&self.abandoned));
        let mut pace = self.pace.take().unwrap_or_default();
        let idle = Duration::from_millis(claim.idle_ms_max);
        let job = move |session: &mut Session| {
            if let Err(fault) = session.begin_lane(&lane, idle) {
                return Ok((pace, Err(ground.at_table(fault))));
            }
            let changed = change(session, &ground, &tables, &claim, &order, &mut pace);
            if let Err(fault) = &changed {
                if matches!(fault.class, FaultClass::Row(_)) {
                    pace.stays();
                }
                session.rollback();
            }
            Ok((pace, changed))
        };
        let (pace, changed) = self.worker.call("change", job).await?;
        self.pace = Some(pace);
        changed
    }

    async fn commit(&mut self, receipt: &Receipt) -> Commit {
        let tables = Arc::clone(&self.tables);
        let (claim, receipt, lane) = (self.claim.clone(), receipt.clone(), Arc::clone(&self.abandoned));
        let job = move |session: &mut Session| {
            if !session.holds(&lane) {
                let fault = Fault::new(FaultClass::Transient, "commit", session.place());
                let fault = fault.with_detail("the transaction was left idle and rolled back");
                return Ok((Commit::RolledBack(fault), None));
            }
            let committed = commit(session, &tables, &claim, &receipt);
            Ok((committed, session.last_held()))
        };
        self.last_open = None;
        let answer = self.worker.call("commit", job).await;
        let (committed, open) = answer.unwrap_or_else(|fault| (Commit::Unknown(fault), None));
        self.last_open = open;
        if let (Some(pace), false) = (&mut self.pace, matches!(committed, Commit::Committed)) {
            // Its rows may be why.
            pace.stays();
        }
        committed
    }

    fn last_open(&self) -> Option<Duration> {
        self.last_open
    }

    async fn undo(&mut self) -> Result<(), Fault> {
        let lane = Arc::clone(&self.abandoned);
        let job = move |session: &mut Session| {
            if session.holds(&lane) {
                session.rollback();
            }
            Ok(())
        };
        self.worker.call("undo", job).await
    }

    async fn pass(&mut self, order: &Order) -> Result<(u64, Next), Fault> {
        let (ground, order) = (Arc::clone(&self.ground), order.clone());
        let mut pace = self.pace.take().unwrap_or_default();
        let job = move |session: &mut Session| {
            let found = session.snapshot("pass", |connection| find(connection, &ground, &order, &mut pace));
            let found = found.map_err(|fault| ground.at_table(fault))?;
            Ok((pace, (found.due, walk::next(found.next.as_ref()))))
        };
        let (pace, passed) = self.worker.call("pass", job).await?;
        self.pace = Some(pace);
        Ok(passed)
    }
}

impl Drop for SqliteLane {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Release);
        self.worker.wake();
    }
}

fn change(
    session: &mut Session,
    ground: &Ground,
    tables: &Tables,
    claim: &LaneClaim,
    order: &Order,
    pace: &mut Pace,
) -> Result<Effect, Fault> {
    let place = session.place().to_owned();
    let fence = tables.fence(session.connection("change")?, &place, claim.term, Some(&claim.generation));
    fence.map_err(|refusal| refusal.into_fault("change", &place))?;
    fault_point::before("change")?;
    let effect = batch::change(session, ground, order, pace)?;
    fault_point::after("change")?;
    Ok(effect)
}

fn commit(session: &mut Session, tables: &Tables, claim: &LaneClaim, receipt: &Receipt) -> Commit {
    if let Err(refusal) = write_receipt(session, tables, claim, receipt) {
        session.rollback();
        return match refusal {
            Refusal::Fenced => Commit::Fenced,
            Refusal::Fault(fault) => Commit::RolledBack(fault),
        };
    }
    if let Err(fault) = fault_point::before("commit") {
        session.rollback();
        return Commit::RolledBack(fault);
    }
    match session.commit("commit") {
        Commit::Committed => match fault_point::after("commit") {
            Ok(()) => Commit::Committed,
            Err(fault) => Commit::Unknown(fault),
        },
        failed => failed,
    }
}

/// The fence was read in this very transaction, and nobody else could write since: only the terms are compared.
fn write_receipt(session: &mut Session, tables: &Tables, claim: &LaneClaim, receipt: &Receipt) -> Result<(), Refusal> {
    fault_point::before("receipt")?;
    let place = session.place().to_owned();
    if receipt.term != claim.term || receipt.key.generation != claim.generation {
        let fault = Fault::new(FaultClass::Internal, "insert receipt", place);
        return Err(fault.with_detail("the receipt belongs to another claim").into());
    }
    let connection = session.connection("insert receipt")?;
    tables.insert_receipt(connection, &place, receipt)?;
    tables.move_cursor(connection, &place, receipt)?;
    fault_point::after("receipt")?;
    Ok(())
}
