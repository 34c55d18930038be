//! How hard a database is worked: pacing decisions, from what was measured. Pure; whoever walks a lane asks.

mod size;

pub use size::BatchSize;
