//! Sessions of a process that holds its lease for long: one wave of firings, and the lease stays.

use std::collections::BTreeMap;

use forgetd_connector::Cause;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{Refused, Session};
use crate::clock;
use crate::rules::{QuietWindows, Rule};
use crate::run::standing::{self, Standing};
use crate::run::{Report, Verdict, close};

/// So many fire times of one rule that passed while it ran are told one by one.
const OVERLAPS_MAX: usize = 100;

/// What is done about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It runs.
    Run,
    /// It does not, for this cause; an entry says so.
    Skip(Cause),
}

/// Who hears how a wave goes. Called between batches; must not block.
pub trait Told {
    /// It ended, and the rule stands like this now.
    fn ended(&self, rule: &Rule, report: &Report, standing: &Standing);
    /// A fire time of it passed without a run.
    fn skipped(&self, rule: &Rule, cause: Cause);
}

/// A rule and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Firing<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What is done.
    pub turn: Turn,
    /// The fire time it is about, if it is about one.
    pub fire: Option<Timestamp>,
    /// Whether a person asked for it: a wish knows no deadline.
    pub asked: bool,
}

impl Session<'_> {
    /// Brings everything in order and serves these firings: those of one database one after another, databases side by
    /// side. Receipts are relayed meanwhile and at the end. `told` hears each run's result as soon as it is known; what is
    /// returned says it again, after the relay.
    pub async fn wave(&self, firings: &[Firing<'_>], told: &dyn Told) -> Result<Vec<Report>, Refused> {
        let (stop, stopped) = watch::channel(false);
        let work = async {
            let reports = self.serve(firings, told).await;
            stop.send_replace(true);
            reports
        };
        let (reports, ()) = tokio::join!(Box::pin(work), self.relay_until(stopped));
        reports
    }

    async fn serve(&self, firings: &[Firing<'_>], told: &dyn Told) -> Result<Vec<Report>, Refused> {
        self.prepare().await?;
        let mut databases: BTreeMap<&str, Vec<&Firing<'_>>> = BTreeMap::new();
        for firing in firings {
            databases.entry(&firing.rule.database).or_default().push(firing);
        }
        let reports = join_all(databases.values().map(|firings| self.serve_database(firings, told))).await;
        let mut reports: Vec<Report> = reports.into_iter().flatten().collect();
        if self.is_sound() {
            let before = reports.clone();
            self.finish(&mut reports).await;
            for (report, _) in reports.iter().zip(&before).filter(|(after, before)| after != before) {
                // Its evidence could not be relayed.
                self.amend(report).await;
            }
        } else {
            self.tenure.doubt();
        }
        Ok(reports)
    }

    async fn serve_database(&self, firings: &[&Firing<'_>], told: &dyn Told) -> Vec<Report> {
        let mut reports = vec![];
        for firing in firings {
            match firing.turn {
                Turn::Run => {
                    if let Some(report) = self.rests(firing.rule) {
                        reports.push(report);
                        continue;
                    }
                    let began = clock::now();
                    let mut fire = firing.fire;
                    // Those before it in the same database may have taken long.
                    if fire.is_some() && self.late(firing.rule, began, 1).is_some() {
                        self.pass_late(firing.rule, began, Some(told)).await;
                        if !firing.asked {
                            continue;
                        }
                        fire = None;
                    }
                    let report = self.run_rule(firing.rule).await;
                    if !is_whole(&report) {
                        self.tenure.reopen(&firing.rule.name);
                    }
                    // What a person asked for serves no fire time: those that pass meanwhile are still to be served.
                    let served = fire.is_some() && !standing::will_go_on(&report);
                    if served {
                        self.tell_passed(firing.rule, fire, began, told).await;
                    }
                    let standing = self.stand(firing.rule, &report, fire.map(|fire| fire.max(began))).await;
                    told.ended(firing.rule, &report, &standing);
                    reports.push(report);
                }
                Turn::Skip(Cause::StartingDeadline) => self.pass_late(firing.rule, clock::now(), Some(told)).await,
                Turn::Skip(cause) => {
                    told.skipped(firing.rule, cause);
                    self.skip(firing.rule, cause, firing.fire).await;
                    // Fire times that passed meanwhile passed with it.
                    self.passed(firing.rule, firing.fire.map(|fire| fire.max(clock::now()))).await;
                }
            }
        }
        reports
    }

    /// Passes the fire times that it is too late to begin for, each with an entry.
    pub(super) async fn pass_late(&self, rule: &Rule, now: Timestamp, told: Option<&dyn Told>) {
        let Some((late, reached)) = self.late(rule, now, OVERLAPS_MAX) else { return };
        for fire in late {
            if let Some(told) = told {
                told.skipped(rule, Cause::StartingDeadline);
            }
            self.skip(rule, Cause::StartingDeadline, Some(fire)).await;
        }
        self.passed(rule, Some(reached)).await;
    }

    /// Tells of the fire times that have no run of their own: those that a quiet window deferred, but for the last one, and
    /// those that passed while the run went on.
    async fn tell_passed(&self, rule: &Rule, fire: Option<Timestamp>, began: Timestamp, told: &dyn Told) {
        let quiet = self.config.quiet(&rule.database);
        let deferred = deferred(rule, quiet, fire, began).into_iter().map(|fire| (Cause::QuietWindow, fire));
        let overlapped = overlapped(rule, began, clock::now()).into_iter().map(|fire| (Cause::Overlap, fire));
        for (cause, fire) in deferred.chain(overlapped) {
            told.skipped(rule, cause);
            self.skip(rule, cause, Some(fire)).await;
        }
    }

    /// Leaves an entry that a fire time passed without a run; a log that cannot be trusted takes none.
    async fn skip(&self, rule: &Rule, cause: Cause, fire: Option<Timestamp>) {
        if self.is_sound() {
            close::note_skipped(self, rule, cause, fire).await;
        }
    }
}

/// Whether nothing of the run can have been left open in its lane.
fn is_whole(report: &Report) -> bool {
    let stopped = [Cause::Cap, Cause::Observe, Cause::EvidenceBacklog];
    match report.verdict {
        Verdict::Clean => true,
        Verdict::Partial => report.cause.is_some_and(|cause| stopped.contains(&cause) || cause.goes_on()),
        Verdict::Blocked | Verdict::Blind | Verdict::Failed => false,
    }
}

/// The fire times, from `first` on, that came in quiet windows before a run began, without the last one: that one is
/// what the run serves.
fn deferred(rule: &Rule, quiet: &QuietWindows, first: Option<Timestamp>, began: Timestamp) -> Vec<Timestamp> {
    let (Some(schedule), Some(first)) = (&rule.schedule, first) else { return vec![] };
    let fires = std::iter::once(first).chain(schedule.fires(first)).take_while(|fire| *fire <= began);
    let mut fires: Vec<Timestamp> = fires.take(OVERLAPS_MAX + 1).collect();
    fires.pop();
    fires.retain(|fire| quiet.until(*fire).is_some());
    fires
}

/// The fire times that passed while a run went on, from its begin to its end.
fn overlapped(rule: &Rule, began: Timestamp, ended: Timestamp) -> Vec<Timestamp> {
    let Some(schedule) = &rule.schedule else { return vec![] };
    schedule.fires(began).take_while(|fire| *fire <= ended).take(OVERLAPS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::{deferred, overlapped};
    use crate::rules::testing::rule;
    use crate::rules::{QuietWindow, QuietWindows, Rule, Schedule};

    #[test]
    fn fire_times_that_pass_while_a_run_goes_on_are_counted() {
        let at = |text: &str| -> Timestamp { format!("2026-06-01T{text}Z").parse().unwrap() };
        let hourly = Rule { schedule: Some(Schedule::parse("0 * * * *", TimeZone::UTC).unwrap()), ..rule("old", "t") };
        assert_eq!(overlapped(&hourly, at("03:00:00"), at("03:59:59")), []);
        assert_eq!(overlapped(&hourly, at("03:00:00"), at("05:00:00")), [at("04:00:00"), at("05:00:00")]);
        assert_eq!(overlapped(&hourly, "2025-06-01T03:00:00Z".parse().unwrap(), at("05:00:00")).len(), 100);
        assert_eq!(overlapped(&rule("old", "t"), at("03:00:00"), at("05:00:00")), []);
    }

    #[test]
    fn fire_times_that_a_quiet_window_deferred_are_told_but_for_the_one_that_is_served() {
        let at = |text: &str| -> Timestamp { format!("2026-06-01T{text}Z").parse().unwrap() };
        let hourly = Rule { schedule: Some(Schedule::parse("0 * * * *", TimeZone::UTC).unwrap()), ..rule("old", "t") };
        let window = QuietWindow::parse("08:00", "11:00", "*", TimeZone::UTC).unwrap();
        let quiet = QuietWindows::new(vec![window]).unwrap();
        let told = |first, began| deferred(&hourly, &quiet, Some(first), began);
        assert_eq!(told(at("08:00:00"), at("11:00:00")), [at("08:00:00"), at("09:00:00"), at("10:00:00")]);
        assert_eq!(told(at("08:00:00"), at("10:59:00")), [at("08:00:00"), at("09:00:00")]);
        assert_eq!(told(at("07:00:00"), at("07:00:00")), []);
        // Those that nobody was there for are caught up by one run, as ever.
        assert_eq!(told(at("05:00:00"), at("08:00:00")), []);
        assert_eq!(deferred(&hourly, &quiet, None, at("11:00:00")), []);
    }
}
