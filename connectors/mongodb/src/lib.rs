//! forgetd's connector for MongoDB and for what speaks its protocol.
//!
//! Read in this order: `connect` (the client, and how every call ends), `probe` (what a server only pretends), `control`
//! (forgetd's own collections, without transactions).
//!
//! What differs between the products stands in `flavour` and nowhere else. Driver messages are dropped in `error`; no other
//! file reads one.

mod codec;
mod config;
mod connect;
mod connector;
mod control;
mod error;
mod facts;
mod flavour;
mod probe;
mod reply;

pub use config::Config;
pub use connector::connect;
