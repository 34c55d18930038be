//! What `serve` answers: over a socket, as its users see it.

pub(crate) mod boards;
mod client;
mod endpoints;
mod limits;
mod page;
