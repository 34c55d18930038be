//! What follows a batch that did not come to its end: fewer rows, other locks, another try, or the end of the walk.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use forgetd_connector::{Cause, Fault, FaultClass, Lane, LockWait, Next, Order};
use tokio::time::sleep;

use super::{Halt, Walk};
use crate::run::batch::{self, Stopped};
use crate::run::seals;

/// How often a batch is tried again after a deadlock, a lost connection or an opened seal, in a row.
const TRIES_MAX: usize = 8;

// === impl Walk ===

impl Walk<'_, '_> {
    /// Finds a way past a batch that did not come to its end. `Some`: go on behind it; `None`: try it again.
    pub(super) async fn mend(&mut self, stopped: Stopped, order: &Order) -> Result<Option<Next>, Halt> {
        let fault = match stopped {
            Stopped::Fault(fault) => fault,
            Stopped::Fenced => return Err(Halt::Fenced),
            Stopped::Unknown(fault) => return Err(Halt::Unknown(fault)),
            Stopped::Entry(error) => {
                let fault = Fault::new(FaultClass::Internal, "make receipt", self.job.clerk.database);
                return Err(Halt::Fault(fault.with_detail(error.to_string())));
            }
            Stopped::SealOpen(fault) if batch::is_late(&fault) => return Err(Halt::Fenced),
            Stopped::SealOpen(fault) => return self.adopt(fault).await.map(|()| None),
        };
        match fault.class {
            FaultClass::Row(cause) if order.rows_max <= 1 => self.pass(order, cause).await,
            FaultClass::Row(_) => {
                self.stand.rows = order.rows_max / 2;
                Ok(None)
            }
            // The server was asked to end it; there is no further order.
            FaultClass::Timeout if *self.pace.stop.borrow() => Ok(None),
            FaultClass::Timeout if order.rows_max > 1 => {
                self.size.overran(order.rows_max);
                Ok(None)
            }
            FaultClass::Locked if self.stand.locks == LockWait::Wait => {
                self.stand.locks = LockWait::Skip;
                Ok(None)
            }
            FaultClass::Transient | FaultClass::Locked | FaultClass::LockedWhole => {
                self.pause(fault).await.map(|()| None)
            }
            FaultClass::Disconnected | FaultClass::Unreachable => {
                self.lane = None;
                self.pause(fault).await?;
                Ok(None)
            }
            FaultClass::Blocked(Cause::Fenced) => Err(Halt::Fenced),
            _ => Err(Halt::Fault(fault)),
        }
    }

    /// Goes on behind a row that refuses the change.
    async fn pass(&mut self, order: &Order, cause: Cause) -> Result<Option<Next>, Halt> {
        let Some(Lane::Atomic(lane)) = self.lane.as_mut() else {
            // The sealed lane isolates refusing rows by itself and never reports them as a fault.
            return Err(Halt::Fault(Fault::new(FaultClass::Internal, "pass", self.job.clerk.database)));
        };
        match lane.pass(order).await {
            Ok((rows, next)) => {
                *self.done.skipped.entry(cause).or_default() += rows;
                Ok(Some(next))
            }
            Err(fault) => {
                self.lane = None;
                self.pause(fault).await.map(|()| None)
            }
        }
    }

    /// Brings our own open seal to its end after a fault between seal and unseal. Where the change is forbidden, or refused
    /// again, the walk ends with it.
    async fn adopt(&mut self, mut fault: Fault) -> Result<(), Halt> {
        self.done.resealed = true;
        self.lane = None;
        let forbidden = seals::forbids(&fault).then(|| fault.clone());
        let adopted = loop {
            let open = fault.clone();
            self.pause(fault).await.map_err(|_| Halt::SealOpen(open))?;
            fault = match seals::adopt_own(self.job, self.pace.progress).await {
                Ok(adopted) => break adopted,
                Err(fault) => match fault.class {
                    FaultClass::Blocked(Cause::Fenced) => return Err(Halt::Fenced),
                    FaultClass::Blocked(_) | FaultClass::Blind(_) | FaultClass::Internal => {
                        return Err(Halt::SealOpen(fault));
                    }
                    _ => fault,
                },
            };
        };
        self.done.adopted += adopted.gone;
        if let Some(fault) = forbidden.or(adopted.refused) {
            return Err(Halt::Fault(fault));
        }
        let sequence = self.job.control.next_sequence(&self.job.rule.name, self.at.lane).await;
        self.at.sequence = sequence.map_err(Halt::Fault)?;
        Ok(())
    }

    /// Waits a little longer each time; gives the fault back after too many tries in a row.
    async fn pause(&mut self, fault: Fault) -> Result<(), Halt> {
        match self.tries.pop() {
            Some(pause) => {
                tracing::info!(rule = %self.job.rule.name, error = %fault, "a batch is tried again");
                let mut stop = self.pace.stop.clone();
                // Whoever is asked to stop does not wait.
                tokio::select! {
                    () = sleep(pause) => {}
                    Ok(_) = stop.wait_for(|stopped| *stopped) => {}
                }
                Ok(())
            }
            None => Err(Halt::Fault(fault)),
        }
    }
}

/// The pauses of one series of tries, longest first: they are taken from the end.
pub(super) fn pauses() -> Vec<Duration> {
    let mut pauses: Vec<Duration> = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(TRIES_MAX)
        .build()
        .collect();
    pauses.reverse();
    pauses
}
