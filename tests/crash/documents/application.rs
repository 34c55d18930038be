//! The application, at work on documents in a thread of its own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::deed::Used;
use crate::dice::Dice;
use crate::harness::Mongo;
use crate::rounds::pause;

/// At work until it is told to stop.
pub(super) struct Application {
    stop: Arc<AtomicBool>,
    works: JoinHandle<Used>,
}

// === impl Application ===

impl Application {
    /// Starts it on the documents of these numbers.
    pub(super) fn start(documents: Mongo, mut used: Used, numbers: Range<i64>, mut dice: Dice) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let works = std::thread::spawn(move || {
            let all = (numbers.end - numbers.start).unsigned_abs();
            while !told.load(Ordering::Relaxed) {
                let id = numbers.start + i64::try_from(dice.below(all)).expect("small");
                used.once(&documents, id, &mut dice);
                pause(2_000 + dice.below(6_000));
            }
            used
        });
        Self { stop, works }
    }

    pub(super) fn stop(self) -> Used {
        self.stop.store(true, Ordering::Relaxed);
        self.works.join().expect("the application")
    }
}
