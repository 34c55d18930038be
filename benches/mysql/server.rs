//! A server of its own with durable settings, started from a copy of a prepared data directory for each measurement.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;

/// Which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Debian's.
    MariaDb,
    /// One that was unpacked, with all it needs, into this folder.
    MySql(PathBuf),
}

/// A stopped server's data, to be copied.
pub(crate) struct Base {
    product: Product,
    folder: TempDir,
}

/// A running one.
pub(crate) struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

const USER: &str = "bench";

/// How long a server may take to answer.
const START_MAX: Duration = Duration::from_secs(120);

/// How long deleted rows may take to be cleared away.
const CLEARED_MAX: Duration = Duration::from_secs(60);

impl Product {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql(_) => "mysql",
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::MariaDb => {
                let mut command = Command::new("mariadbd");
                command.arg("--no-defaults").arg("--innodb-log-file-size=1G");
                command
            }
            // Its C library may be newer than ours, so its own loader runs it.
            Self::MySql(root) => {
                let usr = root.join("usr");
                let libraries = find(&usr.join("lib"), "libc.so.6").parent().unwrap().to_owned();
                let mut command = Command::new(find(&libraries, "ld-linux"));
                command.arg("--library-path").arg(&libraries).arg(usr.join("sbin/mysqld")).arg("--no-defaults");
                command.arg(format!("--basedir={}", usr.display()));
                command.arg(format!("--plugin-dir={}", usr.join("lib/mysql/plugin").display()));
                command.arg(format!("--lc-messages-dir={}", usr.join("share/mysql").display()));
                command.args(["--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=1G"]);
                command
            }
        }
    }
}

/// The first file below a folder whose name begins like this.
fn find(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(name) {
                return entry.path();
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no {name} below {}", folder.display())
}

impl Base {
    /// Which server it is for.
    pub(crate) fn product(&self) -> &Product {
        &self.product
    }

    /// An empty server, filled by `fill`.
    pub(crate) async fn build(product: Product, fill: &[String]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let at = format!("--datadir={}", data.display());
        match &product {
            Product::MariaDb => run(Command::new("mariadb-install-db")
                .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
                .env("TMPDIR", folder.path())
                .arg(at)),
            Product::MySql(_) => run(product
                .command()
                .args(["--initialize-insecure", "--user=root"])
                .env("TMPDIR", folder.path())
                .arg(at)),
        }
        let base = Self { product, folder };
        let mut server = base.start_in(&data, TempDir::new().unwrap()).await;
        let mut root = Conn::new(root_at(&data)).await.unwrap();
        for statement in [
            format!("create user {USER}@'127.0.0.1' identified by '{USER}'"),
            format!("grant all on *.* to {USER}@'127.0.0.1'"),
        ] {
            root.query_drop(statement).await.unwrap();
        }
        root.query_drop("create database people").await.unwrap();
        root.query_drop("use people").await.unwrap();
        for statement in fill {
            root.query_drop(statement).await.unwrap();
        }
        // Nothing is left for later that would be counted to whoever comes first.
        root.query_drop("set global innodb_fast_shutdown = 0").await.unwrap();
        drop(root.disconnect().await);
        server.end_in_peace();
        base
    }

    /// A server on a fresh copy, its table in memory.
    pub(crate) async fn start(&self, table: &str) -> Server {
        let folder = folder();
        let data = folder.path().join("data");
        run(Command::new("cp").arg("-a").arg(self.folder.path().join("data")).arg(&data));
        run(&mut Command::new("sync"));
        let server = self.start_in(&data, folder).await;
        let mut conn = server.connect().await;
        conn.query_drop(format!("select count(*), sum(length(payload)) from {table} force index (primary)"))
            .await
            .unwrap();
        for index in ["at", "account", "email"] {
            conn.query_drop(format!("select count(*) from {table} force index ({table}_{index})")).await.unwrap();
        }
        server
    }

    async fn start_in(&self, data: &Path, folder: TempDir) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server { process: self.spawn(data, port), port, folder };
        self.until_it_answers(data).await;
        server
    }

    /// Stops it and starts it again. It has nothing in memory then.
    pub(crate) async fn restart(&self, server: &mut Server) {
        let data = server.folder.path().join("data");
        server.end_in_peace();
        server.process = self.spawn(&data, server.port);
        self.until_it_answers(&data).await;
    }

    fn spawn(&self, data: &Path, port: u16) -> Child {
        let mut command = self.product.command();
        command.args(["--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve", "--server-id=1"]);
        command.arg(format!("--datadir={}", data.display())).arg(format!("--port={port}"));
        command.arg(format!("--socket={}", data.join("s").display()));
        command.arg(format!("--log-error={}", data.join("errors").display()));
        // What a small production server has, and the binary log off on both.
        command.args(["--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=1", "--skip-log-bin"]);
        // What was in memory is not read again behind a start.
        command.args(["--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF"]);
        // One that starts clears its folder for temporary tables.
        command.env("TMPDIR", data.parent().unwrap());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn until_it_answers(&self, data: &Path) {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if Conn::new(root_at(data)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not answer: see {}/errors", self.product.name(), data.display());
    }
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        url_at(self.address())
    }

    pub(crate) async fn connect(&self) -> Conn {
        self.connect_at(self.address()).await
    }

    /// By an address that leads to it.
    pub(crate) async fn connect_at(&self, address: SocketAddr) -> Conn {
        Conn::new(Opts::from_url(&url_at(address)).unwrap()).await.unwrap()
    }

    /// Pages read into its memory since it started, once nothing of what was deleted is left to be cleared away.
    pub(crate) async fn pages_read(&self) -> u64 {
        let mut conn = self.connect().await;
        let started = Instant::now();
        let left = "select count from information_schema.innodb_metrics where name = 'trx_rseg_history_len'";
        while conn.query_first::<u64, _>(left).await.unwrap().is_some_and(|left| left > 0)
            && started.elapsed() < CLEARED_MAX
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let read: Option<(String, u64)> =
            conn.query_first("show global status like 'Innodb_pages_read'").await.unwrap();
        drop(conn.disconnect().await);
        read.unwrap().1
    }

    /// Bytes of redo written so far.
    #[allow(clippy::cast_precision_loss, reason = "bytes")]
    pub(crate) async fn redo(&self) -> f64 {
        let mut conn = self.connect().await;
        let find = "show global status where variable_name in ('Innodb_lsn_current', 'Innodb_redo_log_current_lsn')";
        let found: Option<(String, u64)> = conn.query_first(find).await.unwrap();
        drop(conn.disconnect().await);
        found.map_or(f64::NAN, |(_, bytes)| bytes as f64)
    }

    fn end_in_peace(&mut self) {
        run(Command::new("kill").arg(self.process.id().to_string()));
        drop(self.process.wait());
    }
}

/// Ends at once; its data go with it.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Of a server behind this address, or behind one that leads to it.
pub(crate) fn url_at(address: SocketAddr) -> String {
    format!("mysql://{USER}:{USER}@{address}/people")
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("forgetd-bench").tempdir().unwrap()
}

/// The server's own root, who comes in by the socket beside its data only.
fn root_at(data: &Path) -> OptsBuilder {
    OptsBuilder::default().user(Some("root")).socket(Some(data.join("s").display().to_string()))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
