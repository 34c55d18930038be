//! The keyed check of a sweep: what only looks like a token is found among the rows that are done.
//!
//! A server knows tokens by their form. Once in a while every row that it takes for done is read, and each token is asked
//! for by the keys; the texts that none of them made become a sign of the step, so that measure, guards, walk, recount and
//! verdict all see their rows like any others that are due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forgetd_connector::{Cause, Fault, FaultClass, OldRow, Path, Step, Undone};
use tokio::sync::watch;

use super::rule::Blocked;
use super::{Site, Verdict};
use crate::guard::Reach;
use crate::rules::Rule;
use crate::transform::KeyedTransform;

/// Rows of the table that are looked at for one page.
const PAGE_ROWS: u32 = 5_000;

/// The most texts that one sweep takes: every statement of the run carries them.
const FAKES_MAX: usize = 1_000;

/// The texts that are no tokens, by place.
type Fakes = BTreeMap<Path, BTreeSet<String>>;

/// How a sweep ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    /// How far it looked.
    pub(super) reach: Reach,
    /// Whether there are more texts than it takes: the run does not end clean.
    pub(super) more: bool,
}

// === impl Swept ===

impl Swept {
    /// Of a run that is no sweep.
    pub(super) const NONE: Self = Self { reach: Reach::Part, more: false };
}

/// Checks every row that is done, if there is anything to check. What is found stands in `step` then.
///
/// A resumed run checks nothing: what it changes was counted and allowed when it began.
pub(super) async fn sweep(
    site: &Site<'_>,
    rule: &Rule,
    step: &mut Step,
    keyed: &Arc<KeyedTransform>,
    stop: &watch::Receiver<bool>,
) -> Result<Swept, Blocked> {
    if !keyed.checks() {
        return Ok(Swept { reach: Reach::Whole, more: false });
    }
    let (fakes, rows, more) = fakes(site, step, keyed, stop).await?;
    let texts: usize = fakes.values().map(BTreeSet::len).sum();
    tracing::info!(rule = %rule.name, rows, no_tokens = texts, "the tokens of all rows were checked with their keys");
    if more {
        tracing::warn!(
            rule = %rule.name,
            "more than {FAKES_MAX} values only look like tokens: the next runs go on; or is a key of these tokens missing?"
        );
    }
    let signs = fakes.into_iter().map(|(path, texts)| Undone::Is { path, texts: texts.into_iter().collect() });
    step.selection.undone.extend(signs);
    Ok(Swept { reach: if more { Reach::Part } else { Reach::Whole }, more })
}

/// What is no token, how many rows were read for it, and whether there is more of it.
async fn fakes(
    site: &Site<'_>,
    step: &Step,
    keyed: &Arc<KeyedTransform>,
    stop: &watch::Receiver<bool>,
) -> Result<(Fakes, u64, bool), Blocked> {
    let (mut fakes, mut taken, mut rows) = (Fakes::new(), 0, 0);
    let mut after = None;
    loop {
        if *stop.borrow() {
            let detail = String::from("stopped while tokens were checked with their keys");
            return Err(Blocked { verdict: Verdict::Partial, ..Blocked::by(Cause::Interrupted, detail) });
        }
        let page = site.connector.done_rows(step, after.as_ref(), PAGE_ROWS).await?;
        rows += page.rows.len() as u64;
        for (path, text) in checked(keyed, page.rows, &step.place(site.name)).await? {
            let texts = fakes.entry(path).or_default();
            if texts.contains(&text) {
                continue;
            }
            if taken == FAKES_MAX {
                return Ok((fakes, rows, true));
            }
            taken += 1;
            texts.insert(text);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok((fakes, rows, false)),
        }
    }
}

/// What is no token in these rows. Two MACs for each token are much for a thread that others wait for.
async fn checked(keyed: &Arc<KeyedTransform>, rows: Vec<OldRow>, place: &str) -> Result<Vec<(Path, String)>, Fault> {
    let keyed = Arc::clone(keyed);
    let check = move || {
        let mut found = vec![];
        for row in &rows {
            found.extend(keyed.fakes(row).into_iter().map(|(path, text)| (path.clone(), text)));
        }
        found
    };
    let defect = || Fault::new(FaultClass::Internal, "check tokens", place).with_detail("it ended without an answer");
    tokio::task::spawn_blocking(check).await.map_err(|_| defect())
}
