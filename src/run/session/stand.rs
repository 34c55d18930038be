//! How rules stand, as a session reads and writes it. Only the holder of the lease writes: what was read once holds as
//! long as the session.

use std::collections::BTreeMap;

use forgetd_connector::{Commit, Fault, StandingRow};
use jiff::{SignedDuration, Timestamp};

use super::Session;
use crate::clock;
use crate::rules::Rule;
use crate::run::standing::{Paused, Standing};
use crate::run::{Report, close};

impl Session<'_> {
    /// Reads how every rule stands.
    pub(super) async fn read_standings(&self) -> Result<(), Fault> {
        let rows = self.sites.home()?.control.standings().await?;
        let read: BTreeMap<_, _> = rows.into_iter().map(|row| (row.rule, Standing::read(&row.body))).collect();
        *self.standings.borrow_mut() = read;
        Ok(())
    }

    /// Who lets the rule rest, if somebody does.
    pub(in crate::run) fn paused(&self, rule: &str) -> Option<Paused> {
        self.standings.borrow().get(rule)?.paused.clone()
    }

    /// When a run of the rule was last written down as one that ended, or broke off.
    pub(in crate::run) fn broke_off(&self, rule: &str, run: &str) -> Option<Timestamp> {
        let standings = self.standings.borrow();
        let last = standings.get(rule)?.last.as_ref()?;
        (last.run_id == run).then_some(last.at)
    }

    /// Whether a fire time passed since the rule was last served, or it never was. A rule without a schedule is always.
    pub(super) fn is_overdue(&self, rule: &Rule, now: Timestamp) -> bool {
        let served = self.standings.borrow().get(&rule.name).and_then(|standing| standing.served);
        match (&rule.schedule, served) {
            (Some(schedule), Some(served)) => schedule.after(served.min(now)).is_some_and(|fire| fire <= now),
            _ => true,
        }
    }

    /// The fire times that it is too late to begin for, oldest first, and how far they reach; nothing where there is none.
    /// No more of them than `most` are named.
    pub(super) fn late(&self, rule: &Rule, now: Timestamp, most: usize) -> Option<(Vec<Timestamp>, Timestamp)> {
        let schedule = rule.schedule.as_ref()?;
        let standings = self.standings.borrow();
        let standing = standings.get(&rule.name)?;
        let goes_on = |fire| standing.goes_on(rule, self.config.quiet(&rule.database), fire, now);
        let is_late = |fire: &Timestamp| schedule.is_late(*fire, now) && !goes_on(*fire);
        let late: Vec<_> = schedule.fires(standing.served?.min(now)).take_while(is_late).take(most).collect();
        // What is not named is passed too.
        let reached = if late.len() < most {
            *late.last()?
        } else {
            now.checked_sub(schedule.deadline()? + SignedDuration::from_millis(1)).ok()?
        };
        Some((late, reached))
    }

    /// Writes down how a run ended, for fire times up to `fire`. A failure is logged: the run itself is in evidence.
    pub(super) async fn stand(&self, rule: &Rule, report: &Report, fire: Option<Timestamp>) -> Standing {
        let standing = {
            let mut standings = self.standings.borrow_mut();
            let standing = standings.entry(rule.name.clone()).or_default();
            let now = clock::now();
            standing.ran(report, fire, now);
            // Fire times that passed while it ran were told.
            if fire.is_some() && standing.served == fire {
                standing.served = Some(now);
            }
            standing.clone()
        };
        self.keep_standing(&rule.name, &standing).await;
        standing
    }

    /// The same run, of which more is known now.
    pub(super) async fn amend(&self, report: &Report) {
        let standing = {
            let mut standings = self.standings.borrow_mut();
            let Some(standing) = standings.get_mut(&report.rule) else { return };
            standing.amend(report);
            standing.clone()
        };
        self.keep_standing(&report.rule, &standing).await;
    }

    /// Writes down that fire times up to a moment passed without a run.
    pub(super) async fn passed(&self, rule: &Rule, until: Option<Timestamp>) {
        let standing = {
            let mut standings = self.standings.borrow_mut();
            let standing = standings.entry(rule.name.clone()).or_default();
            standing.served = standing.served.max(until);
            standing.clone()
        };
        self.keep_standing(&rule.name, &standing).await;
    }

    async fn keep_standing(&self, rule: &str, standing: &Standing) {
        let kept = async {
            let home = self.sites.home()?;
            // Where nothing is installed nothing is remembered.
            home.generation()?;
            let row = StandingRow { rule: rule.into(), body: standing.text() };
            match home.control.keep_standing(&row, self.tenure.claim.term()).await {
                // The same row again changes nothing.
                Commit::Unknown(_) => {
                    close::committed(home.control.keep_standing(&row, self.tenure.claim.term()).await, home.name)
                }
                other => close::committed(other, home.name),
            }
        };
        if let Err(fault) = kept.await {
            tracing::warn!(rule, error = %fault, "how the rule stands could not be written down");
        }
    }
}
