//! The two servers that the tests work on, and a fresh database for each test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};

/// Which server a test works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    MariaDb,
    MySql,
}

/// The server that the tests of a product work on.
pub(crate) struct Server {
    opts: Opts,
    /// Its unix socket.
    pub(crate) socket: String,
    /// The file with the certificate of the CA that its own is signed by.
    pub(crate) ca: String,
    keeper: Option<(Child, ChildStdin)>,
}

/// What the sessions of the tests are set to: texts are written as in standard SQL, moments in UTC.
const SETUP: &str = "set names utf8mb4, time_zone = '+00:00', sql_mode = \
    'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES', lock_wait_timeout = 60";

/// Without the locks between rows that an application may or may not have.
const ISOLATION: &str = "set session transaction isolation level read committed";

// === impl Product ===

impl Product {
    /// Those whose server is there.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        [Self::MariaDb, Self::MySql].into_iter().filter(|product| product.is_there())
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::MariaDb => ("mariadb", "FORGETD_TEST_MARIADB"),
            Self::MySql => ("mysql", "FORGETD_TEST_MYSQL"),
        }
    }

    /// Whether its server is there: only MySQL's may be missing, where it could not be downloaded.
    pub(crate) fn is_there(self) -> bool {
        self.find().is_some()
    }

    /// Its server, which must be there.
    pub(crate) fn server(self) -> &'static Server {
        self.find().expect("the server")
    }

    /// The one that the variable names, nothing where it is empty, else one of this process.
    fn find(self) -> Option<&'static Server> {
        static SERVERS: [OnceLock<Option<Server>>; 2] = [OnceLock::new(), OnceLock::new()];
        let (name, variable) = self.names();
        let given = |what: &str| std::env::var(format!("{variable}_{what}"));
        let found = SERVERS[usize::from(self == Self::MySql)].get_or_init(|| match given("URL") {
            Ok(url) if url.is_empty() => None,
            Ok(url) => Some(Server {
                opts: Opts::from_url(&url).expect(variable),
                socket: given("SOCKET").unwrap_or_default(),
                ca: given("CA").unwrap_or_default(),
                keeper: None,
            }),
            Err(_) => keep(name).map(|mut servers| servers.remove(0)),
        });
        found.as_ref()
    }
}

/// A server that somebody else keeps.
pub(crate) fn given(url: &str) -> Server {
    Server { opts: Opts::from_url(url).unwrap(), socket: String::new(), ca: String::new(), keeper: None }
}

/// Starts servers of this process. They end when our end of the pipe closes, which the first one holds, however this
/// process ends. Absent: MySQL cannot be had.
pub(crate) fn keep(name: &str) -> Option<Vec<Server>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stages/keep.sh");
    let mut bash = Command::new("bash");
    let mut keeper = bash.arg(script).arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
    let input = keeper.stdin.take().unwrap();
    let lines = BufReader::new(keeper.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
    let parts = |name: &str| {
        let found = said.iter().filter_map(|line| line.strip_prefix(name)).map(str::to_owned);
        found.collect::<Vec<String>>().into_iter().map(Some).chain(std::iter::repeat(None))
    };
    let urls = said.iter().filter_map(|line| line.strip_prefix("url "));
    let mut servers: Vec<Server> = urls
        .zip(parts("socket ").zip(parts("ca ")))
        .map(|(url, (socket, ca))| Server {
            opts: Opts::from_url(url).unwrap(),
            socket: socket.unwrap_or_default(),
            ca: ca.unwrap_or_default(),
            keeper: None,
        })
        .collect();
    let Some(first) = servers.first_mut() else {
        let code = keeper.wait().unwrap().code();
        assert_eq!((name, code), ("mysql", Some(77)), "the server did not start");
        return None;
    };
    first.keeper = Some((keeper, input));
    Some(servers)
}

// === impl Server ===

impl Server {
    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        use std::net::ToSocketAddrs as _;
        (self.opts.ip_or_hostname(), self.opts.tcp_port()).to_socket_addrs().unwrap().next().unwrap()
    }

    /// A URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as(self.opts.user().unwrap_or("root"), self.opts.pass().unwrap_or_default(), database)
    }

    /// The same for another account.
    pub(crate) fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let place = format!("{}:{}", self.opts.ip_or_hostname(), self.opts.tcp_port());
        format!("mysql://{}@{place}/{database}", account(user, password))
    }

    /// The same through a proxy.
    pub(crate) fn url_at(&self, address: SocketAddr, database: &str) -> String {
        let (user, password) = (self.opts.user().unwrap_or("root"), self.opts.pass().unwrap_or_default());
        format!("mysql://{}@{address}/{database}", account(user, password))
    }

    /// A session as an application has it.
    pub(crate) async fn session(&self, database: Option<&str>) -> Conn {
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .db_name(database)
            .prefer_socket(false)
            .stmt_cache_size(0)
            .setup(vec![SETUP.to_owned(), ISOLATION.to_owned()]);
        Conn::new(opts).await.unwrap()
    }

    /// The name of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("it_{}_{number}", std::process::id());
        let mut session = self.session(None).await;
        if number < 2 {
            drop_abandoned(&mut session).await;
        }
        let made = format!("create database {name} character set utf8mb4 collate utf8mb4_bin");
        session.query_drop(made).await.unwrap();
        name
    }

    /// Drops a test's database, and the one with its control tables. Whoever still works on them loses the session: its
    /// end may wait for the very thread that waits for this.
    pub(crate) async fn drop_database(&self, name: &str) {
        let mut session = self.session(None).await;
        let list = format!("select id from information_schema.processlist where db in ('{name}', '{name}_forgetd')");
        let left: Vec<u64> = session.query(list).await.unwrap();
        for id in left {
            // It may have ended by itself.
            drop(session.query_drop(format!("kill {id}")).await);
        }
        let text = format!("drop database if exists {name}; drop database if exists {name}_forgetd");
        session.query_drop(text).await.unwrap();
    }
}

/// As a URL has it: without a password where there is none.
pub(crate) fn account(user: &str, password: &str) -> String {
    if password.is_empty() { user.to_owned() } else { format!("{user}:{password}") }
}

/// Drops the databases of processes that are gone: they leave theirs when a test fails.
async fn drop_abandoned(session: &mut Conn) {
    let names: Vec<String> = session.query(r"show databases like 'it\_%'").await.unwrap();
    for name in names {
        let process = name.split('_').nth(1).unwrap_or_default();
        if process.bytes().all(|byte| byte.is_ascii_digit()) && !std::path::Path::new("/proc").join(process).exists() {
            // Another process may have dropped it meanwhile.
            session.query_drop(format!("drop database if exists {name}")).await.unwrap();
        }
    }
}
