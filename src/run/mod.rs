//! Runs: one firing of a rule, from the claim to the verdict.
//!
//! `session` holds the lease and everything that lasts longer than one rule; `rule` is one run; `walk` drives a lane
//! through its batches; `batch` holds the two protocols; `seals` brings to an end what a crash left sealed.

mod approvals;
mod batch;
mod clerk;
mod close;
mod databases;
mod job;
mod keyed;
mod lanes;
mod late;
#[cfg(feature = "faults")]
mod naive;
mod observe;
mod oldest;
mod outcome;
mod pace;
mod progress;
mod pseudonyms;
mod report;
mod resume;
mod rule;
mod seals;
mod session;
mod signed;
mod site;
pub mod standing;
mod sweep;
mod verdict;
mod veto;
mod waiting;
mod walk;
mod watch;

pub use approvals::{Approver, RuleApproval};
pub use clerk::{Clerk, NO_LANE, Subject};
pub use databases::{Databases, Reach};
pub use observe::observe;
pub use outcome::Outcome;
pub use pace::Pace;
pub use progress::{Begun, Progress, Quiet};
pub use report::{Report, Skipped};
pub(crate) use session::relay;
pub use session::signing_key;
pub use session::{Firing, KeyDestroyedAt, KeyDestruction, KeyEntry, KeyStopped, Refused, Session, Tenure, Told, Turn};
pub use signed::SignedError;
pub use site::{Site, Sites};
pub use verdict::Verdict;
pub use waiting::{Waiting, waiting};
pub use watch::unwatched;
