//! forgetd's connector for PostgreSQL 13 and later. Which products it tells from PostgreSQL stands in `products`.
//!
//! Read in this order: `connect` (sessions and turns), `query` (every statement on a user's table), `walk` (where a
//! batch begins and ends), `lane` (the atomic batch), `sealed` (the sealed one), `control` (forgetd's own tables).
//!
//! Nothing here keeps session state: settings are local to a transaction, statements are unnamed, so a transaction
//! pooler may stand in between. Driver messages are dropped in `error`; no other file reads one.

mod catalog;
mod codec;
mod compare;
mod config;
mod connect;
mod connector;
mod control;
mod done;
mod error;
mod explain;
mod facts;
mod lane;
mod measure;
mod pooler;
mod preflight;
mod products;
mod profile;
mod query;
mod sealed;
mod strain;
mod survey;
mod tls;
mod walk;

pub use config::Config;
pub use connector::connect;
pub use products::PRODUCTS;
