//! One case on one engine.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use forgetd::rules::Policy;
use forgetd::{plan, preflight};
use forgetd_connector::{
    Atomicity, Clause, ClauseOf, Count, Except, Finding, Key, RowCap, Selection, Step, Untouched, Value,
};
use forgetd_testkit::generator::{Case, RuleSpec};
use forgetd_testkit::{Arena, Cell, Row, oracle};
use futures_util::FutureExt as _;

use crate::engine::Site;
use crate::policy::{DATABASE, Names, expected, policy};
use crate::{lanes, transforms};

/// Rows of each case that are judged one by one.
const JUDGED: usize = 4;

/// What happened where all was well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Rows of the table.
    pub(crate) rows: u64,
    /// Those that were due.
    pub(crate) due: u64,
    /// What else a case met that transforms.
    pub(crate) met: Option<transforms::Met>,
}

/// What went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    /// In words.
    pub(crate) why: String,
    /// Whether the database may be left in any state.
    pub(crate) is_broken: bool,
}

/// Runs a case whose tables carry `number` in their names; says what differed from the oracle.
pub(crate) async fn run(site: &dyn Site, arena: &Arena, case: &Case, number: u64) -> Result<Seen, Wrong> {
    let Some(case) = site.adapted(case) else { return Ok(Seen::default()) };
    let case = case.numbered(number);
    let mut trial = Trial { site, arena, policy: Policy::default(), names: Names(number), case: &case };
    if case.transform.as_ref().is_some_and(|spec| !transforms::fits(&trial, spec)) {
        return Ok(Seen::default());
    }
    trial.policy = policy(&case, &Names(number), site).map_err(|why| Wrong { why, is_broken: false })?;
    IS_ON.set(true);
    let done = AssertUnwindSafe(trial.run()).catch_unwind().await;
    IS_ON.set(false);
    match done {
        Ok(done) => done.map_err(|why| Wrong { why, is_broken: false }),
        Err(panic) => Err(Wrong { why: said(&*panic), is_broken: true }),
    }
}

thread_local! {
    /// Whether a trial is on in this thread: its panics are caught, and told as what they are.
    static IS_ON: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Keeps the panics of trials from being printed.
pub(crate) fn keep_panics_quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IS_ON.get() {
            print(panic);
        }
    }));
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "panicked".into())
}

/// A case on an engine, with its policy.
pub(crate) struct Trial<'a> {
    pub(crate) site: &'a dyn Site,
    pub(crate) arena: &'a Arena,
    pub(crate) case: &'a Case,
    pub(crate) policy: Policy,
    pub(crate) names: Names,
}

/// A row that is not there.
pub(crate) fn lost(id: i64) -> String {
    format!("row {id} is gone")
}

// === impl Trial ===

impl Trial<'_> {
    async fn run(&self) -> Result<Seen, String> {
        let case = self.case;
        if let Some(spec) = &case.transform {
            return transforms::run(self, spec).await;
        }
        for table in &case.tables {
            self.site.make(table).await;
        }
        let (step, meant) = self.step(&self.names.purge(), &case.rule).await?;
        self.findings(&step).await?;
        for (n, spec) in case.counted.iter().enumerate() {
            let (other, other_meant) = self.step(&self.names.counted(n), spec).await?;
            self.measured(&other, &self.due(&other_meant), "a rule that is counted").await?;
            let (step, meant) = but(&step, &meant, &other, other_meant);
            self.measured(&step, &self.due(&meant), "what a policy means and another does not").await?;
        }
        let meant_due = self.due(&meant);
        let due = meant_due.len() as u64;
        self.measured(&step, &meant_due, "the rule").await?;
        self.explained(&step, &meant_due).await?;
        let kept = oracle::survivors(&case.tables, &meant);
        let gone = self.drain(&step).await;
        let left = self.site.ids(case.table().name).await;
        if left != kept {
            let lost: Vec<&i64> = kept.iter().filter(|id| !left.contains(id)).collect();
            let stayed: Vec<&i64> = left.iter().filter(|id| !kept.contains(id)).collect();
            return Err(format!("rows {lost:?} were lost, rows {stayed:?} stayed that had to go"));
        }
        if let Some(table) = case.table_below() {
            let parent = &table.below.as_ref().unwrap().column;
            let stays = |row: &&Row| kept.iter().any(|id| table.cell(row, parent) == Cell::Int(*id));
            let expected: Vec<i64> = table.rows.iter().filter(stays).map(|row| row.0).collect();
            let found = self.site.ids(table.name).await;
            if found != expected {
                return Err(format!("rows {found:?} stayed below, not {expected:?}"));
            }
        }
        self.referenced(&kept).await?;
        if gone != due {
            return Err(format!("{due} rows were due and {gone} were reported as gone"));
        }
        for (what, count) in [
            ("measured", self.arena.connector.measure(&step, RowCap(None)).await.unwrap().due),
            ("counted as survivors", self.arena.connector.survivors(&step).await.unwrap()),
        ] {
            if count != Count::Exact(0) {
                return Err(format!("{count:?} {what} once everything is gone"));
            }
        }
        let again = self.drain(&Step { rule: format!("{}-again", step.rule), ..step }).await;
        if again != 0 {
            return Err(format!("a second run took {again} more rows"));
        }
        Ok(Seen { rows: case.table().rows.len() as u64, due, met: None })
    }

    /// Rows beside point at what they pointed at, where that is still there, and else at nothing.
    async fn referenced(&self, kept: &[i64]) -> Result<(), String> {
        let Some(table) = self.case.table_beside() else { return Ok(()) };
        let column = table.beside.as_ref().unwrap().column;
        let own: Vec<_> = table.columns.iter().filter(|spec| spec.name == column).cloned().collect();
        let mut expected: Vec<(i64, Vec<Option<String>>)> = vec![];
        for row in &table.rows {
            let there = kept.iter().find(|id| table.cell(row, column) == Cell::Int(**id));
            expected.push((row.0, vec![there.map(ToString::to_string)]));
        }
        let found = self.site.texts(table.name, &own).await;
        if found == expected { Ok(()) } else { Err(format!("rows beside reference {found:?}, not {expected:?}")) }
    }

    /// The same trial, for another case of the same tables.
    pub(crate) fn again(&self) -> Self {
        Self { policy: self.policy.clone(), names: Names(self.names.0), ..*self }
    }

    /// The rows that a selection means.
    fn due(&self, meant: &Selection) -> Vec<i64> {
        oracle::due(&self.case.tables, meant)
    }

    /// The step of the case's own rule, and the rows that its terms mean, whether done or not.
    pub(crate) async fn planned(&self) -> Result<(Step, Vec<i64>), String> {
        let (step, meant) = self.step(&self.names.purge(), &self.case.rule).await?;
        let due = self.due(&meant);
        Ok((step, due))
    }

    /// The plan's step, and what it must select.
    async fn step(&self, name: &str, spec: &RuleSpec) -> Result<(Step, Selection), String> {
        let rule = self.policy.rule(name).unwrap();
        let catalog = preflight::describe(rule, &self.policy, &*self.arena.connector).await.unwrap();
        let atomicity = if self.case.sealed { Atomicity::Sealed } else { Atomicity::Atomic };
        let step =
            plan::step(rule, &catalog, DATABASE, self.case.now, atomicity, &self.policy).map_err(|findings| {
                let said: Vec<&String> = findings.iter().map(|finding| &finding.message).collect();
                format!("the plan refuses {name}: {said:?}")
            })?;
        let meant = expected(self.case, spec, &self.names, self.site, &step.selection);
        let meant = meant.map_err(|wrong| format!("{name}: {wrong}"))?;
        Ok((step, meant))
    }

    /// Nothing blocks an ordinary table. Checks ask for much, so not every case has them made.
    pub(crate) async fn findings(&self, step: &Step) -> Result<(), String> {
        if self.case.now.as_second() % 4 != 0 {
            return Ok(());
        }
        let findings = self.arena.connector.preflight(step).await.unwrap();
        match findings.iter().find(|finding| Finding::blocking_cause(finding).is_some()) {
            Some(finding) => Err(format!("preflight blocks: {}", finding.message)),
            None => Ok(()),
        }
    }

    /// Whether the engine counts as many due rows as the oracle.
    pub(crate) async fn measured(&self, step: &Step, due: &[i64], what: &str) -> Result<(), String> {
        let measure = self.arena.connector.measure(step, RowCap(None)).await.unwrap();
        let rows = self.case.table().rows.len() as u64;
        if measure.due != Count::Exact(due.len() as u64) || measure.total != Count::Exact(rows) {
            return Err(format!("{what}: measured {measure:?}, due are {due:?} of {rows}"));
        }
        Ok(())
    }

    /// What is said about single rows and about their months is what happens to them.
    pub(crate) async fn explained(&self, step: &Step, due: &[i64]) -> Result<(), String> {
        let profile = self.arena.connector.profile(step, RowCap(None)).await.unwrap();
        let months: u64 = profile.months.iter().map(|month| month.rows).sum();
        if !profile.complete || months != due.len() as u64 {
            return Err(format!("{months} rows in months of {due:?}: {profile:?}"));
        }
        let rows = &self.case.table().rows;
        if step.table.key != [self.site.id()] || !self.site.knows_keys() {
            return Ok(());
        }
        for (id, _) in rows.iter().step_by(rows.len().div_ceil(JUDGED).max(1)) {
            let judged = self.arena.connector.judge(step, &Key(vec![Value::Int(*id)])).await.unwrap();
            let Some(judged) = judged else { return Err(format!("row {id} is not found by its key")) };
            let speaks_for_it = |clause: &Clause| match clause.what {
                ClauseOf::Since | ClauseOf::Where(_) | ClauseOf::Native | ClauseOf::Undone => {
                    clause.holds == Some(true)
                }
                ClauseOf::Kept(_) | ClauseOf::Child(_) => clause.holds != Some(true),
            };
            let is_due = due.contains(id);
            if judged.due != is_due || judged.clauses.iter().all(speaks_for_it) != is_due {
                return Err(format!("row {id} is judged {judged:?}, and is {}due", if is_due { "" } else { "not " }));
            }
        }
        Ok(())
    }

    async fn drain(&self, step: &Step) -> u64 {
        let done = lanes::drain(self.arena, step, self.case.rows_max, Arc::new(Untouched)).await;
        assert_eq!((done.unfit, done.refused), (0, 0), "nothing stands in the way");
        done.changed
    }
}

/// What `step` means and `other` does not.
fn but(step: &Step, meant: &Selection, other: &Step, other_meant: Selection) -> (Step, Selection) {
    let (mut step, mut meant) = (step.clone(), meant.clone());
    step.selection.except.push(Except::Due(Box::new(other.selection.clone())));
    meant.except.push(Except::Due(Box::new(other_meant)));
    for table in &other.others {
        if !step.others.contains(table) {
            step.others.push(table.clone());
        }
    }
    (step, meant)
}
