//! The evidence log's files, for HTTP: any process reads them, whoever acts.

use async_trait::async_trait;
use forgetd_connector::Connections;
use tokio::sync::Mutex;

use super::daemon::Daemon;
use crate::app;
use crate::config::{Config, Store};
use crate::evidence::EvidenceFault;
use crate::evidence::store::{Files as _, Folder};
use crate::http::Evidence;
use crate::run::{relay, signing_key};

/// Reads them where the configuration in force says, over a connection of its own for each: an auditor comes seldom,
/// and a follower holds none. One at a time.
pub(super) struct Objects<'a> {
    daemon: &'a Daemon,
    one: Mutex<()>,
}

// === impl Objects ===

impl<'a> Objects<'a> {
    pub(super) fn new(daemon: &'a Daemon) -> Self {
        Self { daemon, one: Mutex::default() }
    }
}

#[async_trait(?Send)]
impl Evidence for Objects<'_> {
    async fn object(&self, path: &str) -> Option<Vec<u8>> {
        let _one = self.one.lock().await;
        let config = self.daemon.config()?;
        let read = match &config.evidence.store {
            Store::Dir(dir) => Folder::new(dir).read(path).await,
            Store::Database(name) => from_database(&config, name, path, self.daemon.metrics.connections(name)).await,
        };
        match read {
            Ok(bytes) => bytes,
            Err(fault) => {
                tracing::warn!(error = %fault, "the evidence log cannot be read");
                None
            }
        }
    }
}

async fn from_database(
    config: &Config,
    name: &str,
    path: &str,
    count: Connections,
) -> Result<Option<Vec<u8>>, EvidenceFault> {
    let problem = |found: String| EvidenceFault::evidence("evidence.signing_key", found);
    let key = signing_key(config).map_err(|found| problem(found.to_string()))?;
    let connector = app::connect_database_counted(config, name, count).await;
    let connector = connector.map_err(|found| problem(found.to_string()))??;
    let read = async { relay(config, &key)?.files(&[(name, connector.control())]).await?.read(path).await };
    let read = read.await;
    connector.close().await;
    read
}
