//! Configuration: from files, environment and flags to [`Config`], or to all [`Problems`] at once.

mod problem;
mod secret;
mod settings;

pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use settings::{Config, Control, Coordination, Database, Evidence, Store};
