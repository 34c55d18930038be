//! The atomic batch: effect and receipt in one commit, in two client turns, of which the second is the next batch's first.
//!
//! Turn 1 begins, takes the fence under a share lock, reads the counters, changes the rows, reads the counters again
//! and looks the next span up. Turn 2 inserts the receipt and commits: right only because a failed statement dooms a
//! transaction here, and sent only after everything of turn 1 was read and agreed. Where the next span is known, its
//! turn 1 goes out behind the COMMIT: it is a transaction of its own, and nothing of it stays unless it is asked for.
//!
//! Where new values are computed here, turn 1 reads the rows with their versions and locks none of them, the values are
//! computed while nothing waits, and a turn between the two writes them back where the version is still the same.
//!
//! Where deciding about a row looks elsewhere (another table, a native condition), turn 1 locks the rows and nothing
//! else, and a turn between the two judges them again: a statement that began before a lock was granted does not see
//! what was committed while it waited.

mod act;
mod commit;
pub(crate) mod divide;
mod turn;
pub(crate) mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::bulk::Bulk;
use forgetd_connector::walk::{Position, aim};
use forgetd_connector::{
    AtomicLane, Cause, Commit, Effect, FIRST_LANE, Fault, FaultClass, Key, LaneClaim, LockWait, Next, Order, Receipt,
    Step, Transform, fault_point,
};
use tokio::time::Instant;

use crate::connect::{Ask, Held, Session};
use crate::connector::Shared;
use crate::error;
use crate::preflight;
use crate::query::{BEFORE_KEYS, Query};
use crate::survey::{Survey, get, odd};
use crate::walk::{Counted, Layout, Planned, Walk, Walker, read_key, read_returned_key};
pub(crate) use act::written;
use act::{Ahead, Changed, Wide};
use turn::{Locked, Met, Read, Turn};

/// How often a batch that turned out too large is planned again.
const OVERFLOWS_MAX: u32 = 8;

/// One lane of one step.
pub(crate) struct Atomic {
    shared: Arc<Shared>,
    step: Step,
    place: String,
    claim: LaneClaim,
    query: Arc<Query>,
    transform: Arc<dyn Transform>,
    walker: Walker,
    bulk: Bulk,
    open: Option<Open>,
    begun: Option<Begun>,
    last_open: Option<Duration>,
    /// Whether a delete of this lane ever took a row: then a trigger that cancels chooses its rows.
    took: bool,
}

/// A transaction that waits for its receipt.
struct Open {
    held: Held,
    /// The transaction's own number: a receipt is inserted in this transaction or not at all.
    xid: String,
    began: Instant,
}

/// A turn 1 that went out behind a commit.
struct Begun {
    held: Held,
    order: Order,
    planned: Planned,
    met: Result<Met, Fault>,
    began: Instant,
}

/// What one attempt came to.
enum Attempt {
    /// It stays open.
    Open(Box<(Effect, Open)>),
    /// It met more than the batch may change, or than is read at once, and was rolled back.
    Overflow,
    /// The table's storage is another one since it was surveyed; rolled back.
    Moved,
}

// === impl Atomic ===

impl Atomic {
    /// Opens the lane: surveys the table and chooses how to walk it.
    pub(crate) async fn open(
        shared: Arc<Shared>,
        step: &Step,
        claim: &LaneClaim,
        transform: Arc<dyn Transform>,
    ) -> Result<Self, Fault> {
        let place = step.place(shared.database());
        if step.rewrite().is_some() && step.table.key.is_empty() {
            return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "open lane", place));
        }
        let until = claim.until.as_ref().map(|until| Position::from_cursor(Some(until)));
        let ends = if let Some(Position::From(value)) = &until { Some(value.clone()) } else { None };
        let query = Arc::new(shared.query(step)?.until(ends));
        let held = shared.slot(&claim.lane).take().await?;
        let (survey, walk) = shared.survey(&held, step, &query).await?;
        held.give_back();
        // Where another lane begins by one walk, none that goes by another one would end.
        let walk = match &until {
            Some(Position::Physical { .. }) => Walk::Physical,
            Some(_) => Walk::Since,
            None => walk,
        };
        let turns = step.rewrite().is_none() && until.is_none() && claim.lane == FIRST_LANE;
        let mut walker = Walker::new(step, Arc::clone(&query), survey, (walk, until), place.clone());
        if turns {
            walker = walker.turning();
        }
        Ok(Self {
            shared,
            step: step.clone(),
            place,
            claim: claim.clone(),
            query,
            transform,
            walker,
            bulk: Bulk::default(),
            open: None,
            begun: None,
            last_open: None,
            took: false,
        })
    }

    async fn attempt(&mut self, order: &Order, aim: u32) -> Result<Attempt, Fault> {
        let begun = match self.begun.take_if(|begun| begun.order == *order) {
            Some(begun) => {
                fault_point::before("change")?;
                begun
            }
            None => self.begin_now(order, aim).await?,
        };
        let Begun { held, planned, met, began, .. } = begun;
        let changed = match met {
            Ok(Met::Changed(changed)) => Ok(changed),
            Ok(Met::Locked(locked)) => self.judge(&held, order, &planned, locked).await,
            Ok(Met::Read(read)) => self.write(&held, order, &planned, read).await,
            Err(fault) => Err(fault),
        };
        let changed = match changed {
            Ok(changed) => changed,
            Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
            Err(fault) => {
                self.roll_back(&held).await?;
                let fault = self.diagnose(held, fault).await;
                if matches!(fault.class, FaultClass::Row(_)) {
                    self.walker.refused();
                }
                return Err(fault);
            }
        };
        fault_point::after("change")?;
        if changed.storage != self.walker.survey.storage {
            self.roll_back(&held).await?;
            held.give_back();
            return Ok(Attempt::Moved);
        }
        if changed.met > u64::from(order.rows_max) || changed.wide.is_some() {
            self.roll_back(&held).await?;
            held.give_back();
            match changed.wide {
                Some(Wide::Row) => self.bulk.met_wide(),
                Some(Wide::Rows { fits }) => self.bulk.overflowed(fits),
                None => {}
            }
            self.walker.overflowed();
            return Ok(Attempt::Overflow);
        }
        if order.locks == LockWait::Skip {
            self.walker.stays();
        }
        self.walker.went(&planned, changed.rows, changed.micros);
        self.bulk.read(changed.bytes);
        self.took |= changed.rows > 0;
        let (effect, xid, ahead) = self.effect(order, &planned, changed)?;
        if let Some(found) = ahead {
            self.walker.learn(&planned, found);
        }
        Ok(Attempt::Open(Box::new((effect, Open { held, xid, began }))))
    }

    /// Plans the order's span, for so many rows, and sends turn 1.
    async fn begin_now(&mut self, order: &Order, aim: u32) -> Result<Begun, Fault> {
        self.forget().await?;
        let held = self.shared.slot(&self.claim.lane).take().await?;
        let position = Position::from_cursor(order.from.as_ref());
        if let Some(at) = self.walker.looks_at(&position) {
            self.look(&held, &at).await?;
        }
        let planned = match self.walker.plan(&held, position, aim, Counted::Rows).await {
            Ok(planned) => planned,
            Err(fault) => return Err(self.diagnose(held, fault).await),
        };
        // Survivors are counted the way the lane went.
        self.shared.turned(&self.step, self.walker.walk);
        fault_point::before("change")?;
        let began = Instant::now();
        let turn = self.turn(order, &planned);
        let answers = held.turn("change", &turn.asks()).await;
        let met = answers.and_then(|answers| self.answered(&turn, answers));
        Ok(Begun { held, order: order.clone(), planned, met, began })
    }

    /// Looks at how the rows lie, and turns to another walk where that is better. What cannot be seen is left as it is.
    async fn look(&mut self, held: &Held, at: &Position) -> Result<(), Fault> {
        let seen = Layout::look(held, &self.query, &self.walker.survey, at, &self.place).await;
        let seen = match seen {
            Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
            Err(fault) => {
                tracing::debug!(rule = self.step.rule, error = %fault, "how the rows lie is not seen");
                None
            }
            Ok(seen) => seen,
        };
        let Some(walk) = self.walker.looked(seen) else { return Ok(()) };
        let survey = match Survey::take(held, &self.step, &self.query, &self.place).await {
            Err(fault) if fault.class != FaultClass::Disconnected => return Ok(()),
            survey => survey?,
        };
        self.walker.turn(walk, survey);
        tracing::info!(
            rule = self.step.rule,
            walk = word(walk),
            ?seen,
            "rows lie otherwise than the statistics say: another walk is better"
        );
        Ok(())
    }

    /// Turn 1 of the order, if it can be sent without a look first. Not through a pooler, which would lend us its
    /// connection from the first batch to the last.
    fn ready(&self, order: &Order) -> Option<(Planned, Turn)> {
        if self.shared.pooled {
            return None;
        }
        let planned = self.walker.ready(Position::from_cursor(order.from.as_ref()), self.bulk.aim(order.rows_max))?;
        let turn = self.turn(order, &planned);
        Some((planned, turn))
    }

    /// Rolls back what was begun behind a commit.
    async fn forget(&mut self) -> Result<(), Fault> {
        let Some(begun) = self.begun.take() else { return Ok(()) };
        // After a lost connection there is nothing that could be rolled back.
        if !matches!(&begun.met, Err(fault) if fault.class == FaultClass::Disconnected) {
            self.roll_back(&begun.held).await?;
            begun.held.give_back();
        }
        Ok(())
    }

    async fn finish(&mut self, receipt: &Receipt, next: Option<&Order>) -> Commit {
        let Some(Open { held, xid, began }) = self.open.take() else {
            let fault = Fault::new(FaultClass::Internal, "commit", &self.place);
            return Commit::RolledBack(fault.with_detail("no batch"));
        };
        let ahead = next.and_then(|order| Some((order, self.ready(order)?)));
        let turn = ahead.as_ref().map(|(_, (_, turn))| turn);
        let sent = Instant::now();
        let done = commit::commit(&self.shared, held, &xid, receipt, turn, &self.place).await;
        self.last_open = Some(done.at.duration_since(began));
        let Some(held) = done.held else { return done.commit };
        let (Some((order, (planned, turn))), Some(answers)) = (ahead, done.ahead) else {
            held.give_back();
            return done.commit;
        };
        let met = answers.and_then(|answers| self.answered(&turn, answers));
        self.begun = Some(Begun { held, order: order.clone(), planned, met, began: sent });
        if done.commit != Commit::Committed {
            // Where it cannot be rolled back its session is gone, and the server does it.
            drop(self.forget().await);
        }
        done.commit
    }

    fn effect(&self, order: &Order, planned: &Planned, changed: Changed) -> Result<(Effect, String, Ahead), Fault> {
        let keys = if order.want_keys {
            let key = |row| match self.query.rewrites() {
                true => read_key(&self.query, row, BEFORE_KEYS, &self.place),
                false => read_returned_key(&self.query, row, &self.place),
            };
            Some(changed.keys.iter().filter_map(|row| key(row).transpose()).collect::<Result<Vec<Key>, Fault>>()?)
        } else {
            None
        };
        let effect = Effect {
            changed: changed.rows,
            cascaded: changed.along.cascaded,
            references_set: changed.along.references_set,
            // What was no longer as it had been read stays due, as what others hold does.
            locked: if order.locks == LockWait::Skip { changed.left.unwrap_or(0) } else { changed.missed },
            unfit: changed.unfit,
            keys,
            next: planned.next(),
        };
        Ok((effect, changed.xid, changed.ahead))
    }

    async fn roll_back(&self, session: &Session) -> Result<(), Fault> {
        let answers = session.turn("roll back", &[Ask::Batch("rollback")]).await?;
        for answer in answers {
            answer.map_err(|error| error::fault(&error, "roll back", &self.place))?;
        }
        Ok(())
    }

    /// Finds out what a refusal means, and gives the session back if it is still good.
    async fn diagnose(&self, held: Held, fault: Fault) -> Fault {
        if fault.class == FaultClass::Disconnected {
            return fault;
        }
        let fault = preflight::diagnosed(&held, &self.step, &self.walker.survey, &self.place, fault).await;
        if fault.class != FaultClass::Disconnected {
            held.give_back();
        }
        fault
    }

    async fn resurvey(&mut self) -> Result<(), Fault> {
        let held = self.shared.slot(&self.claim.lane).take().await?;
        let survey = Survey::take(&held, &self.step, &self.query, &self.place).await?;
        held.give_back();
        self.walker.resurvey(survey);
        Ok(())
    }
}

/// A second lane's session is of no use to anybody else.
impl Drop for Atomic {
    fn drop(&mut self) {
        if self.claim.lane != FIRST_LANE {
            self.shared.slot(&self.claim.lane).let_go();
        }
    }
}

#[async_trait]
impl AtomicLane for Atomic {
    async fn change(&mut self, order: &Order) -> Result<Effect, Fault> {
        // A transaction that was never answered for is left to the server.
        self.open = None;
        for overflows in 0..OVERFLOWS_MAX {
            match self.attempt(order, aim(self.bulk.aim(order.rows_max), overflows)).await? {
                Attempt::Open(parts) => {
                    let (effect, open) = *parts;
                    self.open = Some(open);
                    return Ok(effect);
                }
                Attempt::Overflow => {}
                Attempt::Moved => self.resurvey().await?,
            }
        }
        Err(Fault::new(FaultClass::Transient, "change", &self.place)
            .with_detail("rows were inserted faster than a batch"))
    }

    async fn commit(&mut self, receipt: &Receipt) -> Commit {
        self.finish(receipt, None).await
    }

    async fn commit_then(&mut self, receipt: &Receipt, next: &Order) -> Commit {
        self.finish(receipt, Some(next)).await
    }

    fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    fn last_open(&self) -> Option<Duration> {
        self.last_open
    }

    async fn undo(&mut self) -> Result<(), Fault> {
        self.forget().await?;
        let Some(open) = self.open.take() else { return Ok(()) };
        self.roll_back(&open.held).await?;
        open.held.give_back();
        Ok(())
    }

    async fn pass(&mut self, order: &Order) -> Result<(u64, Next), Fault> {
        self.open = None;
        self.forget().await?;
        self.walker.stays();
        let held = self.shared.slot(&self.claim.lane).take().await?;
        let position = Position::from_cursor(order.from.as_ref());
        let planned = self.walker.plan(&held, position, order.rows_max, Counted::Due).await?;
        let count = self.query.due_within(&planned.span);
        let answers = held.read("pass", &self.place, self.query.pins(), &[&count]).await?;
        held.give_back();
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place))?;
        let due: i64 = get(row, 0, &self.place)?;
        Ok((due.unsigned_abs(), planned.next()))
    }
}

/// How the step is walked, in the word that plans show.
pub(crate) const fn word(walk: Walk) -> &'static str {
    match walk {
        Walk::Since => "since",
        Walk::Keys => "key",
        Walk::Physical => "physical",
    }
}
