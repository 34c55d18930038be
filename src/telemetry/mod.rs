//! What forgetd says about itself.

pub mod logging;
pub mod metrics;
