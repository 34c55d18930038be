//! The connections a session works with.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{Connector, Fault, FaultClass};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a batch under way may go on once the process was asked to end.
const CANCEL_AFTER: Duration = Duration::from_secs(2);

/// How often what is still under way then is stopped.
const CANCEL_EVERY: Duration = Duration::from_millis(500);

/// The connections of a configuration, by the names of its databases. A database that cannot be reached is kept as the
/// fault that said so: the others go on without it.
pub struct Databases {
    connectors: BTreeMap<String, Result<Box<dyn Connector>, Fault>>,
    /// Whether servers were asked to stop statements.
    cancelled: Cell<bool>,
    replicas: BTreeMap<String, Vec<Box<dyn Reach>>>,
}

/// Where a replica is: it is connected to only while batches go on, and again after it was lost.
#[async_trait(?Send)]
pub trait Reach {
    /// Connects. A problem with its configuration is a fault here: the database itself can be worked on once it is mended.
    async fn connect(&self) -> Result<Box<dyn Connector>, Fault>;
}

// === impl Databases ===

impl Databases {
    /// The outcome of connecting to each.
    pub fn new(connectors: BTreeMap<String, Result<Box<dyn Connector>, Fault>>) -> Self {
        Self { connectors, cancelled: Cell::new(false), replicas: BTreeMap::new() }
    }

    /// The same, with the replicas that each names.
    #[must_use]
    pub fn with_replicas(mut self, replicas: BTreeMap<String, Vec<Box<dyn Reach>>>) -> Self {
        self.replicas = replicas;
        self
    }

    /// The replicas that a database names.
    pub fn replicas(&self, name: &str) -> &[Box<dyn Reach>] {
        self.replicas.get(name).map_or(&[], Vec::as_slice)
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

    /// From some time after the process was asked to end on, has every server stop what lanes and long reads are at, again
    /// and again: what takes that long would outlast the process, with its locks. Never returns.
    pub async fn cancel_when_late(&self, mut stop: watch::Receiver<bool>) -> Infallible {
        if stop.wait_for(|stopped| *stopped).await.is_err() {
            return std::future::pending().await;
        }
        sleep(CANCEL_AFTER).await;
        loop {
            tracing::warn!("statements under way are stopped on the servers: the process is to end");
            self.cancelled.set(true);
            join_all(self.connectors.values().flatten().map(|connector| connector.cancel())).await;
            sleep(CANCEL_EVERY).await;
        }
    }

    /// Whether a fault of this class can be that of a statement which the servers were asked to stop. Every other one is a
    /// failure of its own, whatever the process was asked meanwhile.
    pub fn stopped(&self, class: FaultClass) -> bool {
        self.cancelled.get() && matches!(class, FaultClass::Timeout | FaultClass::Transient)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        for connector in self.connectors.values().flatten() {
            connector.close().await;
        }
    }
}
