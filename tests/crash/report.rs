//! What the kills met, and what the comparison found.

use std::fmt;

use crate::lane::Lane;
use crate::table::Tally;

/// Where the program was when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// A transaction that had changed rows was open.
    OpenTransaction,
    /// A receipt was sealed, its outcome not recorded.
    OpenSeal,
    /// No batch was under way; receipts waited for the relay.
    Unrelayed,
    /// Anything else: before the first batch, after the last relay.
    Elsewhere,
}

/// The counts of a whole form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) rounds: u64,
    pub(crate) open_transaction: u64,
    pub(crate) open_seal: u64,
    pub(crate) unrelayed: u64,
    pub(crate) changed: u64,
    pub(crate) in_log: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) half: u64,
    pub(crate) twice: u64,
    pub(crate) wronged: u64,
}

/// What the comparison found, in a line's words.
pub(crate) struct Found<'a>(pub(crate) Lane, pub(crate) &'a Counts);

/// The last line of a form.
pub(crate) struct Line<'a>(pub(crate) Lane, pub(crate) &'a Counts);

// === impl Counts ===

impl Counts {
    pub(crate) fn met(&mut self, met: Met) {
        self.rounds += 1;
        match met {
            Met::OpenTransaction => self.open_transaction += 1,
            Met::OpenSeal => self.open_seal += 1,
            Met::Unrelayed => self.unrelayed += 1,
            Met::Elsewhere => {}
        }
    }

    /// What one look at the rows found, of what must never be. A row that stays wrong is counted at every look.
    pub(crate) fn rows(&mut self, tally: &Tally) {
        self.half += tally.half;
        self.twice += tally.twice;
        self.wronged += tally.wronged;
    }

    /// Whether no row is gone or changed without evidence, none twice in it, none done by half or twice, and none was
    /// touched that had to stay.
    pub(crate) fn agree(&self) -> bool {
        let rows = self.half == 0 && self.twice == 0 && self.wronged == 0;
        rows && self.lost == 0 && self.doubled == 0 && self.changed == self.in_log
    }

    /// Whether the kills met the states that matter: of 200 at least 120 inside a batch and 20 before the relay.
    pub(crate) fn suffice(&self, lane: Lane) -> bool {
        let inside = if lane.is_sealed() { self.open_seal } else { self.open_transaction };
        inside * 200 >= self.rounds * 120 && self.unrelayed * 200 >= self.rounds * 20
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(lane, counts) = self;
        write!(f, "rounds={}", counts.rounds)?;
        if lane.is_sealed() {
            write!(f, " killed_between_seal_and_done={}", counts.open_seal)?;
        } else {
            write!(f, " killed_in_open_tx={}", counts.open_transaction)?;
        }
        write!(f, " killed_between_commit_and_relay={}", counts.unrelayed)?;
        write!(f, "{}", Found(*lane, counts))
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(lane, Counts { changed, in_log, lost, doubled, half, twice, wronged, .. }) = self;
        if lane.transforms() {
            write!(f, " changed={changed} in_log={in_log} half={half} twice={twice}")?;
        } else {
            write!(f, " gone={changed} in_log={in_log}")?;
        }
        write!(f, " lost={lost} doubled={doubled}")?;
        if *wronged != 0 {
            write!(f, " wronged={wronged}")?;
        }
        Ok(())
    }
}
