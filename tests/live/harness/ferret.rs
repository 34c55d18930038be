//! What FerretDB has beside the server that all tests share: two more over the same documents, of which one lets nobody in
//! without a password and one may read only, TLS, and the PostgreSQL below, whose functions make what FerretDB has no
//! command for.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use url::Url;

use super::mongo::kept;
use super::{Mongo, Session, until};

/// Where all of it is.
#[derive(Debug)]
pub(crate) struct Ferret {
    /// With TLS, by a certificate of the CA in the file.
    pub(crate) tls: String,
    pub(crate) ca: PathBuf,
    /// Wants a login.
    pub(crate) login: String,
    /// Changes nothing but what [`Ferret::let_write`] says.
    pub(crate) reader: String,
    documentdb: String,
}

/// A FerretDB that was started again by a test. It is killed when dropped.
pub(crate) struct Again(Child);

// === impl Ferret ===

impl Ferret {
    /// None where the tests run on another server, or on none.
    pub(crate) fn there() -> Option<&'static Self> {
        static THERE: OnceLock<Option<Ferret>> = OnceLock::new();
        THERE.get_or_init(Self::find).as_ref()
    }

    fn find() -> Option<Self> {
        if std::env::var_os("FORGETD_TEST_MONGODB_URL").is_some() || !Mongo::is_there() {
            return None;
        }
        let part = |kept_as: &str, variable: &str| match kept() {
            Some(servers) => servers.said(kept_as).map(str::to_owned),
            None => std::env::var(variable).ok(),
        };
        Some(Self {
            tls: part("tls", "FORGETD_TEST_FERRETDB_TLS_URL")?,
            ca: part("ca", "FORGETD_TEST_FERRETDB_CA")?.into(),
            login: part("login", "FORGETD_TEST_FERRETDB_LOGIN_URL")?,
            reader: part("reader", "FORGETD_TEST_FERRETDB_READER_URL")?,
            documentdb: part("documentdb", "FORGETD_TEST_DOCUMENTDB_URL")?,
        })
    }

    /// Runs statements of PostgreSQL's.
    #[track_caller]
    pub(crate) fn exec(&self, sql: &str) {
        Session::connect(&Url::parse(&self.documentdb).expect("a URL")).exec(sql);
    }

    /// What the sessions of the PostgreSQL below are at, one a line: for whoever gets no answer from the server above it.
    pub(crate) fn sessions(&self) -> String {
        const SESSIONS: &str = "select concat_ws(' ', pid, application_name, state, wait_event_type, wait_event, \
             now() - state_change, pg_blocking_pids(pid)::text, left(query, 120)) \
             from pg_stat_activity where backend_type = 'client backend'";
        let rows = Session::connect(&Url::parse(&self.documentdb).expect("a URL")).rows(SESSIONS);
        rows.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n")
    }

    /// The reader may write into every collection that the database has now.
    pub(crate) fn let_write(&self, database: &str) {
        self.grant("insert, update, delete", &format!("database_name = '{database}'"));
    }

    /// The reader may remove documents from this collection.
    pub(crate) fn let_remove(&self, database: &str, collection: &str) {
        self.grant("delete", &format!("database_name = '{database}' and collection_name = '{collection}'"));
    }

    fn grant(&self, privileges: &str, collections: &str) {
        self.exec(&format!(
            "do $$ declare id bigint; begin
               for id in select collection_id from documentdb_api_catalog.collections where {collections} loop
                 execute format('grant {privileges} on documentdb_data.documents_%s to forgetd_reader', id);
               end loop;
             end $$"
        ));
    }

    /// A collection by everything that `create` takes, also what FerretDB leaves out.
    pub(crate) fn create(&self, database: &str, create: &serde_json::Value) {
        let create = create.to_string().replace('\'', "''");
        self.exec(&format!("select documentdb_api.create_collection_view('{database}', '{create}')"));
    }

    /// Puts an empty collection into shards.
    pub(crate) fn shard(&self, database: &str, collection: &str, key: &str) {
        self.exec(&format!(
            "select documentdb_api.create_collection('{database}', '{collection}');
             select documentdb_api.shard_collection('{database}', '{collection}', '{key}', false)"
        ));
    }
}

// === impl Again ===

impl Again {
    /// Starts the server of this process again that is about to be killed by `kill`: at the same place, over the same documents.
    pub(crate) fn start(pid: u32, port: u16, kill: impl FnOnce()) -> Self {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let line = std::fs::read(process.join("cmdline")).expect("a process");
        let folder = std::fs::read_link(process.join("cwd")).expect("a folder");
        let words: Vec<String> = line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        kill();
        until("the server is gone", 60, || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        let mut command = Command::new(Path::new(&words[0]));
        command.args(&words[1..]).current_dir(folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a server");
        until("the server answers", 60, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self(child)
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // Already gone is what is hoped for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
