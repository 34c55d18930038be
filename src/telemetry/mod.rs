//! What forgetd says about itself.

pub mod logging;
