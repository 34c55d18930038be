//! What the rounds met, and what the comparison found.

use std::fmt;

use super::deed::Deed;
use super::proxy::Tricks;

/// The counts of a whole form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) kills: u64,
    pub(super) freezes: u64,
    pub(super) faults: u64,
    pub(super) tricks: Tricks,
    pub(super) quiet: u64,
    pub(super) in_seal: u64,
    pub(super) used: u64,
    pub(super) app_deleted: u64,
    pub(super) confirmed: u64,
    pub(super) truth: u64,
    pub(super) gone: u64,
    pub(super) receipts: u64,
    pub(super) exact: u64,
    pub(super) found: Found,
    pub(super) unannounced: u64,
    pub(super) overstated: u64,
    pub(super) keys_left: u64,
}

/// What was found of documents that must never be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Documents that the application keeps, and that are gone or are no longer what it made of them.
    pub(super) lost: u64,
    /// Documents of which a part is what it was and a part is done.
    pub(super) half: u64,
    /// Documents with something that doing them once does not make.
    pub(super) twice: u64,
}

/// The last line of a form.
pub(super) struct Line<'a>(pub(super) &'a Deed, pub(super) &'a Counts);

// === impl Counts ===

impl Counts {
    pub(super) fn agree(&self) -> bool {
        self.found == Found::default() && self.unannounced == 0 && self.overstated == 0 && self.keys_left == 0
    }
}

// === impl Found ===

impl Found {
    pub(super) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.half += other.half;
        self.twice += other.twice;
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(deed, counts) = self;
        let Counts {
            kills, freezes, faults, tricks, quiet, in_seal, used, app_deleted, confirmed, truth, gone, ..
        } = counts;
        let Counts { receipts, exact, unannounced, overstated, keys_left, found, .. } = counts;
        let Found { lost, half, twice } = found;
        write!(f, "rounds={} kills={kills} freezes={freezes} faults={faults}", kills + freezes + faults)?;
        for (trick, times) in tricks.each() {
            write!(f, " {trick}={times}")?;
        }
        write!(f, " quiet={quiet} in_open_seal={in_seal}")?;
        write!(f, " application={used} application_deleted={app_deleted}")?;
        write!(f, " confirmed={confirmed} truth={truth} gone={gone} receipts={receipts} exact={exact}")?;
        if matches!(deed, Deed::Transform(_)) {
            write!(f, " half={half} twice={twice} lost={unannounced} doubled={overstated} protected_changed={lost}")?;
        } else {
            write!(f, " protected_lost={lost} unannounced={unannounced} overstated={overstated}")?;
        }
        write!(f, " keys_left={keys_left}")
    }
}
