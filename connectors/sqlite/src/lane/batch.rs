//! One batch: find where it ends, change, compare.
//!
//! A window is a number of rows of the table, due or not, so that finding its end is bounded. Where few of them are due
//! the window grows: then what is due in it is counted first, because the order's limit on changed rows is hard.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forgetd_connector::bulk::Bulk;
use forgetd_connector::layout::Looks;
use forgetd_connector::{Cause, Effect, Fault, FaultClass, Key, Order};
use rusqlite::{Connection, params_from_iter};

use super::ground::{Ground, Problem, Watched};
use super::layout;
use super::rewrite::{Rewritten, Wide, rewrite};
use crate::codec;
use crate::effect::Recorder;
use crate::error;
use crate::query::Area;
use crate::session::Session;
use crate::walk::{self, Place};

/// The widest window: about ten milliseconds of looking.
const WINDOW_ROWS_MAX: u64 = 16_384;

/// When a batch that met nothing due stops looking further: others wait for the lock meanwhile.
const LOOK_TIME: Duration = Duration::from_millis(10);

/// What a lane learnt from its last batches.
#[derive(Debug)]
pub(crate) struct Pace {
    window: u64,
    /// How many rows are read at once, where they stay.
    bulk: Bulk,
    /// Whether this lane ever changed a row: then a trigger that cancels chooses its rows.
    took: bool,
    /// When it looks whether another walk is better; absent before its first order.
    looks: Option<Looks>,
}

/// A span with something due in it, or the last one that was looked at.
#[derive(Debug)]
pub(crate) struct Found {
    /// The rows.
    pub(crate) area: Area,
    /// How many of them are due.
    pub(crate) due: u64,
    /// What follows.
    pub(crate) next: Option<Place>,
}

/// How far windows without a due row are passed in one call.
struct Look {
    rows: u64,
    began: Instant,
}

// === impl Pace, Look ===

impl Default for Pace {
    fn default() -> Self {
        Self { window: 1, bulk: Bulk::default(), took: false, looks: None }
    }
}

impl Pace {
    fn window(&self, rows_max: u64) -> u64 {
        self.window.clamp(rows_max, rows_max.max(WINDOW_ROWS_MAX))
    }

    fn narrow(&mut self, window: u64) {
        self.window = window / 4;
    }

    /// Keeps to its walk from now on: a row was refused or passed over, and would be met and counted once more behind a turn.
    pub(super) fn stays(&mut self) {
        self.looks = Some(Looks::NEVER);
    }

    /// Grows after a window that was mostly empty, shrinks after a full one.
    fn learn(&mut self, window: u64, due: u64, rows_max: u64) {
        if due.saturating_mul(4) < rows_max {
            self.window = window.saturating_mul(2).min(WINDOW_ROWS_MAX);
        } else if due.saturating_mul(4) > rows_max.saturating_mul(3) {
            self.window = window / 2;
        }
    }
}

impl Look {
    fn begin() -> Self {
        Self { rows: 0, began: Instant::now() }
    }

    /// Whether to look at the next window as well, after `rows` without a hit.
    fn goes_on(&mut self, rows: u64) -> bool {
        self.rows += rows;
        self.rows < WINDOW_ROWS_MAX && self.began.elapsed() < LOOK_TIME
    }
}

/// Changes the due rows of the next span, inside the open transaction.
pub(super) fn change(session: &mut Session, ground: &Ground, order: &Order, pace: &mut Pace) -> Result<Effect, Fault> {
    let (connection, recorder) = session.listened("change")?;
    let changed = walk_and_change(connection, recorder, ground, order, pace);
    changed.map_err(|problem| ground.fault(session, "change", problem))
}

fn walk_and_change(
    connection: &Connection,
    recorder: &Recorder,
    ground: &Ground,
    order: &Order,
    pace: &mut Pace,
) -> Result<Effect, Problem> {
    let mut place = begin(connection, ground, order, pace)?;
    let mut look = Look::begin();
    let mut unfit = BTreeMap::new();
    loop {
        let rows_max = u64::from(pace.bulk.aim(order.rows_max));
        let window = pace.window(rows_max);
        let (area, next) = place.ahead(connection, &ground.scope, window)?;
        if window > rows_max && ground.scope.count_in(&area, rows_max + 1).number(connection)? > rows_max {
            pace.narrow(window);
            continue;
        }
        let done = ground.watch(connection, recorder, |terrain| match ground.scope.rewriting() {
            // A walk by row ids meets a row once here too: a row keeps its id when it is written, unless a column
            // that names it is, and then it is done.
            Some(rewriting) => {
                let read = ground.scope.read_in(rewriting, &area);
                rewrite(connection, ground, terrain, rewriting, &read, Wide::Refused)
            }
            None => Ok(run_delete(connection, ground, order, &area)?),
        })?;
        if let Some(fits) = done.returned.fits {
            pace.bulk.overflowed(fits);
            pace.narrow(window);
            continue;
        }
        pace.bulk.read(done.returned.bytes);
        // Only a trigger can keep a row that a statement changes, or bring one back, while we hold the write lock.
        let left = done.returned.unfit.values().sum::<u64>();
        if done.triggers && ground.scope.count_in(&area, left + 1).number(connection)? > left {
            return Err(Problem::Fault(cancelled(ground, order, pace, done.changed)));
        }
        for (cause, rows) in &done.returned.unfit {
            *unfit.entry(*cause).or_default() += rows;
        }
        pace.learn(window, done.changed + left, rows_max);
        pace.took |= done.changed > 0;
        match next {
            // Not past rows that stay due: an order for one row is about that very row.
            Some(next) if done.changed == 0 && left == 0 && look.goes_on(window) => place = next,
            next => {
                pace.looks.iter_mut().for_each(|looks| looks.went(Instant::now()));
                return Ok(effect(done, unfit, order, next.as_ref()));
            }
        }
    }
}

/// Where the batch begins, by the other walk if that was just seen to be better: what was worked on is not due any more.
fn begin(connection: &Connection, ground: &Ground, order: &Order, pace: &mut Pace) -> rusqlite::Result<Place> {
    let storage = ground.storage(connection)?;
    // What a lane that was under way passed over before is not known here.
    let fresh = order.from.is_none() && ground.scope.turns();
    let looks = pace.looks.get_or_insert(if fresh { Looks::behind(layout::FIRST, None) } else { Looks::NEVER });
    let place = Place::resume(order.from.as_ref(), &ground.scope, storage.clone());
    match &place {
        // An order for one row is about that very row.
        Place::Since(position) if order.rows_max > 1 && looks.now() => {
            looks.looked(true);
            let turns = match layout::suits_rows(connection, &ground.scope, position) {
                Err(error) if error::spoils_connection(&error) => return Err(error),
                seen => seen.unwrap_or(false),
            };
            Ok(if turns { Place::Rows { storage, after: None } } else { place })
        }
        Place::Rows { .. } if looks.end() => {
            tracing::info!(
                table = ground.place,
                "the walk goes by row id from here on: rows lie scattered, and many of them are due"
            );
            Ok(place)
        }
        _ => Ok(place),
    }
}

fn effect(done: Watched<Rewritten>, unfit: BTreeMap<Cause, u64>, order: &Order, next: Option<&Place>) -> Effect {
    Effect {
        changed: done.changed,
        cascaded: done.along.cascaded,
        references_set: done.along.references_set,
        locked: 0,
        unfit,
        keys: order.want_keys.then_some(done.returned.keys),
        next: walk::next(next),
    }
}

/// A trigger that keeps single rows costs those rows; one that keeps everything stops the rule.
fn cancelled(ground: &Ground, order: &Order, pace: &Pace, changed: u64) -> Fault {
    let class = if changed > 0 || pace.took || order.rows_max == 1 {
        FaultClass::Row(Cause::TriggerCancels)
    } else {
        FaultClass::Blocked(Cause::TriggerCancels)
    };
    Fault::new(class, "change", &ground.place)
}

fn run_delete(
    connection: &Connection,
    ground: &Ground,
    order: &Order,
    area: &Area,
) -> rusqlite::Result<(u64, Rewritten)> {
    let width = ground.scope.key_width();
    let wants_keys = order.want_keys && width > 0;
    let query = ground.scope.delete(area, wants_keys);
    let mut statement = connection.prepare_cached(&query.sql)?;
    if !wants_keys {
        let changed = statement.execute(params_from_iter(&query.values))?;
        return Ok((changed as u64, Rewritten::default()));
    }
    let rows = statement.query_map(params_from_iter(&query.values), |row| codec::key(row, width))?;
    let keys: Vec<Key> = rows.collect::<Result<_, _>>()?;
    Ok((connection.changes(), Rewritten { keys, ..Rewritten::default() }))
}

/// Finds the next span with something due in it, at most `order.rows_max` rows. Changes nothing.
pub(crate) fn find(
    connection: &Connection,
    ground: &Ground,
    order: &Order,
    pace: &mut Pace,
) -> rusqlite::Result<Found> {
    let rows_max = u64::from(order.rows_max.max(1));
    let mut place = Place::resume(order.from.as_ref(), &ground.scope, ground.storage(connection)?);
    let mut look = Look::begin();
    pace.stays();
    loop {
        let window = pace.window(rows_max);
        let (area, next) = place.ahead(connection, &ground.scope, window)?;
        let due = ground.scope.count_in(&area, rows_max + 1).number(connection)?;
        if due > rows_max && window > rows_max {
            pace.narrow(window);
            continue;
        }
        pace.learn(window, due, rows_max);
        match next {
            Some(next) if due == 0 && look.goes_on(window) => place = next,
            next => return Ok(Found { area, due, next }),
        }
    }
}
