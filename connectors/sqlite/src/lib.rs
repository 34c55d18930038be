//! forgetd's connector for SQLite.
//!
//! Read in this order: [`connect`] (one file becomes a [`forgetd_connector::Connector`]), `worker` and `session` (who
//! owns a connection), `query` (every statement that looks at or changes a user's rows), `lane` (the atomic batch),
//! `sealed`, `control` (forgetd's own tables). Three threads own one connection each: lanes, control tables, and
//! reading; so a long count delays no lease and a renewal never lands inside a lane's transaction.

mod catalog;
mod codec;
mod config;
mod connect;
mod control;
mod create;
mod done;
mod effect;
mod error;
mod explain;
mod facts;
mod judge;
mod lane;
mod measure;
mod preflight;
mod products;
mod profile;
mod query;
mod sealed;
mod session;
mod walk;
mod worker;

pub use config::{Config, ConfigError};
pub use connect::connect;
pub use create::{ask, create};
pub use products::PRODUCTS;
