//! How hard a database is worked: pacing decisions, from what was measured. Pure; whoever walks a lane asks.

mod gain;
mod gate;
mod rate;
mod rest;
mod size;

pub use gain::Gain;
pub use gate::{Decision, Gate, Limits, PauseReason, Reading};
pub use rate::RowRate;
pub use rest::Rest;
pub use size::BatchSize;
