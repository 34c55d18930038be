//! forgetd's connector for SQLite.

use forgetd_connector::{Cause, ConnectContext, Connector, Fault, FaultClass};

/// Where the database is.
#[derive(Debug)]
pub struct Config(());

impl Config {
    /// Reads a URL.
    pub fn from_url(_url: &str) -> Result<Self, std::fmt::Error> {
        Ok(Self(()))
    }
}

/// Connects.
#[allow(clippy::unused_async, reason = "connecting waits for the network")]
pub async fn connect(_config: Config, context: ConnectContext) -> Result<Box<dyn Connector>, Fault> {
    Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "connect", context.database))
}
