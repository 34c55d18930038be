//! Runs: one firing of a rule, from the claim to the verdict.

mod verdict;

pub use verdict::Verdict;
