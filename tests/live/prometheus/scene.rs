//! One state of the world: the daemons in it, and what Prometheus makes of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::rules;
use super::server::{Active, Prometheus};
use crate::harness::{Clock, Program, free_port, until};
use crate::serve::Watched;

/// Much longer than the longest time of the rules, which begins anew when a busy machine misses a scrape.
const PATIENCE_SECS: u64 = 150;

/// How often Prometheus is asked.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// What became of alerts.
#[derive(Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, Life>>);

/// What became of one.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// The states that made it fire.
    pub(super) by: Vec<&'static str>,
    /// Whether it rested when the first of them was mended.
    pub(super) rested: bool,
}

/// A state, with a job of its own in Prometheus.
pub(super) struct Scene<'a> {
    name: &'static str,
    ports: Vec<u16>,
    prometheus: &'a Prometheus,
    seen: &'a Seen,
}

/// The job of a state. The rules look for jobs that have the program's name in theirs.
pub(super) fn job(state: &str) -> String {
    format!("{}-forgetd", state.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// Ports that nobody listens on, for so many daemons.
pub(super) fn ports(pods: usize) -> Vec<u16> {
    (0..pods).map(|_| free_port()).collect()
}

// === impl Seen ===

impl Seen {
    /// Everything that was seen, by alert.
    pub(super) fn lives(&self) -> BTreeMap<String, Life> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, alert: &str, note: impl FnOnce(&mut Life)) {
        note(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(alert.to_owned()).or_default());
    }
}

// === impl Scene ===

impl<'a> Scene<'a> {
    /// A state whose daemons Prometheus finds at these ports.
    pub(super) fn new(name: &'static str, ports: Vec<u16>, prometheus: &'a Prometheus, seen: &'a Seen) -> Self {
        Self { name, ports, prometheus, seen }
    }

    /// Where Prometheus looks for daemons of this state.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// The first of its daemons, once it knows who acts.
    pub(super) fn serve(&self, program: &Program) -> Watched {
        self.serve_as(0, program, &Clock::Right)
    }

    /// One of its daemons, by a clock that may be wrong.
    pub(super) fn serve_as(&self, pod: usize, program: &Program, clock: &Clock) -> Watched {
        let watched = Watched::start_on(self.ports[pod], program, clock);
        until("it is known who acts", 60, || watched.board()["role"] != "starting");
        watched
    }

    /// Waits until an alert fires here, and says what it should.
    pub(super) fn fires(&self, alert: &str) {
        self.fires_under(alert, || {});
    }

    /// The same where something has to be done again and again until it does.
    pub(super) fn fires_under(&self, alert: &str, mut again: impl FnMut()) {
        until(&format!("{}: {alert} fires", self.name), PATIENCE_SECS, || {
            again();
            sleep(LOOK_EVERY);
            let Some(fires) = self.active().find(|active| active.name == alert && active.firing) else { return false };
            assert_says_all(&fires);
            true
        });
        self.seen.note(alert, |life| life.by.push(self.name));
    }

    /// Waits until what was mended is seen: the alert is not even pending any more.
    pub(super) fn rests(&self, alert: &str) {
        until(&format!("{}: {alert} rests", self.name), PATIENCE_SECS, || {
            sleep(LOOK_EVERY);
            self.active().all(|active| active.name != alert)
        });
        self.seen.note(alert, |life| life.rested = true);
    }

    /// The same of all that fired, and of everything else that the state made pending.
    pub(super) fn all_rest(&self, alerts: &[&str]) {
        alerts.iter().for_each(|alert| self.rests(alert));
        let mut left = vec![];
        until(&format!("{}: nothing is left", self.name), PATIENCE_SECS, || {
            sleep(LOOK_EVERY);
            let before = std::mem::replace(&mut left, self.active().map(|active| active.name).collect());
            if before != left {
                println!("{}: left {left:?}", self.name);
            }
            left.is_empty()
        });
    }

    /// Waits until Prometheus says something of this kind about the job; `JOB` stands for what selects it.
    pub(super) fn shows(&self, expression: &str) {
        let expression = expression.replace("JOB", &format!("job=\"{}\"", job(self.name)));
        until(&format!("{}: {expression}", self.name), PATIENCE_SECS, || {
            sleep(LOOK_EVERY);
            !self.prometheus.ask(&expression).is_empty()
        });
    }

    /// Alerts of its job, and those that are of no job.
    fn active(&self) -> impl Iterator<Item = Active> {
        let job = job(self.name);
        let all = self.prometheus.alerts().into_iter();
        all.filter(move |alert| alert.labels.get("job").is_none_or(|of| *of == job))
    }
}

/// The texts could be made, and the labels that they name are there.
fn assert_says_all(active: &Active) {
    let alert = rules::alerts().into_iter().find(|alert| alert.name == active.name).expect("an alert of the chart");
    for label in &alert.labels {
        assert!(active.labels.get(label).is_some_and(|value| !value.is_empty()), "{}: no {label}", alert.name);
    }
    for (name, text) in &active.annotations {
        assert!(!text.is_empty() && !text.contains("{{") && !text.contains("error"), "{} {name}: {text}", alert.name);
    }
    assert!(active.annotations["runbook_url"].ends_with(&format!("/{}.md", alert.name)), "{}", alert.name);
}
