//! What the policy says, resolved: defaults applied, names checked, nothing of the file's form left. Pure.

mod change;
mod difference;
mod digest;
mod normal;
mod period;
mod policy;
mod published;
mod quiet;
mod rule;
mod schedule;
#[cfg(test)]
pub(crate) mod testing;
mod transform;
pub mod written;

pub use change::{Change, changes};
pub use difference::{Difference, rule_changes};
pub use normal::normal;
pub use period::{Period, PeriodError};
pub use policy::Policy;
pub use quiet::{QuietError, QuietWindow, QuietWindows};
pub use rule::{Action, Cap, CoolOff, Guard, LegalBasis, Mode, RowEvidence, Rule};
pub use schedule::{Schedule, ScheduleError};
pub use transform::Transform;
