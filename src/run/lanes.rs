//! One lane, or two: where much is to be changed and the server has nothing else to do, a second lane begins in the middle of
//! what is left.
//!
//! The first lane is the one that knows its way: it halves, skips, retries and pauses, and its cursor is what a crashed run
//! goes on from. The second one only ever runs ahead. It is got ready while the first one works, and leaves off when that is
//! through with its own rows, when somebody else comes to the server, once to see whether one lane does as much, and at the first
//! thing that goes wrong; the first lane then goes on where it stood.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use forgetd_connector::{Cursor, LockWait};
use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::Pace;
use super::job::Job;
use super::walk::{Ended, Halt, Part, Walk, Walked};
use crate::throttle::Gain;

/// A second lane pays for its session and its lookups where so many rows are left.
const ROWS_MIN: u64 = 100_000;

/// The second lane begins no further ahead: what lies between is read in an index. Behind it the table is divided again.
const AHEAD_MAX: u64 = 1_000_000;

/// What is known of how many rows a run is to change, before it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// So many, or no more.
    pub(super) rows: u64,
    /// Whether they were counted.
    pub(super) exact: bool,
}

/// Walks what is left of a run that changed `before` rows.
pub(super) async fn walk(job: &Job<'_>, pace: &Pace<'_>, before: u64, expected: Expected) -> (Walked, Option<Halt>) {
    let rows = expected.rows;
    let (total, ready, over) = (Cell::new(before), Cell::new(false), Cell::new(false));
    let gain = RefCell::new(Gain::new(Instant::now(), before));
    let whole = |divides| Part::Whole { divides, gain: &gain };
    let mut divides = pays(job, pace).then_some(rows);
    let mut first = match Walk::resume(job, pace, &total, whole(divides)).await {
        Ok(walk) => walk,
        Err(fault) => return (Walked::default(), Some(Halt::Fault(fault))),
    };
    let mut beside = Walked::default();
    let halt = loop {
        match first.run().await {
            Ended::Rows => break None,
            Ended::Halted(halt) => break Some(halt),
            Ended::Leaves => {}
        }
        over.set(false);
        ready.set(false);
        let left = rows.saturating_sub(total.get());
        let mut second = first.beside(Part::Second { left, over: &over, gain: &gain });
        let stood = first.stands().cloned();
        first.goes_on(Part::Meanwhile { ready: &ready });
        let (ended, at) = {
            let (run, begin) = (pin!(first.run()), pin!(begin(job, &mut second, stood.as_ref(), left, expected.exact)));
            match select(run, begin).await {
                // Whatever was under way for the second lane ends with its session.
                Either::Left((ended, _)) => (ended, None),
                Either::Right((at, run)) => {
                    ready.set(true);
                    (run.await, at)
                }
            }
        };
        let at = match (ended, at) {
            (Ended::Rows, _) => break None,
            (Ended::Halted(halt), _) => break Some(halt),
            (Ended::Leaves, Some(at)) => at,
            (Ended::Leaves, None) => {
                divides = None;
                first.goes_on(whole(None));
                continue;
            }
        };
        let from = first.stands().cloned();
        gain.borrow_mut().begins(Instant::now(), total.get());
        first.becomes(Part::First { until: at }, from);
        let through = async {
            let ended = first.run().await;
            over.set(true);
            ended
        };
        let (ended, of_second) = tokio::join!(through, second.run());
        gain.borrow_mut().begins(Instant::now(), total.get());
        // What was in its way, or made it useless, will be there again.
        divides = divides.filter(|_| !second.is_useless());
        first.becomes(whole(divides), second.stands().cloned());
        beside.and(second.done());
        match (ended, of_second) {
            (Ended::Rows, Ended::Leaves) => {}
            (Ended::Rows | Ended::Leaves, Ended::Rows) => break None,
            (ended, of_second) => break worse(ended, of_second),
        }
    };
    let mut walked = first.done();
    walked.and(beside);
    (walked, halt)
}

/// Walks once more from the start, by one lane.
pub(super) async fn again(job: &Job<'_>, pace: &Pace<'_>, locks: LockWait, before: u64) -> (Walked, Option<Halt>) {
    let (total, gain) = (Cell::new(before), RefCell::new(Gain::new(Instant::now(), before)));
    let whole = Part::Whole { divides: None, gain: &gain };
    let mut walk = match Walk::again(job, pace, &total, whole, locks).await {
        Ok(walk) => walk,
        Err(fault) => return (Walked::default(), Some(Halt::Fault(fault))),
    };
    let halt = match walk.run().await {
        Ended::Halted(halt) => Some(halt),
        Ended::Rows | Ended::Leaves => None,
    };
    (walk.done(), halt)
}

/// Whether two lanes have the server to themselves.
pub(super) fn have_room(pace: &Pace<'_>) -> bool {
    forced().is_some() || pace.alone()
}

/// How many rows have to be left for two lanes.
pub(super) fn rows_min() -> u64 {
    forced().unwrap_or(ROWS_MIN)
}

/// For tests: from so many rows on, whoever else is at work.
pub(super) fn forced() -> Option<u64> {
    #[cfg(feature = "faults")]
    return std::env::var("FORGETD_SECOND_LANE").ok()?.parse().ok();
    #[cfg(not(feature = "faults"))]
    None
}

/// Whether two lanes may do more than one: deletes that nothing limits.
fn pays(job: &Job<'_>, pace: &Pace<'_>) -> bool {
    let unlimited = job.rule.cap.rows_per_run.is_none() && pace.rate.borrow().is_none();
    unlimited && job.step.divides()
}

/// Gets the second lane ready to begin in the middle of what is left behind `from`, which may be guessed: nearer, where there is
/// not so much, for what is behind the second one's rows is divided again. Where the first one comes further than that meanwhile,
/// what it passed is looked at again.
async fn begin(
    job: &Job<'_>,
    second: &mut Walk<'_, '_>,
    from: Option<&Cursor>,
    mut left: u64,
    exact: bool,
) -> Option<Cursor> {
    let parts = if exact { 2 } else { 4 };
    while left >= rows_min() {
        match job.connector.divide(&job.step, from, (left / parts).min(AHEAD_MAX)).await {
            Ok(Some(at)) => {
                second.begins(at.clone()).await.inspect_err(|fault| told(job, fault)).ok()?;
                tracing::info!(rule = %job.rule.name, left, "a second lane begins");
                return Some(at);
            }
            Ok(None) => left = left.min(parts * AHEAD_MAX) / 4,
            Err(fault) => {
                told(job, &fault);
                return None;
            }
        }
    }
    None
}

fn told(job: &Job<'_>, fault: &forgetd_connector::Fault) {
    tracing::info!(rule = %job.rule.name, error = %fault, "no second lane: one goes on");
}

/// Of two reasons to end, the one that says more: what nobody knows comes before who may act, and that before all others.
fn worse(first: Ended, second: Ended) -> Option<Halt> {
    let rank = |halt: &Halt| match halt {
        Halt::Unknown(_) => 2,
        Halt::Fenced => 1,
        _ => 0,
    };
    let halts = [first, second].into_iter().filter_map(|ended| match ended {
        Ended::Halted(halt) => Some(halt),
        Ended::Rows | Ended::Leaves => None,
    });
    // The first lane's, where both say as much.
    halts.reduce(|one, other| if rank(&other) > rank(&one) { other } else { one })
}

// === impl Walked ===

impl Walked {
    /// Both together.
    pub(super) fn and(&mut self, other: Self) {
        self.changed += other.changed;
        self.batches += other.batches;
        self.lanes = self.lanes.max(other.lanes);
        self.batch_rows_max = self.batch_rows_max.max(other.batch_rows_max);
        self.longest_tx = self.longest_tx.max(other.longest_tx);
        self.resealed |= other.resealed;
        self.adopted += other.adopted;
        for (cause, rows) in other.skipped {
            *self.skipped.entry(cause).or_default() += rows;
        }
    }
}
