//! Evidence: entries made from receipts, the transparency log that holds them, and the proofs an outsider checks.

pub mod canonical;
pub mod entry;
mod fault;
pub mod log;

pub use fault::EvidenceFault;
