//! What goes to the server in one packet, and what its answers say together.

use std::collections::BTreeMap;
use std::time::Duration;

use forgetd_connector::bulk::Met;
use forgetd_connector::{Cause, Fault, FaultClass, LockWait, TableRef};
use mysql_async::Row;

use super::effect::Handled;
use crate::answer::{Answer, get, odd};
use crate::connect::Ask;
use crate::connector::Shared;
use crate::error::{Error, gone};
use crate::flavour::Flavour;
use crate::query::{Carrier, Due, Query, Referring, Sql};

/// What a statement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Begin,
    /// The transaction that was begun is still open.
    Still,
    Fence,
    /// The session's counters before anything was changed.
    Before,
    Gather,
    Lock,
    Judge,
    /// The keys of what will be changed.
    Keys,
    /// Locks rows of other tables that go along.
    Hold,
    /// Deletes them.
    Child(TableRef),
    /// Counts rows that stay and whose reference will be set.
    Sets(TableRef),
    /// Counts those of the table itself that are still there.
    Stayed,
    /// Counts rows that will follow.
    Follow(TableRef),
    Change,
    /// Adds up what the rows hold that will be read.
    Weigh,
    /// What that came to.
    Weighed,
    /// Reads the rows that will be written.
    Read,
    /// Looks at what was written.
    Check,
    /// Counts what stayed due.
    Left,
    /// The counters after.
    After,
    /// How many keys were carried, and how many arrived.
    Carried,
    /// How many rows were due, and whether they are neighbours.
    Reached,
    /// Looks the next span up.
    Ahead,
}

/// Statements in their order.
#[derive(Default)]
pub(crate) struct Packet {
    parts: Vec<(Part, Sql)>,
}

/// What the answers say.
#[derive(Default)]
pub(crate) struct Tally {
    /// Due rows that were found, and all of them arrived; absent: that was not asked.
    pub(crate) due: Option<u64>,
    /// Whether they are neighbours, where that was looked for.
    pub(crate) reached: Option<bool>,
    /// Of those, the rows that were chosen and locked in a statement of its own.
    pub(crate) chosen: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) children: BTreeMap<TableRef, u64>,
    pub(crate) references_set: BTreeMap<TableRef, u64>,
    pub(crate) keys: Vec<Row>,
    pub(crate) read: Vec<Row>,
    /// Of how many rows the values were added up before they were read, and their bytes.
    pub(crate) weighed: Option<(u64, u64)>,
    /// Rows that count from another moment than before, and rows that hold something else than was written.
    pub(crate) checked: Option<(u64, u64)>,
    pub(crate) left: Option<u64>,
    pub(crate) before: Option<Handled>,
    pub(crate) after: Option<Handled>,
    pub(crate) ahead: Option<Vec<Row>>,
}

/// Whom and where the answers are about.
pub(crate) struct About<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) place: &'a str,
    /// The step's table.
    pub(crate) own: &'a TableRef,
    pub(crate) locks: LockWait,
    pub(crate) rows_max: u32,
    pub(crate) rewrites: bool,
}

// === impl Tally ===

impl Tally {
    /// Adds what was done to other rows of the same batch.
    pub(crate) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        for (all, some) in [(&mut self.children, other.children), (&mut self.references_set, other.references_set)] {
            some.into_iter().for_each(|(table, rows)| *all.entry(table).or_default() += rows);
        }
    }

    /// Whether all rows are here that were to be read.
    pub(crate) fn met(&self) -> Met {
        self.weighed.map_or(Met::All, |(rows, bytes)| Met::weighed(rows, bytes))
    }

    /// Takes out the rows that went or followed, and those whose reference was set, where there are any.
    pub(crate) fn along(&mut self) -> (BTreeMap<TableRef, u64>, BTreeMap<TableRef, u64>) {
        let some = |rows: &mut BTreeMap<TableRef, u64>| {
            rows.retain(|_, rows| *rows > 0);
            std::mem::take(rows)
        };
        (some(&mut self.children), some(&mut self.references_set))
    }
}

// === impl Packet ===

impl Packet {
    pub(crate) fn push(&mut self, part: Part, sql: Sql) {
        self.parts.push((part, sql));
    }

    /// Deletes the chosen rows; before them, what goes with them, and the count of what is set.
    pub(crate) fn push_delete(&mut self, query: &Query, indexes: &BTreeMap<String, String>) {
        let mut stayed = vec![];
        for child in query.children(indexes) {
            self.push_sets(child.sets, &mut stayed);
            self.push(Part::Hold, child.lock);
            self.push(Part::Child(child.table), child.delete);
        }
        self.push_sets(query.sets(indexes), &mut stayed);
        self.push(Part::Change, query.delete_carried(query.chosen()));
        for stayed in stayed {
            self.push(Part::Stayed, stayed);
        }
    }

    fn push_sets(&mut self, sets: Vec<Referring>, later: &mut Vec<Sql>) {
        for Referring { table, count, stayed } in sets {
            match stayed {
                None => self.push(Part::Sets(table), count),
                Some(stayed) => {
                    self.push(Part::Hold, count);
                    later.push(stayed);
                }
            }
        }
    }

    /// Reads chosen rows, for an order of so many.
    pub(crate) fn push_read(&mut self, query: &Query, chosen: Carrier, due: Due, rows_max: u64) {
        let weighs = query.weighs(rows_max);
        if weighs {
            self.push(Part::Weigh, query.weigh(chosen, due));
            self.push(Part::Weighed, Query::weighed());
        }
        self.push(Part::Read, query.read_rows(chosen, due, weighs));
    }

    /// Counts what will follow.
    pub(crate) fn push_follow(&mut self, follow: Vec<Referring>) {
        for Referring { table, count, .. } in follow {
            self.push(Part::Follow(table), count);
        }
    }

    /// Gives each statement that changes rows no longer than this, where the server can be told so.
    pub(crate) fn limit(&mut self, flavour: Flavour, limit: Duration) {
        for (part, sql) in &mut self.parts {
            if matches!(part, Part::Child(_) | Part::Change) {
                *sql = std::mem::take(sql).within(flavour, limit);
            }
        }
    }

    /// The statements, in their order.
    pub(crate) fn asks(&self) -> Vec<Ask<'_>> {
        let parts = self.parts.iter().map(|(part, sql)| match part {
            Part::Begin => Ask::BeginMarked,
            Part::Still => Ask::StillMarked,
            _ => Ask::Query(sql),
        });
        parts.collect()
    }

    /// Reads every answer; the first that failed, in their order, is the reason.
    pub(crate) fn read(
        &self,
        answers: impl IntoIterator<Item = Result<Answer, Error>>,
        about: &About<'_>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let mut answers = answers.into_iter();
        for (part, _) in &self.parts {
            let answer = answers.next().ok_or_else(|| odd(about.place))?;
            let answer = answer.map_err(|error| about.fault(part, &error))?;
            about.take(part, answer, tally)?;
        }
        Ok(())
    }
}

// === impl About ===

impl About<'_> {
    /// What an error means, by the statement that met it.
    fn fault(&self, part: &Part, error: &Error) -> Fault {
        let mut fault = match part {
            Part::Begin => return error.fault("begin", self.place),
            Part::Still => return gone(error, "change", self.place),
            Part::Fence => return self.shared.control_fault(error, "check fence"),
            Part::Before | Part::After => error.fault("read counters", self.place),
            _ => error.fault("change", self.place),
        };
        if fault.class == FaultClass::Locked {
            fault.class = match (part, self.locks) {
                // It takes no row lock, so somebody keeps the table.
                (Part::Gather, _) => FaultClass::LockedWhole,
                (_, LockWait::Wait) => FaultClass::Locked,
                // Not the row itself but something that goes with it is locked: that row is to blame.
                (_, LockWait::Skip) => FaultClass::Row(Cause::Locked),
            };
        }
        fault
    }

    fn take(&self, part: &Part, answer: Answer, tally: &mut Tally) -> Result<(), Fault> {
        let first = || answer.rows.first().ok_or_else(|| odd(self.place));
        let number = |n| get::<u64>(first()?, n, self.place);
        match part {
            Part::Begin | Part::Still | Part::Gather | Part::Lock | Part::Judge | Part::Weigh | Part::Hold => {}
            Part::Fence if !self.shared.fence_holds(&answer) => {
                return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "check fence", self.place));
            }
            Part::Fence => {}
            Part::Before => tally.before = Some(Handled::read(&answer.rows, self.place)?),
            Part::After => tally.after = Some(Handled::read(&answer.rows, self.place)?),
            Part::Child(table) => *tally.children.entry(table.clone()).or_default() += answer.affected,
            Part::Sets(table) => *tally.references_set.entry(table.clone()).or_default() += number(0)?,
            Part::Stayed => {
                arrived(number(1)?, number(2)?, self.place)?;
                *tally.references_set.entry(self.own.clone()).or_default() += number(0)?;
            }
            Part::Follow(table) => *tally.children.entry(table.clone()).or_default() += number(0)?,
            Part::Change if self.rewrites => tally.rows += answer.changed.unwrap_or(answer.affected),
            Part::Change => tally.rows += answer.affected,
            Part::Left => tally.left = Some(number(0)?),
            Part::Check => tally.checked = Some((number(0)?, number(1)?)),
            Part::Carried => self.carried(first()?, tally)?,
            Part::Reached => {
                tally.due = Some(number(0)?);
                tally.reached = Some(number(1)? == 1);
            }
            Part::Weighed => tally.weighed = Some((number(1)?, number(0)?)),
            Part::Keys => tally.keys = answer.rows,
            Part::Read => tally.read = answer.rows,
            Part::Ahead => tally.ahead = Some(answer.rows),
        }
        Ok(())
    }

    /// The keys that were found, and behind them those that were chosen, if that was a statement of its own.
    fn carried(&self, row: &Row, tally: &mut Tally) -> Result<(), Fault> {
        let mut counts = vec![];
        for n in (0..row.len()).step_by(2) {
            let count: u64 = get(row, n, self.place)?;
            let came: u64 = get(row, n + 1, self.place)?;
            // More than the batch may change are counted and not carried.
            if n > 0 || count <= u64::from(self.rows_max) {
                arrived(count, came, self.place)?;
            }
            counts.push(count);
        }
        tally.due = counts.first().copied();
        if counts.len() > 1 {
            tally.chosen = counts.last().copied();
        }
        Ok(())
    }
}

/// Fails where fewer keys arrived than were carried.
fn arrived(carried: u64, came: u64, place: &str) -> Result<(), Fault> {
    if carried == came {
        return Ok(());
    }
    let fault = Fault::new(FaultClass::Row(Cause::Size), "change", place);
    Err(fault.with_detail("group_concat_max_len or max_allowed_packet"))
}
