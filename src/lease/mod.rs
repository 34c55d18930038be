//! Who may act: the lease of the instance, and the fences of its databases.

mod claim;
mod holder;
mod keep;
mod takeover;

pub use claim::Claim;
pub use holder::{holder, serves};
pub use keep::keep;
pub use takeover::{Refusal, take};
