//! Deadlines that come when a test wants them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use forgetd_connector::Deadline;

/// A deadline that is there for so many looks.
#[derive(Debug)]
pub struct Looks(AtomicU32);

/// A deadline so long after the first look.
#[derive(Debug)]
pub struct Ends {
    after: Duration,
    since: OnceLock<Instant>,
}

// === impl Looks ===

impl Looks {
    /// It is there for so many looks.
    pub const fn new(looks: u32) -> Self {
        Self(AtomicU32::new(looks))
    }

    /// From now on it is there for so many looks.
    pub fn renew(&self, looks: u32) {
        self.0.store(looks, Ordering::SeqCst);
    }

    /// How many looks are left.
    pub fn left(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Deadline for Looks {
    fn left(&self) -> Option<Duration> {
        let one_less = |left: u32| left.checked_sub(1);
        let looked = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        looked.ok().map(|_| Duration::from_secs(30))
    }
}

// === impl Ends ===

impl Ends {
    /// It is this far away when it is looked at first.
    pub const fn in_ms(ms: u64) -> Self {
        Self { after: Duration::from_millis(ms), since: OnceLock::new() }
    }
}

impl Deadline for Ends {
    fn left(&self) -> Option<Duration> {
        self.after.checked_sub(self.since.get_or_init(Instant::now).elapsed()).filter(|left| !left.is_zero())
    }
}
