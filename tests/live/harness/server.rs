//! A PostgreSQL server that a test may stop, and start again with its clock elsewhere.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::postgres::free_port;
use super::{Clock, until};

/// A server that a test may stop.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

// === impl Server ===

impl Server {
    /// A cluster of the test's own; it is not started yet.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with more settings, one a line.
    pub(crate) fn with(settings: &str) -> Self {
        let server = Self::empty();
        let data = server.data();
        let init = ["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        run(as_postgres(&server_bin().join("initdb")).args(init));
        server.set(settings);
        server
    }

    /// A copy that follows this server, which must have started; it is not started yet.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::empty();
        let copy = ["-D", &standby.data(), "-d", &self.url(), "-R", "-X", "stream", "-c", "fast", "--no-sync"];
        run(as_postgres(&server_bin().join("pg_basebackup")).args(copy));
        // The last line of a setting counts.
        standby.set("");
        standby
    }

    /// Makes a standby a primary.
    pub(crate) fn promote(&self) {
        run(as_postgres(&server_bin().join("pg_ctl")).args(["-D", &self.data(), "-w", "-t", "60", "promote"]));
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let server = Self { folder, port };
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(server.folder.path()));
        }
        server
    }

    fn set(&self, settings: &str) {
        let port = self.port;
        let file = Path::new(&self.data()).join("postgresql.auto.conf");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off")
            .unwrap();
        writeln!(file, "{settings}").unwrap();
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// The superuser's URL.
    pub(crate) fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The same database's URL for another role.
    pub(crate) fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@{}/postgres", self.address())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Starts it.
    pub(crate) fn start(&self) {
        self.start_at(&Clock::Right);
    }

    /// Starts it with a clock of this kind.
    pub(crate) fn start_at(&self, clock: &Clock) {
        let log = self.folder.path().join("log").display().to_string();
        // Set behind the change of user: what libfaketime shares belongs to whoever loads it first.
        let mut start = as_postgres(Path::new("env"));
        start.args(clock.environment().iter().map(|(name, value)| format!("{name}={value}")));
        start.arg(server_bin().join("pg_ctl")).args(["-D", &self.data(), "-l", &log, "-w", "-t", "60", "start"]);
        run(&mut start);
        until("the server answers", 60, || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop(&self) {
        run(as_postgres(&server_bin().join("pg_ctl")).args(["-D", &self.data(), "-m", "immediate", "-w", "stop"]));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = as_postgres(&server_bin().join("pg_ctl"));
        drop(stop.args(["-D", &self.data(), "-m", "immediate", "-w", "stop"]).output());
    }
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) {
    // A server that inherited a pipe would keep it open.
    let status = command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// Debian keeps the programs of each version apart; the newest version counts, as it does for the server.
pub(crate) fn server_bin() -> PathBuf {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    versions.pop().unwrap().join("bin")
}
