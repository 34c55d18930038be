//! Round by round: how many rows went, and how many the evidence made in that time says.

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::batches_of;
use crate::lane::Site;
use crate::report::Counts;

/// The rounds so far.
pub(crate) struct Ledger {
    rounds: Vec<(Timestamp, u64)>,
    gone_before: u64,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { rounds: vec![], gone_before: 0 }
    }

    /// A round begins; entries made from now on belong to it.
    pub(crate) fn begin(&mut self) {
        self.rounds.push((forgetd::clock::now(), 0));
    }

    /// The round is over: these rows went in all rounds together.
    pub(crate) fn end(&mut self, gone: u64) {
        let round = self.rounds.last_mut().expect("a round that began");
        round.1 = gone - self.gone_before;
        self.gone_before = gone;
    }

    /// Compares each round with the evidence, so that a row lost in one cannot hide one doubled in another.
    pub(crate) fn compare(&self, site: &Site, counts: &mut Counts) -> Result<(), String> {
        let exported = site.exported()?;
        counts.gone = self.gone_before;
        counts.wronged = site.wronged();
        for (n, (from, gone)) in self.rounds.iter().enumerate() {
            let to = self.rounds.get(n + 1).map_or(Timestamp::MAX, |(next, _)| *next);
            let within = |entry: &&Value| (*from..to).contains(&made_at(entry));
            let entries: Vec<Value> = exported.entries.iter().filter(within).cloned().collect();
            let in_log = batches_of(&entries);
            counts.in_log += in_log;
            counts.lost += gone.saturating_sub(in_log);
            counts.doubled += in_log.saturating_sub(*gone);
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
