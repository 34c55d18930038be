//! Evidence: entries made from receipts, the transparency log that holds them, and the proofs an outsider checks.
//!
//! [`Relay`] is what the rest of forgetd calls: [`Relay::start`] once, then [`Relay::relay`] whenever receipts wait.

mod account;
mod account_approvals;
mod account_keys;
mod assess;
mod beside;
pub mod canonical;
mod canonical_check;
pub mod entry;
mod fault;
mod glance;
mod lanes;
pub mod log;
mod memory;
mod own;
mod publish;
mod reading;
mod recover;
mod relay;
pub mod store;
#[cfg(test)]
mod tests;
pub mod verify;
mod walk;

pub use fault::EvidenceFault;
pub use memory::Databases;
pub use own::OwnMemory;
pub use reading::each;
pub use recover::{Approval, Loss, Recovered, Recovery};
pub use relay::{Relay, RelayConfig, Relayed, Started, StoreAt};
pub use walk::{Problem, ProblemKind};
