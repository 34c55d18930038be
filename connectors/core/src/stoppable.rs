//! What of a session may be stopped on the server, and what may not.
//!
//! A request to stop names a session, not a statement: it meets whatever that session is at when it arrives. So it is sent
//! only while a statement is under way that may be stopped, and never beside a COMMIT: one that waits for a standby would
//! be told as done without it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The statements of one session that are under way. Ordered sequentially: either a stop sees the commit, or the commit
/// sees the stop.
#[derive(Debug, Default)]
pub struct Stoppable {
    under_way: AtomicUsize,
    commits: AtomicUsize,
    stopped: AtomicBool,
}

/// Counts a statement until it is dropped.
#[derive(Debug)]
pub struct UnderWay<'a>(&'a AtomicUsize);

// === impl Stoppable ===

impl Stoppable {
    /// A statement that may be stopped is sent.
    pub fn under_way(&self) -> UnderWay<'_> {
        UnderWay::one(&self.under_way)
    }

    /// A COMMIT is to be sent. Nothing: a stop was sent before, and might arrive only now; roll back instead.
    pub fn committing(&self) -> Option<UnderWay<'_>> {
        let commit = UnderWay::one(&self.commits);
        (!self.stopped.load(Ordering::SeqCst)).then_some(commit)
    }

    /// Whether a stop may be sent now. From then on nothing of the session is committed.
    pub fn stop(&self) -> bool {
        if self.under_way.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let before = self.stopped.swap(true, Ordering::SeqCst);
        if self.commits.load(Ordering::SeqCst) == 0 {
            return true;
        }
        self.stopped.store(before, Ordering::SeqCst);
        false
    }
}

// === impl UnderWay ===

impl<'a> UnderWay<'a> {
    fn one(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::Stoppable;

    #[test]
    fn only_what_may_be_stopped_is_and_never_beside_a_commit() {
        let stoppable = Stoppable::default();
        assert!(!stoppable.stop(), "nothing is under way");
        let change = stoppable.under_way();
        let commit = stoppable.committing();
        assert!(commit.is_some() && !stoppable.stop(), "a commit is under way");
        drop(commit);
        assert!(stoppable.committing().is_some(), "the stop was not sent");
        assert!(stoppable.stop());
        drop(change);
        assert!(stoppable.committing().is_none(), "the stop may arrive now");
        assert!(!stoppable.stop(), "nothing is under way any more");
    }
}
