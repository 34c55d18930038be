//! The holder's own view of its lease, on its own monotonic clock.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// A held lease. A holder past its deadline starts no batch and sends no write, whatever the database would say.
#[derive(Debug)]
pub struct Claim {
    holder: String,
    term: u64,
    /// Absent: no coordination, the claim has no end until a fence says otherwise.
    lasts: Option<Duration>,
    deadline: Cell<Instant>,
    lost: Cell<bool>,
}

// === impl Claim ===

impl Claim {
    /// A claim that was granted after `asked`, the moment before the question was sent: time on the way counts
    /// against us.
    pub fn new(holder: String, term: u64, lasts: Option<Duration>, asked: Instant) -> Self {
        let deadline = asked + lasts.unwrap_or_default();
        Self { holder, term, lasts, deadline: Cell::new(deadline), lost: Cell::new(false) }
    }

    /// This process's name.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The lease's number.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// How long a lease lasts; absent without coordination.
    pub fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// Whether a batch may start, or a write be sent, now.
    pub fn alive(&self) -> bool {
        !self.lost.get() && (self.lasts.is_none() || Instant::now() < self.deadline.get())
    }

    /// A renewal asked for at `asked` was granted.
    pub fn renewed(&self, asked: Instant) {
        self.deadline.set(asked + self.lasts.unwrap_or_default());
    }

    /// The lease or a fence names somebody else.
    pub fn lose(&self) {
        self.lost.set(true);
    }

    /// The longest a transaction may stay idle: well below the lease, so that a frozen holder frees the fence before
    /// its successor gives up waiting.
    pub fn idle_ms_max(&self) -> u64 {
        let lasts = self.lasts.unwrap_or(Duration::from_secs(15));
        u64::try_from(lasts.as_millis() * 2 / 3).unwrap_or(10_000)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::Claim;

    #[tokio::test(start_paused = true)]
    async fn a_claim_ends_by_our_own_clock_unless_it_is_renewed() {
        let claim = Claim::new("a".into(), 1, Some(Duration::from_secs(15)), Instant::now());
        advance(Duration::from_secs(14)).await;
        assert!(claim.alive());
        claim.renewed(Instant::now());
        advance(Duration::from_secs(14)).await;
        assert!(claim.alive());
        advance(Duration::from_secs(2)).await;
        assert!(!claim.alive());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_claim_stays_lost() {
        let claim = Claim::new("a".into(), 1, None, Instant::now());
        advance(Duration::from_secs(3600)).await;
        assert!(claim.alive());
        claim.lose();
        claim.renewed(Instant::now());
        assert!(!claim.alive());
    }
}
