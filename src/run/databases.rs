//! The connections a session works with.

use std::collections::BTreeMap;

use forgetd_connector::{Connector, Fault, FaultClass};

/// The connections of a configuration, by the names of its databases. A database that cannot be reached is kept as the
/// fault that said so: the others go on without it.
pub struct Databases {
    connectors: BTreeMap<String, Result<Box<dyn Connector>, Fault>>,
}

// === impl Databases ===

impl Databases {
    /// The outcome of connecting to each.
    pub fn new(connectors: BTreeMap<String, Result<Box<dyn Connector>, Fault>>) -> Self {
        Self { connectors }
    }

    /// The connection to one database, or why there is none.
    pub fn get(&self, name: &str) -> Result<&dyn Connector, Fault> {
        match self.connectors.get(name) {
            Some(Ok(connector)) => Ok(connector.as_ref()),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(Fault::new(FaultClass::Internal, "look up", name)),
        }
    }

    /// Every database by its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Result<&dyn Connector, &Fault>)> {
        self.connectors.iter().map(|(name, connector)| (name.as_str(), connector.as_deref()))
    }

    /// Closes every connection.
    pub async fn close(&self) {
        for connector in self.connectors.values().flatten() {
            connector.close().await;
        }
    }
}
