//! A PostgreSQL server of its own, with the memory and WAL settings of a small production server.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

/// A connection and the task that drives it.
pub(crate) struct Session {
    pub(crate) client: Client,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let bin = binaries();
        let folder = tempfile::Builder::new().prefix("forgetd-bench").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { bin, folder, port };
        server.own(server.folder.path());
        let data = server.data();
        server.command("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "--no-sync"]);
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=2GB \
             -c max_wal_size=16GB -c checkpoint_timeout=1h -c fsync=on -c synchronous_commit=on \
             -c autovacuum=off -c max_connections=30 \
             -c log_lock_waits=on -c deadlock_timeout=200ms"
        );
        let log = server.log().display().to_string();
        server.command("pg_ctl", &["-D", &data, "-o", &options, "-l", &log, "-w", "-s", "start"]);
        server
    }

    pub(crate) fn stop(&self) {
        self.command("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "-s", "stop"]);
    }

    /// Stops it cleanly and starts it with nothing in memory.
    pub(crate) fn restart(&self) {
        self.command("pg_ctl", &["-D", &self.data(), "-l", &self.log().display().to_string(), "-w", "-s", "restart"]);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.address(), database)
    }

    pub(crate) fn url_at(&self, address: SocketAddr, database: &str) -> String {
        format!("postgres://postgres@{address}/{database}?sslmode=disable")
    }

    pub(crate) async fn connect(&self, database: &str) -> Session {
        connect(&self.url(database)).await
    }

    /// Bytes of WAL written so far.
    pub(crate) async fn wal(&self) -> f64 {
        let session = self.connect("postgres").await;
        let sql = "select (pg_current_wal_insert_lsn() - '0/0')::float8";
        session.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What it says, of waits for locks too.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Gives the folder to the user the server runs as.
    fn own(&self, path: &Path) {
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(path));
        }
    }

    fn command(&self, program: &str, args: &[&str]) {
        let program = self.bin.join(program);
        if is_root() {
            let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];
            run(Command::new("setpriv").args(user).arg(program).args(args));
        } else {
            run(Command::new(program).args(args));
        }
    }
}

pub(crate) async fn connect(url: &str) -> Session {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let task = tokio::spawn(async move { drop(connection.await) });
    Session { client, task }
}

/// The newest installed server's binaries, where Debian puts them.
fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed: run ./test once, it installs it")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("no PostgreSQL server below /usr/lib/postgresql")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
