//! forgetd's connector for MongoDB and for what speaks its protocol.
//!
//! Read in this order: `connect` (the client, and how every call ends), `probe` (what a server only pretends), `control`
//! (forgetd's own collections, without transactions), `query` (the one filter that says which documents are due), `pick`
//! (which come next), `sealed` (how they go), `rewrite` (how they change).
//!
//! What differs between the products stands in `flavour` and nowhere else. Driver messages are dropped in `error`; no other
//! file reads one.

mod catalog;
mod coarse;
mod codec;
mod collection;
mod config;
mod connect;
mod connector;
mod control;
mod done;
mod error;
mod explain;
mod facts;
mod flavour;
mod judge;
mod measure;
mod moment;
mod page;
mod pick;
mod pins;
mod preflight;
mod probe;
mod products;
mod profile;
mod query;
mod reply;
mod rewrite;
mod sealed;
mod shard;
mod strain;
mod values;
mod walk;

pub use config::Config;
pub use connector::connect;
pub use products::PRODUCTS;
