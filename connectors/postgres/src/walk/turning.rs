//! From one walk to another one, where rows lie otherwise than the statistics say.

use forgetd_connector::walk::Position;
use tokio::time::Instant;

use super::layout::{Layout, Looks};
use super::{ENDS, Ends, Walk, Walker};
use crate::survey::Survey;

// === impl Walker ===

impl Walker {
    /// The same, which looks now and then whether another walk is better. For deletes by a lane that goes to the last row.
    pub(crate) fn turning(mut self) -> Self {
        if self.by_since && self.survey.finds_places {
            self.looks = Looks::over(&self.survey, Instant::now());
        }
        self
    }

    /// Where a look whether another walk is better is to be taken before the next batch.
    pub(crate) fn looks_at(&self, position: &Position) -> Option<Position> {
        (self.begun && self.looks.now()).then(|| self.begin(position.clone()))
    }

    /// What was seen there, if anything was; and the walk that the lane turns to therefore.
    pub(crate) fn looked(&mut self, layout: Option<Layout>) -> Option<Walk> {
        let better = layout.and_then(|layout| layout.better(self.walk));
        self.looks.looked(self.walk, better.is_some());
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
