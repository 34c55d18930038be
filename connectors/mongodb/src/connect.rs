//! The client, and how every call on it ends.

use std::future::IntoFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forgetd_connector::{ConnectContext, Connected, Connections, Fault};
use mongodb::bson::{Document, RawDocumentBuf, cstr, doc, rawdoc};
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::{Client, Collection, Database};
use tokio::time::timeout;

use crate::config::Target;
use crate::error::Failure;
use crate::reply::Written;

/// One client, which makes connections when they are needed and again after they were lost.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) target: Target,
    pub(crate) context: ConnectContext,
}

/// Counts the connections of a client's pool. What is still open when the client goes is closed with it.
fn counting(connections: Connections) -> EventHandler<CmapEvent> {
    let open: Mutex<Vec<Connected>> = Mutex::default();
    EventHandler::callback(move |event| {
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CmapEvent::ConnectionCreated(_) => open.push(connections.one(None)),
            CmapEvent::ConnectionClosed(_) => drop(open.pop()),
            _ => {}
        }
    })
}

// === impl Link ===

impl Link {
    /// Makes the client. Nothing is sent yet.
    pub(crate) fn new(target: Target, context: ConnectContext) -> Result<Self, Fault> {
        let mut options = target.options.clone();
        options.cmap_event_handler = Some(counting(context.connections.clone()));
        let client = Client::with_options(options);
        let client = client.map_err(|error| Failure::of(&error, "connect", &context.database).fault)?;
        Ok(Self { client, target, context })
    }

    /// The timeout of every call.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.context.call_timeout_ms)
    }

    /// Does one thing on the server, within the time of a call. What was not answered by then may still be done.
    pub(crate) async fn call<T>(
        &self,
        operation: &'static str,
        place: &str,
        work: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, Failure> {
        match timeout(self.call_timeout(), work).await {
            Ok(done) => done.map_err(|error| Failure::of(&error, operation, place)),
            Err(_) => Err(Failure::late(operation, place)),
        }
    }

    /// Sends one `update` command of many statements, in any order, and says what was done of it. It is never sent again by
    /// the driver.
    pub(crate) async fn update(
        &self,
        operation: &'static str,
        place: &str,
        collection: &Collection<Document>,
        statements: Vec<Document>,
    ) -> Result<Written, Failure> {
        let command = doc! { "update": collection.name(), "updates": statements, "ordered": false };
        let database = self.client.database(&collection.namespace().db);
        let command =
            RawDocumentBuf::try_from(&command).map_err(|error| Failure::of(&error.into(), operation, place))?;
        self.write(operation, place, &database, command).await
    }

    /// Sends a write command that is acknowledged when a majority has it in its journal. It is never sent again by the driver.
    pub(crate) async fn write(
        &self,
        operation: &'static str,
        place: &str,
        database: &Database,
        mut command: RawDocumentBuf,
    ) -> Result<Written, Failure> {
        let patience = i64::try_from(self.context.call_timeout_ms).unwrap_or(i64::MAX);
        command.append(cstr!("writeConcern"), &rawdoc! { "w": "majority", "j": true, "wtimeout": patience });
        let reply = self.call(operation, place, database.run_raw_command(command)).await?;
        Written::read(&reply).ok_or_else(|| Failure::odd(operation, place))
    }

    /// The database of the control collections.
    pub(crate) fn control(&self) -> Database {
        self.client.database(&self.context.control_name)
    }

    /// One of the control collections.
    pub(crate) fn own(&self, name: &str) -> Collection<Document> {
        self.control().collection(name)
    }

    /// The place of the control collections in faults.
    pub(crate) fn control_place(&self) -> String {
        format!("{}.{}", self.context.database, self.context.control_name)
    }
}
