//! Evidence: entries made from receipts, the transparency log that holds them, and the proofs an outsider checks.
//!
//! [`Relay`] is what the rest of forgetd calls: [`Relay::start`] once, then [`Relay::relay`] whenever receipts wait.

mod assess;
pub mod canonical;
pub mod entry;
mod fault;
pub mod log;
mod memory;
mod recover;
mod relay;
pub mod store;
mod walk;

pub use fault::EvidenceFault;
pub use memory::Databases;
pub use recover::{Approval, Loss, Recovered, Recovery};
pub use relay::{Relay, RelayConfig, Relayed, Started, StoreAt};
pub use walk::{Problem, ProblemKind};
