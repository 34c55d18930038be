//! From one walk to another one, where rows lie otherwise than the statistics say.

use std::time::Duration;

use forgetd_connector::layout::Looks;
use forgetd_connector::walk::Position;
use tokio::time::Instant;

use super::layout::{BLOCKS_MIN, Layout};
use super::{ENDS, Ends, Walk, Walker};
use crate::survey::Survey;

/// After so many batches the first look is taken: most runs are over by then. Where batches take long it comes earlier, for a
/// lane that was divided looks no more.
const FIRST: u32 = 8;
const FIRST_WITHIN: Duration = Duration::from_millis(300);

// === impl Walker ===

impl Walker {
    /// The same, which looks now and then whether another walk is better. For deletes by a lane that goes to the last row.
    pub(crate) fn turning(mut self) -> Self {
        if self.by_since && self.survey.finds_places && self.survey.blocks >= BLOCKS_MIN {
            self.looks = Looks::behind(FIRST, Some((Instant::now() + FIRST_WITHIN).into_std()));
        }
        self
    }

    /// Where a look whether another walk is better is to be taken before the next batch.
    pub(crate) fn looks_at(&self, position: &Position) -> Option<Position> {
        (self.begun && self.looks.now()).then(|| self.begin(position.clone()))
    }

    /// What was seen there, if anything was; and the walk that the lane turns to therefore. A walk by physical row id takes no
    /// second look: the index of `since` is full of what it deleted, and a walk that begins there then would go through all of that.
    pub(crate) fn looked(&mut self, layout: Option<Layout>) -> Option<Walk> {
        let better = layout.and_then(|layout| layout.better(self.walk));
        self.looks.looked(self.walk == Walk::Since && better.is_none());
        better
    }

    /// Keeps to its walk from now on: a row was passed over, and would be met and counted once more behind a turn.
    pub(crate) fn stays(&mut self) {
        self.looks = Looks::NEVER;
    }

    /// Goes on by another walk, from its beginning: what was worked on is not due any more.
    pub(crate) fn turn(&mut self, walk: Walk, survey: Survey) {
        self.resurvey(survey);
        (self.walk, self.stretch, self.ends) = (walk, 1, Ends::new(ENDS));
    }

    /// A lane that was under way goes on as it went, whatever the statistics say by now.
    pub(super) fn resumes(&mut self, position: &Position) {
        self.begun = true;
        if *position != Position::Start {
            // What was passed over before is not known here.
            self.stays();
        }
        match position {
            Position::Physical { storage, .. } if *storage == self.survey.storage => self.walk = Walk::Physical,
            Position::From(_) | Position::Inside { .. } | Position::Past(_) | Position::Nulls { .. }
                if self.by_since =>
            {
                self.walk = Walk::Since;
            }
            _ => {}
        }
    }
}
