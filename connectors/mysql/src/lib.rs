//! forgetd's connector for MySQL 8 and later and MariaDB 10.6 and later.
//!
//! Read in this order: `connect` (sessions and turns), `query` (every statement on a user's table), `walk` (where a
//! batch begins and ends), `lane` (the atomic batch), `sealed` (the sealed one), `control` (forgetd's own tables).
//!
//! Which products there are stands in `products`, what differs between those that are worked with in `flavour`, and nowhere else. Several statements go in
//! one packet, as text with literals of our own making: see `query::sql`. Driver messages are dropped in `error`; no
//! other file reads one.

mod answer;
mod catalog;
mod codec;
mod config;
mod connect;
mod connector;
mod control;
mod done;
mod error;
mod explain;
mod facts;
mod flavour;
mod kind;
mod lane;
mod measure;
mod preflight;
mod products;
mod profile;
mod query;
mod sealed;
mod setup;
mod strain;
mod survey;
mod tls;
mod turn;
mod walk;

pub use config::Config;
pub use connector::connect;
pub use products::PRODUCTS;
