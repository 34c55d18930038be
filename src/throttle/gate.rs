//! Whether the next batch may start: decided from what was last read of the server, and from how old that is.
//!
//! Fails closed. A signal that cannot be read, or was read too long ago, holds batches back like one that says no. How far
//! a replica is behind is taken to have grown since it was read: no batch starts that might find it over its limit.

use std::time::Duration;

use forgetd_connector::{Cause, Company, Replicas, Strain};
use tokio::time::Instant;

/// A reading that is older than this says nothing of now.
const STALE: Duration = Duration::from_secs(5);

/// What is watched, and how far each signal may go. What is absent is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How far the slowest replica may be behind.
    pub replica_lag_max: Duration,
    /// Whether the operator asked for that limit: replicas that are there and not shown to the role hold batches back then,
    /// and are only told of otherwise.
    pub replica_lag_asked: bool,
    /// The most bytes of its log that the server may keep for whoever has not read them.
    pub log_kept_max: u64,
    /// The most sessions that may be at work.
    pub active_sessions_max: Option<u64>,
    /// Whether a statement of the operator's is asked.
    pub veto_asked: bool,
}

/// What was read of a database at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When.
    pub at: Instant,
    /// How far the slowest replica is behind; absent where there is none.
    pub lag: Option<Duration>,
    /// What holds batches back, if anything does.
    pub pause: Option<PauseReason>,
    /// Who else is at work on the server.
    pub company: Company,
}

/// Why no batch may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseReason {
    /// The stable reason.
    pub cause: Cause,
    /// What was found, with numbers; no value of a table.
    pub detail: String,
}

/// The answer to whether a batch may start.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It may.
    Go,
    /// Nothing was read yet.
    Unread,
    /// It may not.
    Pause(PauseReason),
}

/// Judges readings.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: Limits,
}

// === impl PauseReason ===

impl PauseReason {
    /// A pause for this cause.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

// === impl Reading ===

impl Reading {
    /// Whether batches leave room: others are at work on the server, or may be.
    #[must_use]
    pub fn beside_others(&self) -> bool {
        matches!(self.company, Company::Somebody | Company::Hidden)
    }

    /// Whether nobody else is at work there, for sure.
    #[must_use]
    pub fn alone(&self) -> bool {
        self.company == Company::Nobody
    }
}

// === impl Gate ===

impl Gate {
    /// Lets batches start within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Puts together what the server said of itself, and `lags`, what was seen on replicas that the operator names, into a
    /// reading. The first reason to hold batches back stands in it.
    #[must_use]
    pub fn read(&self, at: Instant, strain: &Strain, lags: &[Result<Duration, PauseReason>]) -> Reading {
        let told = match strain.replicas {
            Replicas::Behind(lag) => Some(lag),
            Replicas::None | Replicas::Hidden | Replicas::Unknown => None,
        };
        let lag = lags.iter().filter_map(|lag| lag.as_ref().ok().copied()).chain(told).max();
        let unseen = lags.iter().find_map(|lag| lag.as_ref().err().cloned());
        let pause = unseen.or_else(|| self.hidden(strain)).or_else(|| self.strained(strain));
        Reading { at, lag, pause, company: strain.company }
    }

    /// What keeps a batch from starting at `now`, if anything does.
    #[must_use]
    pub fn look(&self, reading: Option<&Reading>, now: Instant) -> Decision {
        let Some(reading) = reading else { return Decision::Unread };
        let age = now.saturating_duration_since(reading.at);
        if age > STALE {
            let detail = format!("the last look at the server's load is {} s old", age.as_secs());
            return Decision::Pause(PauseReason::new(Cause::SignalUnread, detail));
        }
        if let Some(reason) = &reading.pause {
            return Decision::Pause(reason.clone());
        }
        let max = self.limits.replica_lag_max;
        match reading.lag {
            Some(lag) if lag + age > max => {
                let detail = format!(
                    "the slowest replica may be {:.1} s behind by now, at most {} s are allowed",
                    (lag + age).as_secs_f64(),
                    max.as_secs()
                );
                Decision::Pause(PauseReason::new(Cause::ReplicaLag, detail))
            }
            _ => Decision::Go,
        }
    }

    fn hidden(&self, strain: &Strain) -> Option<PauseReason> {
        let unread = self.limits.replica_lag_asked && strain.replicas == Replicas::Hidden;
        unread.then(|| {
            PauseReason::new(
                Cause::SignalUnread,
                "replicas are there, and the role is not shown how far they are behind",
            )
        })
    }

    fn strained(&self, strain: &Strain) -> Option<PauseReason> {
        let Limits { log_kept_max, active_sessions_max, .. } = self.limits;
        match (self.limits.veto_asked, strain.vetoed) {
            (_, Some(true)) => return Some(PauseReason::new(Cause::Veto, "the statement of `throttle.veto` says no")),
            (true, None) => {
                let detail = "the engine cannot be asked by the statement of `throttle.veto`";
                return Some(PauseReason::new(Cause::SignalUnread, detail));
            }
            _ => {}
        }
        match (active_sessions_max, strain.active_sessions) {
            (Some(max), Some(active)) if active > max => {
                return Some(PauseReason::new(
                    Cause::Load,
                    format!("{active} sessions are at work, at most {max} are allowed"),
                ));
            }
            (Some(_), None) => {
                return Some(PauseReason::new(
                    Cause::SignalUnread,
                    "how many sessions are at work is not shown to the role",
                ));
            }
            _ => {}
        }
        if let Some(waiting @ 1..) = strain.waiting_for_us {
            let detail = format!("{waiting} sessions waited for locks of a batch at the last look");
            return Some(PauseReason::new(Cause::LockWaits, detail));
        }
        match strain.log_kept {
            Some(kept) if kept > log_kept_max => {
                let mib = |bytes: u64| bytes / (1024 * 1024);
                let detail = format!(
                    "the server keeps {} MiB of its log for a slot, at most {} are allowed",
                    mib(kept),
                    mib(log_kept_max)
                );
                Some(PauseReason::new(Cause::LogKept, detail))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forgetd_connector::{Cause, Company, Replicas, Strain};
    use tokio::time::Instant;

    use super::{Decision, Gate, Limits, PauseReason, Reading};

    const LIMITS: Limits = Limits {
        replica_lag_max: Duration::from_secs(5),
        replica_lag_asked: false,
        log_kept_max: 1024 * 1024,
        active_sessions_max: None,
        veto_asked: false,
    };

    fn cause(look: &Decision) -> Option<Cause> {
        match look {
            Decision::Pause(reason) => Some(reason.cause),
            Decision::Go | Decision::Unread => None,
        }
    }

    #[test]
    fn without_a_reading_nothing_starts_and_an_old_one_is_none() {
        let (gate, now) = (Gate::new(LIMITS), Instant::now());
        assert_eq!(gate.look(None, now), Decision::Unread);
        let reading = gate.read(now, &Strain::default(), &[]);
        let after = |ms| gate.look(Some(&reading), now + Duration::from_millis(ms));
        assert_eq!((after(0), after(5_000)), (Decision::Go, Decision::Go));
        assert_eq!(cause(&after(5_001)), Some(Cause::SignalUnread));
    }

    #[test]
    fn a_replica_is_taken_to_fall_behind_until_it_is_read_again() {
        let (gate, now) = (Gate::new(LIMITS), Instant::now());
        let strain = Strain { replicas: Replicas::Behind(Duration::from_secs(3)), ..Strain::default() };
        let reading = gate.read(now, &strain, &[Ok(Duration::from_secs(2))]);
        assert_eq!(reading.lag, Some(Duration::from_secs(3)));
        let after = |secs| gate.look(Some(&reading), now + Duration::from_secs(secs));
        assert_eq!((after(0), after(2)), (Decision::Go, Decision::Go));
        assert_eq!(cause(&after(3)), Some(Cause::ReplicaLag));
    }

    #[test]
    fn the_slowest_replica_counts_and_one_that_cannot_be_asked_holds_everything() {
        let (gate, now) = (Gate::new(LIMITS), Instant::now());
        let lags = [Ok(Duration::ZERO), Ok(Duration::from_secs(9))];
        assert_eq!(cause(&gate.look(Some(&gate.read(now, &Strain::default(), &lags)), now)), Some(Cause::ReplicaLag));
        for cause in [Cause::NotMyReplica, Cause::ReplicaUnreachable] {
            let lags = [Ok(Duration::ZERO), Err(PauseReason::new(cause, "replica 2"))];
            let reading = gate.read(now, &Strain::default(), &lags);
            assert_eq!(gate.look(Some(&reading), now), Decision::Pause(PauseReason::new(cause, "replica 2")));
        }
    }

    #[test]
    fn each_signal_has_its_limit_and_one_that_is_not_shown_says_no() {
        let now = Instant::now();
        let mib = 1024 * 1024;
        let looks = |limits: &Limits, strain: Strain| {
            let gate = Gate::new(limits.clone());
            cause(&gate.look(Some(&gate.read(now, &strain, &[])), now))
        };
        let kept = |bytes| Strain { log_kept: Some(bytes), ..Strain::default() };
        assert_eq!((looks(&LIMITS, kept(mib)), looks(&LIMITS, kept(mib + 1))), (None, Some(Cause::LogKept)));
        let hidden = Strain { replicas: Replicas::Hidden, ..Strain::default() };
        let asked = Limits { replica_lag_asked: true, ..LIMITS };
        assert_eq!((looks(&LIMITS, hidden.clone()), looks(&asked, hidden)), (None, Some(Cause::SignalUnread)));
        let busy = Limits { active_sessions_max: Some(8), ..LIMITS };
        let active = |n| Strain { active_sessions: n, ..Strain::default() };
        assert_eq!((looks(&busy, active(Some(8))), looks(&busy, active(Some(9)))), (None, Some(Cause::Load)));
        assert_eq!((looks(&busy, active(None)), looks(&LIMITS, active(Some(99)))), (Some(Cause::SignalUnread), None));
        let waiting = |n| Strain { waiting_for_us: n, ..Strain::default() };
        let waited = [None, Some(0), Some(1)].map(|n| looks(&LIMITS, waiting(n)));
        assert_eq!(waited, [None, None, Some(Cause::LockWaits)], "who is not told of holds nothing back");
        let vetoed = |no| Strain { vetoed: Some(no), ..Strain::default() };
        let asked = Limits { veto_asked: true, ..LIMITS };
        assert_eq!((looks(&asked, vetoed(false)), looks(&asked, vetoed(true))), (None, Some(Cause::Veto)));
        let silent = looks(&asked, Strain::default());
        assert_eq!(
            (silent, looks(&LIMITS, Strain::default())),
            (Some(Cause::SignalUnread), None),
            "an engine that says nothing"
        );
    }

    #[test]
    fn who_may_be_there_is_left_room_like_who_is() {
        let (gate, now) = (Gate::new(LIMITS), Instant::now());
        let read = |company| gate.read(now, &Strain { company, ..Strain::default() }, &[]);
        let all = [Company::Somebody, Company::Hidden, Company::Nobody, Company::Untold].map(read);
        assert_eq!(all.each_ref().map(Reading::beside_others), [true, true, false, false]);
        assert_eq!(all.each_ref().map(Reading::alone), [false, false, true, false]);
    }

    #[test]
    fn what_holds_back_says_how_much_is_allowed() {
        let (gate, now) = (Gate::new(LIMITS), Instant::now());
        let lag = Some(Duration::from_millis(7_300));
        let reading = Reading { at: now, lag, pause: None, company: Company::Nobody };
        let Decision::Pause(reason) = gate.look(Some(&reading), now) else { panic!("it goes") };
        assert_eq!(reason.detail, "the slowest replica may be 7.3 s behind by now, at most 5 s are allowed");
    }
}
