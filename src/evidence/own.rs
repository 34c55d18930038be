//! What one process remembers of what it wrote itself: one more memory, which ends with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forgetd_connector::{Generation, Head, ReceiptKey};

/// The newest head that this process committed or believed, and the newest receipts that it wrote or saw. No error takes
/// it away, and no end of a lease: whatever is put back under a running process is noticed, and no size gets a second
/// root. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct OwnMemory(Arc<Mutex<Known>>);

/// All of it at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The newest head that was committed or believed.
    pub(super) head: Option<Head>,
    /// A head that was sent, whose commit is not known.
    sent: Option<Head>,
    /// The newest receipt of each lane.
    receipts: BTreeMap<(Generation, String, String), u64>,
}

// === impl OwnMemory ===

impl OwnMemory {
    /// Remembers a receipt that stands in control tables.
    pub fn wrote(&self, key: &ReceiptKey) {
        let lane = (key.generation.clone(), key.rule.clone(), key.lane.clone());
        let mut known = self.lock();
        let newest = known.receipts.entry(lane).or_default();
        *newest = key.sequence.max(*newest);
    }

    /// Remembers a head that was committed, or that agreed with every memory.
    pub(super) fn believe(&self, head: &Head) {
        let mut known = self.lock();
        (known.head, known.sent) = (Some(head.clone()), None);
    }

    /// Remembers a head that is going to be committed: its answer may be lost.
    pub(super) fn send(&self, head: &Head) {
        self.lock().sent = Some(head.clone());
    }

    pub(super) fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    /// Whether nothing that this process remembers is missing where the log's head is this one, and where these are the
    /// newest receipts of the control tables beside it, which have this generation.
    pub(super) fn is_all_there(&self, head: &Head, generation: &Generation, newest: &[ReceiptKey]) -> bool {
        let stands = |rule: &str, lane: &str, sequence: u64| {
            newest.iter().any(|key| {
                key.generation == *generation && key.rule == rule && key.lane == lane && key.sequence >= sequence
            })
        };
        let mut ours = self.receipts.iter().filter(|((of, ..), _)| of == generation);
        [&self.head, &self.sent].into_iter().any(|known| known.as_ref() == Some(head))
            && ours.all(|((_, rule, lane), sequence)| stands(rule, lane, *sequence))
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Generation, Head, ReceiptKey};

    use super::OwnMemory;

    fn head(size: u64) -> Head {
        Head { origin: "example.com/log".into(), size, root: [7; 32] }
    }

    fn key(generation: &str, lane: &str, sequence: u64) -> ReceiptKey {
        ReceiptKey { generation: Generation(generation.into()), rule: "leads".into(), lane: lane.into(), sequence }
    }

    #[test]
    fn all_is_there_where_nothing_is_missing() {
        let own = OwnMemory::default();
        let there =
            |head: &Head, newest: &[ReceiptKey]| own.known().is_all_there(head, &Generation("g".into()), newest);
        let all = [key("g", "0", 4), key("g", "-", 2)];
        assert!(!there(&head(5), &all), "who remembers nothing misses nothing, and cannot know");
        own.believe(&head(5));
        assert!(there(&head(5), &[]));
        for (lane, sequence) in [("0", 4), ("-", 2), ("0", 3)] {
            own.wrote(&key("g", lane, sequence));
        }
        // Of other control tables.
        own.wrote(&key("other", "0", 9));
        assert!(there(&head(5), &all));
        assert!(there(&head(5), &[key("g", "0", 5), key("g", "-", 2), key("g", "1", 1)]), "somebody wrote more");
        for missing in
            [&[][..], &[key("g", "0", 4)], &[key("g", "0", 3), key("g", "-", 2)], &[key("h", "0", 4), key("g", "-", 2)]]
        {
            assert!(!there(&head(5), missing), "{missing:?}");
        }
        let forked = Head { root: [8; 32], ..head(5) };
        for other in [&head(4), &head(6), &forked] {
            assert!(!there(other, &all), "{other:?}");
        }
        // A commit whose answer was lost may stand or not.
        own.send(&head(6));
        assert!(there(&head(5), &all) && there(&head(6), &all));
        own.believe(&head(6));
        assert!(!there(&head(5), &all) && there(&head(6), &all));
    }
}
