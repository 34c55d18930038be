//! One run of one rule: look, guard, open, walk, recount, close.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Catalog, Cause, Count, Cutoff, Fault, FaultClass, Finding, LastRow, Measure, RowCap, RunRow, Severity,
    Step, TableRef, fault_point,
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::close::{self, Opened, Totals};
use super::job::Job;
use super::keyed;
use super::oldest::oldest;
use super::resume;
use super::sweep::{self, Swept};
use super::watch::Watcher;
use super::{Begun, Pace, Report, Session, Site, Verdict};
use crate::evidence::entry::{EntryBody, RunStarted};
use crate::guard::{Book, Seen};
use crate::rules::{Mode, Rule, Transform};
use crate::{clock, guard, plan, preflight};

/// Counting stops here where no guard needs the exact number: a run must not begin with a scan of everything due.
const COUNT_ROWS_MAX: u64 = 100_000;

/// What a run looks like before it changes anything.
pub(super) struct Looked {
    pub(super) step: Step,
    pub(super) transform: Arc<dyn forgetd_connector::Transform>,
    pub(super) catalog: Catalog,
    pub(super) database_time: Timestamp,
    pub(super) measure: Measure,
    pub(super) findings: Vec<Finding>,
    /// What is remembered about the rule; nothing for one that only observes.
    pub(super) book: Book,
    /// The crashed run that goes on, if one does.
    pub(super) resumed: Option<RunRow>,
    pub(super) swept: Swept,
}

/// Why a run ends before it begins.
pub(super) struct Blocked {
    pub(super) verdict: Verdict,
    pub(super) cause: Cause,
    pub(super) detail: String,
    /// What a database answered, where that is why.
    pub(super) fault: Option<FaultClass>,
}

/// Runs the rule and reports. Never fails: whatever goes wrong is a verdict.
pub(super) async fn run(session: &Session<'_>, rule: &Rule, pace: &Pace<'_>) -> Report {
    let started = Instant::now();
    let new = new_run();
    let mut report = Report::new(rule, new.clone());
    report = match attempt(session, rule, pace, &mut report).await {
        Ok(report) => report,
        // A look that was stopped says nothing about the rule.
        Err(blocked) if blocked.is_interrupted(session) => {
            if report.run_id == new {
                // Nothing began that could go on.
                report.run_id.clear();
            }
            report.ended(Verdict::Partial, Some(Cause::Interrupted), Some(blocked.detail))
        }
        Err(blocked) => refused(session, rule, report, blocked).await,
    };
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// The report of a run that did not begin, with an entry that says so.
pub(super) async fn refused(session: &Session<'_>, rule: &Rule, report: Report, blocked: Blocked) -> Report {
    let report = report.ended(blocked.verdict, Some(blocked.cause), Some(blocked.detail));
    // An evidence log that cannot be trusted takes no entry either.
    if session.is_sound() {
        close::note_skipped(session, rule, blocked.cause, None).await;
    }
    report
}

/// The name of a run that begins.
pub(super) fn new_run() -> String {
    ulid::Ulid::generate().to_string()
}

/// What is known of the run stands in `report` as soon as it is known, also where something stops it then.
async fn attempt(session: &Session<'_>, rule: &Rule, pace: &Pace<'_>, report: &mut Report) -> Result<Report, Blocked> {
    let site = session.sites.site(&rule.database)?;
    if rule.mode == Mode::Enforce {
        session.sites.home()?.generation()?;
        site.generation()?;
        if let Some(fault) = session.sick() {
            return Err(Blocked::by(fault.cause, fault.to_string()));
        }
        if let Some(fault) = session.stuck(&rule.name) {
            return Err(fault.into());
        }
        if let Some(paused) = session.paused(&rule.name) {
            let detail = format!("paused by {} since {}: {}", paused.who, paused.since, paused.reason);
            return Err(Blocked::by(Cause::Paused, detail));
        }
        if site.connector.facts().read_only {
            return Err(Fault::new(FaultClass::Blocked(Cause::ReadOnly), "begin run", site.name).into());
        }
    }
    let looked = look(session, site, rule, &pace.stop).await?;
    report.cutoff = Some(looked.step.selection.terms.cutoff.0);
    (report.due, report.due_exact) = due(&looked.measure)?;
    report.oldest = looked.measure.oldest;
    if rule.mode == Mode::Observe {
        return Ok(observed(session, site, rule, report.clone()).await);
    }
    let (step, cap) = (looked.step.clone(), cap(rule, &looked.book));
    let mut done = enforce(session, site, rule, pace, looked, report).await;
    let found = oldest(site, &step, cap, &done, report).await;
    done.as_mut().unwrap_or(report).oldest = found;
    done
}

/// Judges what was seen, and acts.
async fn enforce(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    pace: &Pace<'_>,
    mut looked: Looked,
    report: &mut Report,
) -> Result<Report, Blocked> {
    judge(session, site, rule, &mut looked).await?;
    if looked.resumed.is_none() {
        recheck(session, site, rule, &looked).await?;
        // Before the run is opened: what was approved for one run lets no second one pass, however this one ends.
        looked.book.once = None;
        looked.book.last = Some(LastRow { cutoff: looked.step.selection.terms.cutoff.0, at: looked.database_time });
        looked.book.marks(rule);
        if report.due == Some(0) && !looked.swept.more {
            cleaned(site, rule, &mut looked);
        }
        session.keep_book(rule, &looked.book).await?;
    }
    if report.due == Some(0) && looked.resumed.is_none() && !looked.swept.more {
        let floor = looked.step.selection.floor.map(|floor| floor.0);
        let cutoff = looked.step.selection.terms.cutoff.0;
        let body = EntryBody::Heartbeat { cutoff, rule_digest: rule.digest(), floor };
        session.note(site, &rule.name, &report.run_id, &body).await?;
        report.left = Some(0);
        return Ok(report.clone().ended(Verdict::Clean, None, None));
    }
    act(session, site, rule, pace, looked, report.clone()).await
}

/// Reads everything the run depends on; changes nothing but closing a crashed run that cannot go on.
async fn look(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    stop: &watch::Receiver<bool>,
) -> Result<Looked, Blocked> {
    let connector = site.connector;
    let database_time = time(site, rule).await?;
    let policy = &session.config.policy;
    let catalog = preflight::describe(rule, policy, connector).await?;
    let mut step = plan::step(rule, &catalog, site.name, database_time, site.atomicity, policy)
        .map_err(|findings| blocked_by(&findings))?;
    let resumed = match rule.mode {
        Mode::Enforce => resume::resume(session, site, rule, &catalog, database_time).await?,
        Mode::Observe => None,
    };
    let book = match rule.mode {
        Mode::Enforce => session.book(rule).await?,
        Mode::Observe => Book::default(),
    };
    let mut sweeps = false;
    match &resumed {
        // What it had looked at before it crashed is not known.
        Some(row) => step.selection.terms.cutoff = Cutoff(row.cutoff),
        None => {
            let catalog = plan::depends(&step);
            let known = known(site, &catalog, database_time);
            sweeps = guard::sweep_is_due(rule, &book, &known);
            step.selection.floor = guard::floor(rule, &step, &book, &known);
        }
    }
    let mut findings = connector.preflight(&step).await?;
    let index = |table: &TableRef, columns: &[String]| connector.index_statement(table, columns);
    findings.extend(preflight::notes(rule, &step, site.name, policy, index));
    findings.extend(preflight::untested(connector.facts(), site.name));
    if findings.iter().any(|finding| finding.blocking_cause().is_some()) {
        return Err(blocked_by(&findings));
    }
    warn_of(rule, &findings);
    let keyed = match rule.mode {
        Mode::Enforce => keyed::keyed(rule, &step, &session.pseudonyms, site.name)?,
        Mode::Observe => None,
    };
    let swept = match &keyed {
        Some(keyed) if sweeps => sweep::sweep(site, rule, &mut step, keyed, stop).await?,
        _ => Swept::NONE,
    };
    let transform = keyed::lane(keyed);
    let cap = cap(rule, &book);
    let measure = match rule.mode {
        Mode::Enforce => connector.count_due(&step, cap).await?,
        Mode::Observe => connector.measure(&step, cap).await?,
    };
    Ok(Looked { step, transform, catalog, database_time, measure, findings, book, resumed, swept })
}

/// The database's clock, if it agrees with ours. A rule that only looks is told, and looks.
pub(super) async fn time(site: &Site<'_>, rule: &Rule) -> Result<Timestamp, Blocked> {
    let before = clock::now();
    let database = site.connector.now().await?;
    let Some(mut skewed) = guard::skew(site.name, database, before, clock::now()) else { return Ok(database) };
    if rule.mode == Mode::Enforce && skewed.blocking_cause().is_some() {
        return Err(blocked_by(&[skewed]));
    }
    skewed.severity = Severity::Warning;
    warn_of(rule, &[skewed]);
    Ok(database)
}

/// Whether the rule may act. A resumed run passed its guards when it began, and what is due now is only its rest; but
/// under a definition that is not approved it does not go on either.
async fn judge(session: &Session<'_>, site: &Site<'_>, rule: &Rule, looked: &mut Looked) -> Result<(), Blocked> {
    // Waiting goes by the home database's clock.
    let home = session.sites.home()?;
    let now = if home.name == site.name { looked.database_time } else { time(home, rule).await? };
    let catalog = plan::depends(&looked.step);
    session.settle_standing(site, rule, &mut looked.book, &catalog, now).await?;
    let seen = Seen {
        rule,
        book: &looked.book,
        measure: &looked.measure,
        cutoff: looked.step.selection.terms.cutoff.0,
        catalog: &catalog,
        now,
    };
    let mut stops = guard::check(&seen);
    let mut others = vec![];
    for name in plan::along(&looked.step) {
        let Some(other) = session.config.policy.rule(name) else { continue };
        others.push((other, session.book(other).await?));
    }
    stops.extend(guard::along(&others, now));
    if looked.resumed.is_some() {
        stops.retain(|(cause, _)| *cause == Cause::CoolOff);
    }
    let Some((cause, _)) = stops.first() else { return Ok(()) };
    let also =
        |(n, (cause, text)): (usize, &guard::Stop)| if n == 0 { text.clone() } else { format!("also {cause}: {text}") };
    let detail = stops.iter().enumerate().map(also).collect::<Vec<_>>().join("; ");
    Err(Blocked::by(*cause, detail))
}

/// What a run knows of the runs before it.
fn known<'a>(site: &'a Site<'_>, catalog: &'a str, now: Timestamp) -> guard::Known<'a> {
    // A database whose control tables lie elsewhere can be put back without anybody noticing.
    let here = site.atomicity == Atomicity::Atomic;
    let generation = site.generation().ok().filter(|_| here).map(|generation| generation.0.as_str());
    guard::Known { catalog, generation, now }
}

/// Notes up to where a transform left nothing to do.
fn cleaned(site: &Site<'_>, rule: &Rule, looked: &mut Looked) {
    if rule.transform().is_none() {
        return;
    }
    let selection = &looked.step.selection;
    let catalog = plan::depends(&looked.step);
    let known = known(site, &catalog, looked.database_time);
    looked.book.cleaned(rule, &known, selection.terms.cutoff.0, looked.swept.reach);
}

/// Describes the tables once more: a run changes nothing in tables other than those it was planned and judged for.
async fn recheck(session: &Session<'_>, site: &Site<'_>, rule: &Rule, looked: &Looked) -> Result<(), Blocked> {
    fault_point::before("run.recheck")?;
    let catalog = preflight::describe(rule, &session.config.policy, site.connector).await?;
    fault_point::after("run.recheck")?;
    if catalog.digest() == looked.catalog.digest() {
        return Ok(());
    }
    let detail = format!("{}: the table was changed while the run looked at it", looked.step.place(site.name));
    Err(Blocked::by(Cause::CatalogDrift, detail))
}

/// A run says what a check says: values that are no time, for one, are never due, and a run without them may look clean.
fn warn_of(rule: &Rule, findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        let Finding { id, place, message, fix, .. } = finding;
        tracing::warn!(rule = %rule.name, id, place, fix, "{message}");
    }
}

/// How far to count: all of it where a share must be known, past the guards where a number must.
fn cap(rule: &Rule, book: &Book) -> RowCap {
    RowCap(guard::rows_needed(rule, book).map(|rows| rows.max(COUNT_ROWS_MAX)))
}

pub(super) fn due(measure: &Measure) -> Result<(Option<u64>, bool), Blocked> {
    match measure.due {
        Count::Exact(rows) => Ok((Some(rows), true)),
        Count::Capped(rows) | Count::Estimate(rows) => Ok((Some(rows), false)),
        Count::Blind(cause) => {
            let blocked = Blocked::by(cause, format!("what is due cannot be seen: {}", cause.fix()));
            Err(Blocked { verdict: Verdict::Blind, ..blocked })
        }
    }
}

/// An observing rule says what it would have done.
async fn observed(session: &Session<'_>, site: &Site<'_>, rule: &Rule, mut report: Report) -> Report {
    if site.generation().is_ok()
        && session.is_sound()
        && let Err(fault) = session.withdraw(rule).await
    {
        tracing::warn!(rule = %rule.name, error = %fault, "the rule's approval could not be taken back");
    }
    report.left = report.due;
    let due = report.due.unwrap_or_default();
    if due == 0 {
        if site.generation().is_ok() && session.is_sound() {
            close::note_nothing_due(session, site, rule, &report).await;
        }
        return report.ended(Verdict::Clean, None, None);
    }
    let more = if report.due_exact { "" } else { "at least " };
    let detail = format!("observing: would have {} {more}{due} rows; set mode: enforce", rule.action.done());
    tracing::warn!(rule = %rule.name, due, "{detail}");
    if site.generation().is_ok() && session.is_sound() {
        close::note_skipped(session, rule, Cause::Observe, None).await;
    }
    report.ended(Verdict::Partial, Some(Cause::Observe), Some(detail))
}

/// Opens the run, walks the lane and closes the run.
async fn act(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    pace: &Pace<'_>,
    mut looked: Looked,
    mut report: Report,
) -> Result<Report, Blocked> {
    let began = Instant::now();
    if let Some(row) = &looked.resumed {
        report.run_id.clone_from(&row.run);
    }
    let job = Job {
        rule,
        policy: &session.config.policy,
        rule_digest: rule.digest(),
        cutoff: looked.step.selection.terms.cutoff.0,
        run: report.run_id.clone(),
        connector: site.connector,
        control: site.control,
        clerk: session.clerk(site)?,
        claim: &session.tenure.claim,
        step: looked.step.clone(),
        transform: Arc::clone(&looked.transform),
        pseudonyms: &session.pseudonyms,
    };
    let row = RunRow {
        run: report.run_id.clone(),
        rule: rule.name.clone(),
        cutoff: job.cutoff,
        rule_digest: job.rule_digest.clone(),
        catalog_digest: hex::encode(looked.catalog.digest()),
        started_at: crate::clock::now(),
        result: None,
    };
    let started = started(session, site, rule, &looked, &row, &report);
    let resumed = looked.resumed.is_some();
    let before = if resumed { close::totals(site, &row.run).await? } else { Totals::default() };
    if resumed {
        session.note(site, &rule.name, &row.run, &started).await?;
    } else {
        close::open(session, site, &row, &started).await?;
    }
    // What was due when it began: all that went meanwhile was.
    report.due = report.due.map(|due| due + before.gone);
    let (run, due) = (report.run_id.as_str(), report.due.unwrap_or_default());
    pace.progress.begin(&rule.name, &Begun { run, due, exact: report.due_exact, changed: before.changed });
    let more = looked.swept.more;
    let opened = Opened { session, site, job: &job, row, findings: &looked.findings, resumed, before, more };
    let report = Box::pin(watched(site, pace, close::walk_and_close(&opened, pace, report))).await;
    pace.progress.end(&rule.name);
    let goes_on = report.cause.is_some_and(Cause::goes_on);
    if matches!(report.verdict, Verdict::Clean | Verdict::Partial) && !goes_on {
        looked.book.ran(report.changed, began.elapsed().as_secs_f64());
        if report.verdict == Verdict::Clean {
            cleaned(site, rule, &mut looked);
        }
        if let Err(fault) = session.keep_book(rule, &looked.book).await {
            tracing::warn!(rule = %rule.name, error = %fault, "how the run went could not be noted");
        }
    }
    Ok(report)
}

/// Watches the database while `work` goes on.
async fn watched<T>(site: &Site<'_>, pace: &Pace<'_>, work: impl Future<Output = T>) -> T {
    let (stop, stopped) = watch::channel(false);
    let work = async {
        let done = work.await;
        stop.send_replace(true);
        done
    };
    let watcher = Watcher::new(site, pace.gate);
    let (done, ()) = tokio::join!(work, watcher.watch(&pace.readings, pace.progress, stopped));
    done
}

fn started(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    looked: &Looked,
    row: &RunRow,
    report: &Report,
) -> EntryBody {
    let facts = site.connector.facts();
    EntryBody::RunStarted(Box::new(RunStarted {
        table: looked.step.table.name.to_string(),
        action: looked.step.action.word(),
        places: rule.transform().map(Transform::words).unwrap_or_default(),
        pseudonym_keys: keyed::active(rule, &session.pseudonyms),
        floor: looked.step.selection.floor.map(|floor| floor.0),
        atomicity: site.atomicity,
        cutoff: row.cutoff,
        database_time: looked.database_time,
        keep_for: rule.keep_for.to_string(),
        rule_digest: row.rule_digest.clone(),
        policy_digest: session.config.policy.digest(),
        catalog_digest: row.catalog_digest.clone(),
        purpose: rule.purpose.clone().unwrap_or_default(),
        legal_basis: rule.legal_basis,
        due: report.due.unwrap_or_default(),
        due_exact: report.due_exact,
        server: facts.server(),
        durability: facts.durability,
        resumed: looked.resumed.is_some(),
    }))
}

/// The worst of the findings that stop the rule.
pub(super) fn blocked_by(findings: &[Finding]) -> Blocked {
    let worst = findings.iter().find_map(|finding| Some((finding.blocking_cause()?, finding)));
    let (cause, detail) = worst.map_or((Cause::Internal, String::new()), |(cause, finding)| {
        (cause, format!("{}: {}", finding.place, finding.message))
    });
    let verdict = if cause == Cause::RowSecurity { Verdict::Blind } else { Verdict::Blocked };
    Blocked { verdict, ..Blocked::by(cause, detail) }
}

// === impl Blocked ===

impl Blocked {
    /// The rule may not act for this cause.
    pub(super) const fn by(cause: Cause, detail: String) -> Self {
        Self { verdict: Verdict::Blocked, cause, detail, fault: None }
    }

    /// Whether the run was stopped. A request to stop alone makes no failure one: it may have nothing to do with it.
    fn is_interrupted(&self, session: &Session<'_>) -> bool {
        self.cause == Cause::Interrupted || self.fault.is_some_and(|class| session.sites.stopped(class))
    }
}

impl From<Fault> for Blocked {
    fn from(fault: Fault) -> Self {
        let (verdict, cause, detail) = (close::verdict_of(&fault), fault.cause(), fault.to_string());
        Self { verdict, cause, detail, fault: Some(fault.class) }
    }
}
