//! What the kills met, and what the comparison found.

use std::collections::BTreeMap;
use std::fmt;

use crate::lane::Lane;
use crate::nodes::Trouble;
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
    /// Of a cluster: what happened, and how often.
    pub(crate) troubles: BTreeMap<Trouble, u64>,
    /// Batches of an old term that were sent to be committed once the new term had begun.
    pub(crate) tried: u64,
    /// Those that were committed.
    pub(crate) late: u64,
    /// Batches of a second lane.
    pub(crate) by_second: u64,
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

    /// Something happened to a cluster.
    pub(crate) fn befell(&mut self, trouble: Trouble) {
        *self.troubles.entry(trouble).or_default() += 1;
        if trouble != Trouble::Kill {
            self.rounds += 1;
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
        rows && self.lost == 0 && self.doubled == 0 && self.late == 0 && self.changed == self.in_log
    }

    /// Whether the kills met the states that matter: of 200 at least 120 inside a batch and 20 before the relay.
    /// On a cluster, whether each thing happened that a form of this length has, and old batches were sent late.
    pub(crate) fn suffice(&self, lane: Lane) -> bool {
        if lane.engine.cluster().is_some() {
            let wanted = (0..self.rounds).map(Trouble::of_round);
            return self.tried > 0 && wanted.into_iter().all(|trouble| self.troubles.contains_key(&trouble));
        }
        let inside = if lane.is_sealed() { self.open_seal } else { self.open_transaction };
        inside * 200 >= self.rounds * 120 && self.unrelayed * 200 >= self.rounds * 20
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(lane, counts) = self;
        write!(f, "rounds={}", counts.rounds)?;
        for trouble in Trouble::ALL.iter().filter(|_| !counts.troubles.is_empty()) {
            write!(f, " {}={}", trouble.name(), counts.troubles.get(trouble).unwrap_or(&0))?;
        }
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
        let Self(lane, Counts { changed, in_log, lost, doubled, half, twice, wronged, tried, late, by_second, .. }) =
            self;
        if lane.transforms() {
            write!(f, " changed={changed} in_log={in_log} half={half} twice={twice}")?;
        } else {
            write!(f, " gone={changed} in_log={in_log}")?;
        }
        write!(f, " lost={lost} doubled={doubled}")?;
        if lane.engine.cluster().is_some() {
            write!(f, " sent_late={tried} committed_late={late}")?;
        }
        if *by_second != 0 {
            write!(f, " by_second_lane={by_second}")?;
        }
        if *wronged != 0 {
            write!(f, " wronged={wronged}")?;
        }
        Ok(())
    }
}
