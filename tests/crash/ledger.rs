//! Round by round: how many rows went or changed, and how many the evidence made in that time says.

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::batches_of;
use crate::lane::Site;
use crate::report::Counts;
use crate::table::Of;

/// The rounds so far.
pub(crate) struct Ledger {
    rounds: Vec<(Timestamp, u64)>,
    changed_before: u64,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { rounds: vec![], changed_before: 0 }
    }

    /// A round begins; entries made from now on belong to it.
    pub(crate) fn begin(&mut self) {
        self.rounds.push((forgetd::clock::now(), 0));
    }

    /// The process died: whatever the next one mends, no row may be done by half now.
    pub(crate) fn died(&self, site: &Site, counts: &mut Counts) {
        counts.rows(&site.tally(Of::Last));
    }

    /// The round is over, and the last run called it clean.
    pub(crate) fn end(&mut self, site: &Site, counts: &mut Counts) -> Result<(), String> {
        let tally = site.tally(Of::All);
        counts.rows(&tally);
        if tally.left != 0 {
            return Err(format!("{} due rows are what they were after a clean run", tally.left));
        }
        let round = self.rounds.last_mut().expect("a round that began");
        round.1 = tally.changed - self.changed_before;
        self.changed_before = tally.changed;
        Ok(())
    }

    /// Compares each round with the evidence, so that a row lost in one cannot hide one doubled in another.
    pub(crate) fn compare(&self, site: &Site, counts: &mut Counts) -> Result<(), String> {
        let exported = site.exported()?;
        counts.changed = self.changed_before;
        for (n, (from, changed)) in self.rounds.iter().enumerate() {
            let to = self.rounds.get(n + 1).map_or(Timestamp::MAX, |(next, _)| *next);
            let within = |entry: &&Value| (*from..to).contains(&made_at(entry));
            let entries: Vec<Value> = exported.entries.iter().filter(within).cloned().collect();
            let in_log = batches_of(&entries);
            counts.in_log += in_log;
            counts.lost += changed.saturating_sub(in_log);
            counts.doubled += in_log.saturating_sub(*changed);
        }
        twice(&exported.entries)
    }
}

fn made_at(entry: &Value) -> Timestamp {
    entry["at"].as_str().expect("an entry says when it was made").parse().unwrap()
}

/// Each receipt is one leaf.
fn twice(entries: &[Value]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        let key = format!("{}/{}/{}/{}", entry["generation"], entry["rule"], entry["lane"], entry["sequence"]);
        if !seen.insert(key.clone()) {
            return Err(format!("two entries of one receipt: {key}"));
        }
    }
    Ok(())
}
