//! The program on documents, as its users run it: on a FerretDB, or on the server that somebody names.

mod bank;
mod chinook;
mod customers;
mod logins;
mod refused;
mod shapes;
mod silent_zero;
mod versions;

pub(crate) use versions::unversioned;
