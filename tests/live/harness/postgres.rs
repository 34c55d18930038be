//! Databases on one PostgreSQL server: the one `./test` started, else one of this process.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use url::Url;

use super::{Database, Roles, Rows};

/// The server's log, as the server itself finds it.
const LOG: &str = "current_setting('data_directory') || '/../log'";

/// A database of the test's own, on a server shared by all tests of the process.
pub(crate) struct Postgres {
    name: String,
    url: Url,
    roles: RefCell<Vec<String>>,
    session: Session,
}

/// One connection, for a test that needs to hold something open. It only lives while it is asked.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

// === impl Postgres ===

impl Postgres {
    /// An empty database.
    pub(crate) fn database() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("live_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Session::connect(server()).exec(&format!("create database {name}"));
        let mut url = server().clone();
        url.set_path(&name);
        let session = Session::connect(&url);
        Self { name, url, roles: RefCell::default(), session }
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The URL for connecting at another port of this machine: a pooler or a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        let mut url = self.url.clone();
        url.set_port(Some(port)).expect("a URL with a host");
        url.into()
    }

    /// One more connection as the superuser.
    pub(crate) fn session(&self) -> Session {
        Session::connect(&self.url)
    }

    /// How far the server's log goes.
    pub(crate) fn log_end(&self) -> u64 {
        self.count(&format!("select size from pg_stat_file({LOG})"))
    }

    /// The server's log behind this place. It lies beside the data, whoever started the server.
    pub(crate) fn log_from(&self, start: u64) -> String {
        self.value(&format!("select pg_read_file({LOG}, {start}, 1000000000)"))
    }

    /// Where the server listens.
    pub(crate) fn address() -> std::net::SocketAddr {
        let addresses = server().socket_addrs(|| None).expect("an address");
        addresses[0]
    }
}

impl Database for Postgres {
    fn engine(&self) -> &'static str {
        "postgres"
    }

    fn url(&self) -> String {
        self.url.clone().into()
    }

    fn exec(&self, sql: &str) {
        self.session.exec(sql);
    }

    fn rows(&self, sql: &str) -> Rows {
        self.session.rows(sql)
    }

    fn tables(&self) -> Vec<String> {
        let rows = self.rows(
            "select format('%I.%I', n.nspname, c.relname) \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'm') and n.nspname !~ '^pg_|^information_schema$|^forgetd$'",
        );
        rows.into_iter().flatten().flatten().collect()
    }

    fn control_table(&self, name: &str) -> String {
        format!("forgetd.{name}")
    }

    fn supposing(&self, statements: &[String], queries: &[String]) -> Vec<Rows> {
        let session = self.session();
        session.exec("begin");
        statements.iter().for_each(|statement| session.exec(statement));
        queries.iter().map(|query| session.rows(query)).collect()
    }
}

impl Roles for Postgres {
    fn role(&self) -> String {
        let role = format!("{}_r{}", self.name, self.roles.borrow().len());
        self.exec(&format!("create role {role} login"));
        self.roles.borrow_mut().push(role.clone());
        role
    }

    fn url_as(&self, role: &str) -> String {
        let mut url = self.url.clone();
        url.set_username(role).expect("a URL with a host");
        url.into()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let admin = Session::connect(server());
        for role in self.roles.borrow().iter() {
            drop(self.session.attempt(&format!("drop owned by {role} cascade")));
        }
        drop(admin.attempt(&format!("drop database {} with (force)", self.name)));
        for role in self.roles.borrow().iter() {
            drop(admin.attempt(&format!("drop role {role}")));
        }
    }
}

// === impl Session ===

impl Session {
    /// Connects.
    pub(crate) fn connect(url: &Url) -> Self {
        Self::try_connect(url).expect("connect")
    }

    fn try_connect(url: &Url) -> Result<Self, tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// Connects to a URL given as text, where the server takes one more.
    pub(crate) fn try_open(url: &str) -> Option<Self> {
        Self::try_connect(&Url::parse(url).expect("a URL")).ok()
    }

    /// Connects to a URL given as text.
    pub(crate) fn open(url: &str) -> Self {
        Self::connect(&Url::parse(url).expect("a URL"))
    }

    /// Runs statements.
    #[track_caller]
    pub(crate) fn exec(&self, sql: &str) {
        self.attempt(sql).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    /// Runs statements that may fail.
    pub(crate) fn attempt(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// Rows as text; NULL is `None`.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Rows {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect()),
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }
}

// === The server ===

/// A cluster of this process. Its keeper stops it when our end of the pipe closes, however this process ends.
struct Cluster {
    url: Url,
    _keeper: Option<(Child, ChildStdin)>,
}

/// The superuser's URL.
fn server() -> &'static Url {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    &SERVER
        .get_or_init(|| match std::env::var("FORGETD_TEST_POSTGRES_URL") {
            Ok(url) => Cluster { url: Url::parse(&url).expect("FORGETD_TEST_POSTGRES_URL"), _keeper: None },
            Err(_) => own_cluster(),
        })
        .url
}

fn own_cluster() -> Cluster {
    let port = free_port();
    let keeper = keep(include_str!("postgres.sh"), &[&port.to_string()]);
    let url = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).expect("a URL");
    Cluster { url, _keeper: Some(keeper) }
}

/// A port that nobody listens on right now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Runs a script that starts a server, says `ready`, and stops the server when its input ends.
pub(super) fn keep(script: &str, args: &[&str]) -> (Child, ChildStdin) {
    let mut child = Command::new("bash")
        .arg("-c")
        .arg(script)
        .arg("keeper")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line == "ready"));
    assert!(ready, "the server did not start");
    (child, stdin)
}
