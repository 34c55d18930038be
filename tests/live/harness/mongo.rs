//! Databases of documents, on a server that somebody names by `FORGETD_TEST_MONGODB_URL`, else on a FerretDB: the one that
//! `./test` started, else one of this process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use serde_json::Value;

use super::Servers;

/// A database of the test's own, on a server shared by all tests of the process. Its control collections are in another
/// database of the test's own. Both are gone when dropped.
pub(crate) struct Mongo {
    name: String,
    server: String,
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// Another one drops it.
    borrowed: bool,
}

/// A test may have killed the server.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Mongo ===

impl Mongo {
    /// An empty database; none where FerretDB could not be downloaded, which whoever tried has said.
    pub(crate) fn database() -> Option<Self> {
        Some(Self::at(server()?))
    }

    /// Whether there is a server.
    pub(crate) fn is_there() -> bool {
        server().is_some()
    }

    /// An empty database on the server of this URL.
    pub(crate) fn at(server: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("live_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        static SAID: std::sync::Once = std::sync::Once::new();
        let database = Self::of(server, name, false);
        SAID.call_once(|| {
            let build = database.command("admin", doc! { "buildInfo": 1 });
            let ferret = build.get("ferretdb").map_or("", |_| " of FerretDB");
            println!("on MongoDB's protocol {}{ferret}", build.get_str("version").unwrap_or_default());
        });
        database
    }

    /// The same database over a connection of its own, which does not drop it.
    pub(crate) fn beside(&self) -> Self {
        self.beside_at(&self.server)
    }

    /// The same by the URL of another server over the same documents.
    pub(crate) fn beside_at(&self, server: &str) -> Self {
        Self::of(server, self.name.clone(), true)
    }

    fn of(server: &str, name: String, borrowed: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let mut options = runtime.block_on(async { ClientOptions::parse(server).await }).expect("a URL");
        options.server_selection_timeout = Some(PATIENCE);
        let client = runtime.block_on(async { Client::with_options(options) }).expect("a client");
        Self { name, server: server.into(), runtime, client, borrowed }
    }

    /// The server's URL.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The URL for `databases:`; it needs no password.
    pub(crate) fn url(&self) -> String {
        self.url_at(&self.server)
    }

    /// The same database by the URL of a server.
    pub(crate) fn url_at(&self, server: &str) -> String {
        let (base, options) = server.split_once('?').unwrap_or((server, ""));
        let authority: Vec<&str> = base.splitn(4, '/').take(3).collect();
        format!("{}/{}?{options}", authority.join("/"), self.name)
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the control collections' database.
    pub(crate) fn control_name(&self) -> String {
        format!("{}_forgetd", self.name)
    }

    /// Runs a command on a database.
    #[track_caller]
    pub(crate) fn command(&self, database: &str, command: Document) -> Document {
        self.attempt(database, command).expect("a command")
    }

    /// Runs a command that may be refused.
    pub(crate) fn attempt(&self, database: &str, command: Document) -> Result<Document, mongodb::error::Error> {
        self.runtime.block_on(async { self.client.database(database).run_command(command).await })
    }

    /// Adds documents, each given as extended JSON.
    #[track_caller]
    pub(crate) fn insert(&self, collection: &str, documents: impl IntoIterator<Item = Value>) {
        let documents = documents.into_iter().map(|json| serde_json::from_value(json).expect("extended JSON"));
        let documents: Vec<Document> = documents.collect();
        let collection = self.client.database(&self.name).collection::<Document>(collection);
        for documents in documents.chunks(1_000) {
            self.runtime.block_on(async { collection.insert_many(documents).await }).expect("insert");
        }
    }

    /// The documents that match, in the order of their keys, as JSON: what JSON has as it is, the rest as extended JSON.
    #[track_caller]
    pub(crate) fn find(&self, collection: &str, filter: Document) -> Vec<Value> {
        self.find_in(&self.name, collection, filter)
    }

    /// The same of one of the control collections.
    #[track_caller]
    pub(crate) fn find_control(&self, collection: &str, filter: Document) -> Vec<Value> {
        self.find_in(&self.control_name(), collection, filter)
    }

    #[track_caller]
    fn find_in(&self, database: &str, collection: &str, filter: Document) -> Vec<Value> {
        let collection = self.client.database(database).collection::<Document>(collection);
        self.runtime.block_on(async {
            let mut found = collection.find(filter).sort(doc! { "_id": 1 }).await.expect("find");
            let mut documents = vec![];
            while found.advance().await.expect("find") {
                let document = found.deserialize_current().expect("a document");
                documents.push(serde_json::to_value(document).expect("JSON"));
            }
            documents
        })
    }

    /// How many documents match.
    #[track_caller]
    pub(crate) fn count(&self, collection: &str, filter: Document) -> u64 {
        let collection = self.client.database(&self.name).collection::<Document>(collection);
        self.runtime.block_on(async { collection.count_documents(filter).await }).expect("count")
    }

    /// Removes the documents that match; how many the server says.
    #[track_caller]
    pub(crate) fn remove(&self, collection: &str, filter: Document) -> u64 {
        let collection = self.client.database(&self.name).collection::<Document>(collection);
        self.runtime.block_on(async { collection.delete_many(filter).await }).expect("delete").deleted_count
    }

    /// Changes the document of this number, or replaces it where `update` names no operator; 1 if it is there.
    #[track_caller]
    pub(crate) fn update_one(&self, collection: &str, id: i64, update: Document) -> u64 {
        let statement = doc! { "q": { "_id": id }, "u": update, "multi": false };
        let reply = self.command(&self.name, doc! { "update": collection, "updates": [statement] });
        assert!(!reply.contains_key("writeErrors"), "an update was refused");
        reply
            .get_i32("n")
            .map_or_else(|_| reply.get_i64("n").unwrap_or_default(), i64::from)
            .try_into()
            .expect("a count")
    }

    /// Changes the documents that match; how many the server says.
    #[track_caller]
    pub(crate) fn update(&self, collection: &str, filter: Document, update: Document) -> u64 {
        let collection = self.client.database(&self.name).collection::<Document>(collection);
        self.runtime.block_on(async { collection.update_many(filter, update).await }).expect("update").matched_count
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        if self.borrowed {
            return;
        }
        for name in [self.name.clone(), self.control_name()] {
            let database = self.client.database(&name);
            drop(self.runtime.block_on(async { database.drop().await }));
        }
    }
}

/// The URL of the server that all tests share; none where FerretDB could not be downloaded.
fn server() -> Option<&'static str> {
    static GIVEN: OnceLock<Option<String>> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        let variables = ["FORGETD_TEST_MONGODB_URL", "FORGETD_TEST_FERRETDB_URL"];
        variables.into_iter().find_map(|variable| std::env::var(variable).ok())
    });
    match given {
        Some(url) => Some(url.as_str()).filter(|url| !url.is_empty()),
        None => kept().map(Servers::first),
    }
}

/// The servers of this process, where nobody started any for the tests.
pub(super) fn kept() -> Option<&'static Servers> {
    static KEPT: OnceLock<Option<Servers>> = OnceLock::new();
    let given = ["FORGETD_TEST_MONGODB_URL", "FORGETD_TEST_FERRETDB_URL"];
    if given.into_iter().any(|variable| std::env::var_os(variable).is_some()) {
        return None;
    }
    KEPT.get_or_init(|| Servers::start("ferretdb")).as_ref()
}
