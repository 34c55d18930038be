//! The holder's own view of its lease, on its own monotonic clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forgetd_connector::Deadline;
use tokio::time::Instant;

/// A held lease. A holder past its deadline starts no batch and sends no write, whatever the database would say.
#[derive(Debug)]
pub struct Claim {
    holder: String,
    term: u64,
    /// Absent: no coordination, the claim has no end until a fence says otherwise.
    lasts: Option<Duration>,
    end: Arc<End>,
}

/// When it ends. Lanes that write without a fence look at it from other tasks.
#[derive(Debug)]
struct End {
    /// Absent: never.
    at: Mutex<Option<Instant>>,
    lost: AtomicBool,
}

// === impl Claim ===

impl Claim {
    /// A claim that was granted after `asked`, the moment before the question was sent: time on the way counts
    /// against us.
    pub fn new(holder: String, term: u64, lasts: Option<Duration>, asked: Instant) -> Self {
        let at = Mutex::new(lasts.map(|lasts| asked + lasts));
        Self { holder, term, lasts, end: Arc::new(End { at, lost: AtomicBool::new(false) }) }
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
        self.end.left().is_some()
    }

    /// The deadline itself: renewals move it, wherever it is held.
    pub fn deadline(&self) -> Arc<dyn Deadline> {
        Arc::clone(&self.end) as Arc<dyn Deadline>
    }

    /// A renewal asked for at `asked` was granted.
    pub fn renewed(&self, asked: Instant) {
        *self.end.at.lock().unwrap_or_else(PoisonError::into_inner) = self.lasts.map(|lasts| asked + lasts);
    }

    /// The lease or a fence names somebody else.
    pub fn lose(&self) {
        self.end.lost.store(true, Ordering::Release);
    }

    /// The longest a transaction may stay idle: well below the lease, so that a frozen holder frees the fence before
    /// its successor gives up waiting.
    pub fn idle_ms_max(&self) -> u64 {
        let lasts = self.lasts.unwrap_or(Duration::from_secs(15));
        u64::try_from(lasts.as_millis() * 2 / 3).unwrap_or(10_000)
    }
}

// === impl End ===

impl Deadline for End {
    fn left(&self) -> Option<Duration> {
        if self.lost.load(Ordering::Acquire) {
            return None;
        }
        match *self.at.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Some(Duration::MAX),
            Some(at) => at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
        }
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

    /// Who asked for the deadline before sees renewals and the loss.
    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_with_its_claim() {
        let claim = Claim::new("a".into(), 1, Some(Duration::from_secs(15)), Instant::now());
        let deadline = claim.deadline();
        advance(Duration::from_secs(5)).await;
        assert_eq!(deadline.left(), Some(Duration::from_secs(10)));
        claim.renewed(Instant::now());
        assert_eq!(deadline.left(), Some(Duration::from_secs(15)));
        advance(Duration::from_secs(15)).await;
        assert_eq!(deadline.left(), None);
        claim.renewed(Instant::now());
        claim.lose();
        assert_eq!(deadline.left(), None);
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
