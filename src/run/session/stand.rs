//! How rules stand, as a session reads and writes it. Only the holder of the lease writes: what was read once holds as
//! long as the session.

use std::collections::BTreeMap;

use forgetd_connector::{Commit, Fault, StandingRow};
use jiff::Timestamp;

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

    /// Whether a fire time passed since the rule was last served, or it never was. A rule without a schedule is always.
    pub(super) fn is_overdue(&self, rule: &Rule, now: Timestamp) -> bool {
        let served = self.standings.borrow().get(&rule.name).and_then(|standing| standing.served);
        match (&rule.schedule, served) {
            (Some(schedule), Some(served)) => schedule.after(served.min(now)).is_some_and(|fire| fire <= now),
            _ => true,
        }
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

    /// Writes down that fire times up to this one passed without a run.
    pub(super) async fn passed(&self, rule: &Rule, fire: Option<Timestamp>) {
        let standing = {
            let mut standings = self.standings.borrow_mut();
            let standing = standings.entry(rule.name.clone()).or_default();
            // Fire times that passed meanwhile passed with it.
            standing.served = standing.served.max(fire.map(|fire| fire.max(clock::now())));
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
