//! What breaks, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forgetd_connector::{Fault, FaultClass};

/// Calls that can be made to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the method of the seam that has its name")]
pub enum Operation {
    Now,
    Describe,
    Preflight,
    Measure,
    Survivors,
    OpenLane,
    Strain,
    Acquire,
    Renew,
    Release,
    RaiseFence,
    Append,
    AppendLate,
    NextSequence,
    ReadCursor,
    Settle,
    Seal,
    Unseal,
    Adopt,
    Pending,
    Acknowledge,
    OpenRun,
    CloseRun,
    Unfinished,
    ReadRule,
    KeepRule,
    Standings,
    KeepStanding,
    DropStanding,
    Post,
    Requests,
    Answer,
    Head,
    Publish,
    PutObject,
    Remember,
    Change,
    Commit,
    Undo,
    Pass,
    Pick,
    Finish,
    Look,
}

/// How a call breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is not done, and fails with this fault.
    Fails(Fault),
    /// It is done, and its answer is lost.
    Lost,
    /// A commit alone: it is not done, and nobody says so.
    NeverSent,
    /// A seal alone: nobody says that it is not done yet, and it is done when the next one is asked for, before that.
    Delayed,
}

/// The breaks of one connector and everything it opened. Clones share it, so a test can look while a run works.
#[derive(Clone, Debug, Default)]
pub struct Script {
    inner: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    breaks: Vec<(Operation, u64, Ending)>,
    calls: BTreeMap<Operation, u64>,
}

// === impl Script ===

impl Script {
    /// Breaks the n-th call (from 1) of an operation.
    #[must_use]
    pub fn on(self, operation: Operation, n: u64, ending: Ending) -> Self {
        self.inner.lock().unwrap().breaks.push((operation, n, ending));
        self
    }

    /// The n-th call fails with a fault of this class and is not done.
    #[must_use]
    pub fn fails(self, operation: Operation, n: u64, class: FaultClass) -> Self {
        self.on(operation, n, Ending::Fails(Fault::new(class, "scripted", "faulty")))
    }

    /// The n-th call is done and its answer lost.
    #[must_use]
    pub fn loses(self, operation: Operation, n: u64) -> Self {
        self.on(operation, n, Ending::Lost)
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.inner.lock().unwrap().calls.get(&operation).copied().unwrap_or_default()
    }

    /// Counts a call and says how it breaks.
    pub(super) fn call(&self, operation: Operation) -> Option<Ending> {
        let mut state = self.inner.lock().unwrap();
        let calls = state.calls.entry(operation).or_default();
        *calls += 1;
        let n = *calls;
        state.breaks.iter().find(|(of, at, _)| (*of, *at) == (operation, n)).map(|(.., ending)| ending.clone())
    }
}

/// The fault of an answer that never came.
pub(super) fn lost() -> Fault {
    Fault::new(FaultClass::Disconnected, "scripted", "faulty").with_detail("the answer was lost")
}

/// Passes a call that answers `Result<_, Fault>` through the script.
macro_rules! scripted {
    ($script:expr, $operation:ident, $call:expr) => {
        match $script.call($crate::faulty::Operation::$operation) {
            None => $call,
            Some($crate::faulty::Ending::Fails(fault)) => Err(fault),
            Some($crate::faulty::Ending::NeverSent | $crate::faulty::Ending::Delayed) => {
                Err($crate::faulty::script::lost())
            }
            Some($crate::faulty::Ending::Lost) => match $call {
                Ok(_) => Err($crate::faulty::script::lost()),
                Err(fault) => Err(fault),
            },
        }
    };
}

/// Passes a call that answers [`forgetd_connector::Commit`] through the script, or lets it end like this.
macro_rules! scripted_commit {
    ($script:expr, $operation:ident, $call:expr) => {
        $crate::faulty::script::scripted_commit!($script.call($crate::faulty::Operation::$operation), $call)
    };
    ($ending:expr, $call:expr) => {
        match $ending {
            None => $call,
            Some($crate::faulty::Ending::Fails(fault)) => forgetd_connector::Commit::RolledBack(fault),
            Some($crate::faulty::Ending::NeverSent | $crate::faulty::Ending::Delayed) => {
                forgetd_connector::Commit::Unknown($crate::faulty::script::lost())
            }
            Some($crate::faulty::Ending::Lost) => match $call {
                forgetd_connector::Commit::Committed => {
                    forgetd_connector::Commit::Unknown($crate::faulty::script::lost())
                }
                other => other,
            },
        }
    };
}

pub(super) use {scripted, scripted_commit};
