//! Who may act: the lease of the instance, and the fences of its databases.

mod claim;
mod keep;
mod takeover;

pub use claim::Claim;
pub use keep::keep;
pub use takeover::{Refusal, take};
