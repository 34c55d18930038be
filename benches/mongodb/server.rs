//! A FerretDB and the PostgreSQL below it, as the tests start them, on a copy of prepared data and with the settings of a
//! small production server.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::Scene;
use crate::data::{self, COLLECTION, DATABASE};

/// As a server has them that keeps what it was told. Nothing runs in the background, where it would be counted to whoever is
/// measured.
const SETTINGS: &str = "fsync = on\nsynchronous_commit = on\nshared_buffers = 2GB\nmax_wal_size = 16GB\n\
                        checkpoint_timeout = 1h\nautovacuum = off\n";

/// The longest that PostgreSQL may take to stop.
const STOP_MAX: Duration = Duration::from_secs(120);

/// Data that every measurement begins with.
pub(crate) struct Base {
    folder: TempDir,
}

/// A running pair of servers. It ends with its keeper, which ends when our end of the pipe closes.
pub(crate) struct Server {
    keeper: Child,
    input: Option<ChildStdin>,
    address: SocketAddr,
    data: PathBuf,
    postgres: String,
}

// === impl Base ===

impl Base {
    /// An empty server, filled.
    pub(crate) async fn build(scene: &Scene) -> Self {
        let server = Server::start(None);
        data::fill(&server.events().await, scene).await;
        let (postgres, connection) = tokio_postgres::connect(&server.postgres, NoTls).await.unwrap();
        let driven = tokio::spawn(connection);
        for statement in ["vacuum analyze", "checkpoint"] {
            postgres.batch_execute(statement).await.unwrap();
        }
        drop(postgres);
        drop(driven.await);
        let base = Self { folder: tempfile::Builder::new().prefix("forgetd-bench").tempdir().unwrap() };
        server.stop_in_peace(&base.data()).await;
        base
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Servers on a fresh copy, the documents and the index of their dates in memory.
    pub(crate) async fn start(&self) -> Server {
        let server = Server::start(Some(&self.data()));
        run(&mut Command::new("sync"));
        let events = server.events().await;
        for filter in [doc! { "payload": "none" }, doc! { "at": { "$lt": data::cutoff() } }] {
            events.count_documents(filter).await.unwrap();
        }
        server
    }
}

// === impl Server ===

impl Server {
    /// An empty one, or one on a copy.
    fn start(data: Option<&Path>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stages/keep.sh");
        let mut bash = Command::new("bash");
        bash.arg(script).arg("ferretdb").env("FORGETD_DOCUMENTDB_SETTINGS", SETTINGS);
        if let Some(data) = data {
            bash.env("FORGETD_DOCUMENTDB_DATA", data);
        }
        let mut keeper = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = keeper.stdin.take();
        let lines = BufReader::new(keeper.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
        let part = |name: &str| {
            let found = said.iter().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("FerretDB did not start: run ./test once, it builds it")).to_owned()
        };
        let url = part("url ");
        let address = url.trim_start_matches("mongodb://").split('/').next().unwrap().parse().unwrap();
        Self { keeper, input, address, data: part("data ").into(), postgres: part("documentdb ") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(self.address)
    }

    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        format!("mongodb://{address}/{DATABASE}?directConnection=true")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::with_uri_str(self.url()).await.unwrap()
    }

    async fn events(&self) -> Collection<Document> {
        self.client().await.database(DATABASE).collection(COLLECTION)
    }

    /// Stops PostgreSQL so that its data can be copied, and moves them.
    async fn stop_in_peace(self, to: &Path) {
        let pid = self.data.join("postmaster.pid");
        let text = std::fs::read_to_string(&pid).unwrap();
        run(Command::new("kill").args(["-INT", text.lines().next().unwrap()]));
        let asked = Instant::now();
        while pid.exists() {
            assert!(asked.elapsed() < STOP_MAX, "PostgreSQL does not stop");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        run(Command::new("mv").arg(&self.data).arg(to));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.keeper.wait());
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
