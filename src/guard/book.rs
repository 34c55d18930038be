//! The rulebook of one rule, read: what guards look up in it and runs write into it. Pure.

use std::collections::{BTreeMap, VecDeque};

use forgetd_connector::{ApprovedRow, Cause, LastRow, PendingRow, RulebookRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::Kept;

/// How many runs tell what is usual.
const RECENT_MAX: usize = 20;

/// What is remembered about one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// The definition under which it may act.
    pub approved: Option<ApprovedRow>,
    /// The definition that waits.
    pub pending: Option<PendingRow>,
    /// What a person approved for the next run only.
    pub once: Option<Once>,
    /// The last run that got past its guards.
    pub last: Option<LastRow>,
    /// The last runs that changed anything, the newest at the end.
    pub(super) recent: VecDeque<Recent>,
    /// The last run of a transform that ended clean.
    pub clean: Option<Clean>,
    /// What the marker of a transform stands for, once a run set it.
    pub marked: Option<Marked>,
    /// Signatures of a statement that not enough approvers have signed yet.
    pub signatures: Kept,
}

/// The last run of a transform that ended clean: where the next one may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clean {
    /// Digest of the rule.
    pub digest: String,
    /// Digest of what the rule depends on in the described tables.
    pub catalog: String,
    /// The generation of the control tables, where they lie in the rule's database.
    #[serde(default)]
    pub generation: String,
    /// Its cutoff: no row whose moment lies before it was left.
    pub cutoff: Timestamp,
    /// When all rows were looked at last, their tokens with the keys, by the clock of the rule's database.
    pub swept: Timestamp,
}

/// How the last runs went, as the control tables keep it.
#[derive(Default, Serialize, Deserialize)]
struct History {
    runs: VecDeque<Recent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clean: Option<Clean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marked: Option<Marked>,
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    signatures: Kept,
}

/// What the marker of a transform stands for in the rows that have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The column.
    pub marker: String,
    /// What happened to places that do not show it themselves.
    pub places: BTreeMap<String, String>,
}

/// What a person approved for the next run only, as it was measured then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// What would have stopped the run.
    pub causes: Vec<Cause>,
    /// Digest of the rule.
    pub digest: String,
    /// Digest of what the rule depends on in the described tables.
    pub catalog: String,
    /// Rows that were due.
    pub due: u64,
    /// The cutoff.
    pub cutoff: Timestamp,
    /// Until when it holds, by the home database's clock.
    pub expires: Timestamp,
}

/// How one run went: rows changed, and seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent(u64, f64);

// === impl History ===

impl History {
    /// Reads what is kept; a list of runs alone is what was kept before there were transforms.
    fn read(text: &str) -> Self {
        serde_json::from_str(text)
            .unwrap_or_else(|_| Self { runs: serde_json::from_str(text).unwrap_or_default(), ..Self::default() })
    }
}

// === impl Book ===

impl Book {
    /// Reads a row. A part that cannot be read is not there: nothing is approved by damage.
    pub fn read(row: Option<RulebookRow>) -> Self {
        let Some(row) = row else { return Self::default() };
        let History { runs, clean, marked, signatures } = History::read(&row.recent);
        Self {
            approved: row.approved,
            pending: row.pending,
            once: row.once.and_then(|once| serde_json::from_str(&once).ok()),
            last: row.last,
            recent: runs,
            clean,
            marked,
            signatures,
        }
    }

    /// The row of the rule called `rule`.
    pub fn row(&self, rule: &str) -> RulebookRow {
        RulebookRow {
            rule: rule.into(),
            approved: self.approved.clone(),
            pending: self.pending.clone(),
            once: self.once.as_ref().and_then(|once| serde_json::to_string(once).ok()),
            last: self.last,
            recent: serde_json::to_string(&self.history()).unwrap_or_default(),
        }
    }

    fn history(&self) -> History {
        History {
            runs: self.recent.clone(),
            clean: self.clean.clone(),
            marked: self.marked.clone(),
            signatures: self.signatures.clone(),
        }
    }

    /// Whether a definition with this digest may act.
    pub fn approves(&self, digest: &str) -> bool {
        self.approved.as_ref().is_some_and(|approved| approved.digest == digest)
    }

    /// Notes how a run went. One that changed nothing tells nothing.
    pub fn ran(&mut self, rows: u64, seconds: f64) {
        if rows == 0 {
            return;
        }
        self.recent.push_back(Recent(rows, seconds));
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// The usual number of rows: the median of the last runs that changed anything; nothing before the first. Of two in
    /// the middle it is the larger one.
    pub fn usual(&self) -> Option<u64> {
        let mut rows: Vec<u64> = self.recent.iter().map(|run| run.0).collect();
        rows.sort_unstable();
        rows.get(rows.len() / 2).copied()
    }

    /// Rows a second over the last runs; nothing before the first that changed anything.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn speed(&self) -> Option<f64> {
        let sum = |(rows, seconds), run: &Recent| (rows + run.0, seconds + run.1);
        let (rows, seconds) = self.recent.iter().fold((0, 0.0), sum);
        (seconds > 0.0).then(|| rows as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, RulebookRow};

    use super::{Book, Once};
    use crate::approval::testing;

    #[test]
    fn usual_is_the_middle_of_the_last_runs_that_changed_anything() {
        let mut book = Book::default();
        assert_eq!((book.usual(), book.speed()), (None, None));
        for (rows, usual) in [
            (0, None),
            (100_000, Some(100_000)),
            (10, Some(100_000)),
            (12, Some(12)),
            (0, Some(12)),
            (11, Some(12)),
            (9, Some(11)),
        ] {
            book.ran(rows, 2.0);
            assert_eq!(book.usual(), usual, "{rows}");
        }
        for _ in 0..20 {
            book.ran(7, 2.0);
        }
        assert_eq!(book.usual(), Some(7));
        assert_eq!(book.speed(), Some(3.5), "older runs are forgotten");
    }

    #[test]
    fn a_row_comes_back_and_damage_approves_nothing() {
        let once = Once {
            causes: vec![Cause::WholeTableDue],
            digest: "aa".into(),
            catalog: "bb".into(),
            due: 5,
            cutoff: "2026-01-01T00:00:00Z".parse().unwrap(),
            expires: "2026-01-08T00:00:00Z".parse().unwrap(),
        };
        let mut book = Book { once: Some(once), ..Book::default() };
        book.ran(3, 0.5);
        let (approvers, expires) = (testing::approvers(&["ann", "ben"], 2), "2026-01-01T00:00:00Z".parse().unwrap());
        let signed = approvers.judge("text", &testing::sign("ann", "text")).unwrap();
        book.signatures.take("text", expires, vec![signed], &approvers, expires).unwrap();
        assert_eq!(Book::read(Some(book.row("r"))), book);
        let damaged = RulebookRow { once: Some("{".into()), recent: "{\"runs\":[[1]]}".into(), ..book.row("r") };
        assert_eq!(Book::read(Some(damaged)), Book::default());
        assert_eq!(Book::read(Some(RulebookRow::default())), Book::default());
        let older = RulebookRow { once: None, recent: "[[100,2.0],[40,1.5]]".into(), ..book.row("r") };
        assert_eq!(Book::read(Some(older)).usual(), Some(100), "what was kept before there were transforms");
    }
}
