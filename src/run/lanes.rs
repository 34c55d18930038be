//! One lane, or two: where much is to be changed and the server has nothing else to do, a second lane begins in the middle of
//! what is left.
//!
//! The first lane is the one that knows its way: it halves, skips, retries and pauses, and its cursor is what a crashed run
//! goes on from. The second one only ever runs ahead. Its lane is opened while the first one works, and it leaves off when that is
//! through with its own rows, when somebody else comes to the server, once to see whether one lane does as much, and at the first
//! thing that goes wrong; the first lane then goes on where it stood.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use forgetd_connector::{Cursor, Fault, LockWait};
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
        let mut second = first.beside(Part::Second { rows, over: &over, gain: &gain });
        let at = match meanwhile(&mut first, &mut second, &ready).await {
            Meanwhile::Over(halt) => break halt,
            // Somebody came; another time.
            Meanwhile::Opened(Ok(())) if !have_room(pace) => {
                first.goes_on(whole(divides));
                continue;
            }
            Meanwhile::Opened(opened) => {
                let left = rows.saturating_sub(total.get());
                let prepared = match opened {
                    Ok(()) => second.takes_its_place().await,
                    failed => failed,
                };
                match prepared {
                    Ok(()) => divide(job, first.stands(), left, expected.exact).await,
                    Err(fault) => told(job, &fault),
                }
            }
        };
        let Some(at) = at else {
            divides = None;
            first.goes_on(whole(None));
            continue;
        };
        tracing::info!(rule = %job.rule.name, changed = total.get(), "a second lane begins");
        second.begins(at.clone());
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
        // What was in its way will be there again.
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

/// What became of both walks while the second one's lane was opened.
enum Meanwhile {
    /// The first one has ended.
    Over(Option<Halt>),
    /// The first one leaves off; whether the second one's lane is open.
    Opened(Result<(), Fault>),
}

/// Opens the second lane while the first one works. Where that one ends before, what was under way for the second ends with its
/// session.
async fn meanwhile<'a>(first: &mut Walk<'a, '_>, second: &mut Walk<'a, '_>, ready: &'a Cell<bool>) -> Meanwhile {
    ready.set(false);
    first.goes_on(Part::Meanwhile { ready });
    let (run, opens) = (pin!(first.run()), pin!(second.opens()));
    let (ended, opened) = match select(run, opens).await {
        Either::Left((ended, _)) => (ended, Ok(())),
        Either::Right((opened, run)) => {
            ready.set(true);
            (run.await, opened)
        }
    };
    match ended {
        Ended::Rows => Meanwhile::Over(None),
        Ended::Halted(halt) => Meanwhile::Over(Some(halt)),
        Ended::Leaves => Meanwhile::Opened(opened),
    }
}

/// Where a second lane begins: in the middle of what is left behind `from`, which may be guessed: nearer, where there is not so
/// much, for what is behind the second one's rows is divided again.
async fn divide(job: &Job<'_>, from: Option<&Cursor>, mut left: u64, exact: bool) -> Option<Cursor> {
    let parts = if exact { 2 } else { 4 };
    while left >= rows_min() {
        match job.connector.divide(&job.step, from, (left / parts).min(AHEAD_MAX)).await {
            Ok(Some(at)) => return Some(at),
            Ok(None) => left = left.min(parts * AHEAD_MAX) / 4,
            Err(fault) => return told(job, &fault),
        }
    }
    None
}

fn told(job: &Job<'_>, fault: &Fault) -> Option<Cursor> {
    tracing::info!(rule = %job.rule.name, error = %fault, "no second lane: one goes on");
    None
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
