//! One run of one rule, as its batches see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Connector, Control, Cursor, CursorMove, FIRST_LANE, Key, LaneClaim, Next, Receipt, Step, TableRef, Transform,
};
use jiff::Timestamp;

use super::clerk::{Clerk, Subject};
use super::pseudonyms::Pseudonyms;
use crate::clock;
use crate::evidence::entry::{Batch, EntryBody, EntryError, RowRoot, SealedCounts};
use crate::lease::Claim;
use crate::rules::{Policy, RowEvidence, Rule};

/// A lane's cursor moves with every so many batches.
const CURSOR_EVERY: u64 = 16;

/// What the batches of one run have in common.
pub(super) struct Job<'a> {
    pub(super) rule: &'a Rule,
    pub(super) policy: &'a Policy,
    pub(super) rule_digest: String,
    pub(super) step: Step,
    pub(super) transform: Arc<dyn Transform>,
    /// For seals that are adopted on the way.
    pub(super) pseudonyms: &'a Pseudonyms,
    pub(super) cutoff: Timestamp,
    pub(super) run: String,
    pub(super) connector: &'a dyn Connector,
    pub(super) control: &'a dyn Control,
    pub(super) clerk: Clerk<'a>,
    pub(super) claim: &'a Claim,
}

/// A lane of the rule, and its next sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: &'static str,
    pub(super) sequence: u64,
}

/// What a batch's receipt says beside what the job knows.
#[derive(Default)]
pub(super) struct Account<'a> {
    pub(super) changed: u64,
    pub(super) cascaded: BTreeMap<String, u64>,
    pub(super) references_set: BTreeMap<String, u64>,
    pub(super) keys: Option<&'a [Key]>,
    pub(super) sealed: Option<SealedCounts>,
}

/// Counts by table, under the names that evidence has.
pub(super) fn named(rows: &BTreeMap<TableRef, u64>) -> BTreeMap<String, u64> {
    rows.iter().map(|(table, rows)| (table.to_string(), *rows)).collect()
}

// === impl Job ===

impl Job<'_> {
    /// The receipt of one batch.
    pub(super) fn receipt(&self, at: Place, account: Account<'_>, next: &Next) -> Result<Receipt, EntryError> {
        let now = clock::now();
        let commitments = account
            .keys
            .filter(|_| self.wants_commitments())
            .map(|keys| self.clerk.key.commitments(now, self.clerk.database, &self.step.table.name, keys));
        let rows = commitments.as_ref().map(|rows| RowRoot { n: rows.n, root: hex::encode(rows.root) });
        let body = EntryBody::Batch(Batch {
            table: self.step.table.name.to_string(),
            action: self.step.action.word(),
            atomicity: self.step.atomicity,
            cutoff: self.cutoff,
            rule_digest: self.rule_digest.clone(),
            changed: account.changed,
            cascaded: account.cascaded,
            references_set: account.references_set,
            rows,
            sealed: account.sealed,
        });
        let Place { lane, sequence } = at;
        let subject = Subject { rule: &self.rule.name, lane, sequence, run: &self.run };
        let cursor = Self::cursor(at, next);
        self.clerk.receipt_at(now, &subject, &body, commitments.map(|rows| rows.sorted), cursor)
    }

    /// One of several batches' cursors: a crashed run walks the spans of a few batches again, and those of its second lane
    /// all of them, by the first one.
    fn cursor(at: Place, next: &Next) -> CursorMove {
        match next {
            _ if at.lane != FIRST_LANE => CursorMove::Keep,
            Next::End => CursorMove::Gone,
            Next::At(_) if !at.sequence.is_multiple_of(CURSOR_EVERY) => CursorMove::Keep,
            Next::At(cursor) => CursorMove::To(cursor.clone()),
        }
    }

    /// Whether receipts carry a commitment for each key.
    pub(super) fn wants_commitments(&self) -> bool {
        self.rule.row_evidence == RowEvidence::Commitments
    }

    /// The claim a lane is opened with that ends at `until`, or with the rows.
    pub(super) fn lane_claim(&self, lane: &str, until: Option<Cursor>) -> LaneClaim {
        LaneClaim {
            generation: self.clerk.generation.clone(),
            term: self.claim.term(),
            lane: lane.into(),
            until,
            idle_ms_max: self.claim.idle_ms_max(),
            deadline: self.claim.deadline(),
        }
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cursor, CursorMove, FIRST_LANE, Next, SECOND_LANE};

    use super::{Job, Place};

    #[test]
    fn one_of_several_batches_moves_the_cursor_and_the_last_one_takes_it_away() {
        let at = Cursor::from_text("p");
        for (sequence, next, moves) in [
            (1, Next::At(at.clone()), CursorMove::Keep),
            (15, Next::At(at.clone()), CursorMove::Keep),
            (16, Next::At(at.clone()), CursorMove::To(at.clone())),
            (32, Next::At(at.clone()), CursorMove::To(at)),
            (17, Next::End, CursorMove::Gone),
        ] {
            assert_eq!(Job::cursor(Place { lane: FIRST_LANE, sequence }, &next), moves, "{sequence}");
            assert_eq!(Job::cursor(Place { lane: SECOND_LANE, sequence }, &next), CursorMove::Keep, "{sequence}");
        }
    }
}
