//! The wait before a batch.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Halt, Walk};
use crate::throttle::Decision;

/// How often it is looked whether a pause is over, if nothing else wakes the walk.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

// === impl Walk ===

impl Walk<'_, '_> {
    /// Waits until the server and its replicas can take a batch, or until something else is to be done. No transaction is
    /// open meanwhile: a batch that has begun comes to its end first.
    pub(super) async fn clear(&self) -> Result<(), Halt> {
        let began = Instant::now();
        let mut told = None;
        let cleared = loop {
            if let Some(halt) = self.halt() {
                break Err(halt);
            }
            let (waiting, mut rests) = (Instant::now(), false);
            let pause = match self.pace.look() {
                Decision::Go => {
                    let (rate, room) = (self.pace.wait_for_rate(), self.pace.wait_for_others());
                    if rate.max(room).is_zero() {
                        break Ok(());
                    }
                    rests = room > rate;
                    rate.max(room).min(LOOK_AGAIN)
                }
                Decision::Unread => LOOK_AGAIN,
                Decision::Pause(reason) => {
                    if told.as_ref() != Some(&reason.cause) {
                        told = Some(reason.cause);
                        let (cause, fix) = (reason.cause.id(), reason.cause.fix());
                        let database = self.job.clerk.database;
                        tracing::warn!(database, rule = %self.job.rule.name, cause, fix, "batches wait: {}", reason.detail);
                        self.pace.progress.paused(database, Some(&reason));
                    }
                    if began.elapsed() > self.pace.pause_max {
                        // It stays told: the run goes on later, if it may then.
                        return Err(Halt::Paused(reason));
                    }
                    LOOK_AGAIN
                }
            };
            let mut readings = self.pace.readings.subscribe();
            let mut stop = self.pace.stop.clone();
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = readings.changed() => {}
                Ok(_) = stop.wait_for(|stopped| *stopped) => {}
            }
            if rests {
                self.pace.progress.rested(self.job.clerk.database, waiting.elapsed());
            }
        };
        if told.is_some() {
            tracing::info!(database = self.job.clerk.database, "batches go on");
        }
        // What an earlier walk told, which gave up waiting, is over too.
        if told.is_some() || (cleared.is_ok() && self.first.take()) {
            self.pace.progress.paused(self.job.clerk.database, None);
        }
        cleared
    }
}
