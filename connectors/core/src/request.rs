//! What people ask of the holder, from whatever process they are in, and what it answers.

use async_trait::async_trait;

use crate::{Commit, Fault};

/// The most requests of an instance that may wait or be under way, and the most that are listed.
pub const REQUESTS_MAX: u32 = 100;

/// Something that a person asked of the holder. No value of the user's tables is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its ULID.
    pub id: String,
    /// JSON: what is asked, and by whom.
    pub body: String,
    /// How far it is.
    pub state: RequestState,
    /// JSON: the answer, or the progress while it is under way; empty before.
    pub answer: String,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Nobody took it yet.
    Open,
    /// A holder works on it, or worked on it and died.
    Taken,
    /// It is answered.
    Done,
}

/// Requests in the control tables. `instance` is the connector's own.
#[async_trait]
pub trait Requests: Send + Sync {
    /// Posts one. No fence is asked: whoever may write control tables may ask. The same id again is no error and changes
    /// nothing. Where [`REQUESTS_MAX`] are not done yet, it is refused with [`crate::Cause::Requests`]; of several who ask
    /// in the same moment, each may still be let in.
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault>;

    /// Those not done, oldest first by the database's clock, at most [`REQUESTS_MAX`].
    async fn requests(&self) -> Result<Vec<RequestRow>, Fault>;

    /// One of them, done or not, if it is there.
    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault>;

    /// Sets state and answer if the fence row holds `term`; [`Commit::Fenced`] where it holds a later one, and nothing was
    /// written. One that is done stays as it is, and one that is not there is not made: nothing is to be done then, and
    /// that is committed too.
    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit;

    /// Removes those that were posted at least so long ago by the database's clock and are done, or were never taken;
    /// returns how many. No fence is asked.
    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault>;
}

// === impl RequestState ===

impl RequestState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Open, Self::Taken, Self::Done];

    /// The word in the control tables.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken",
            Self::Done => "done",
        }
    }

    /// Reads [`RequestState::id`].
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.id() == id)
    }
}
