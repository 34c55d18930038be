//! Databases on a MariaDB and on a MySQL server: those that `./test` started, else ones of this process.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};
use url::Url;

use super::{Cluster, Database, Roles, Rows};

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    MariaDb,
    MySql,
}

/// A database of the test's own, on a server shared by all tests of the process. Its control tables are in another
/// database of the test's own.
pub(crate) struct Mysql {
    product: Product,
    name: String,
    url: Url,
    roles: RefCell<Vec<String>>,
    session: MysqlSession,
}

/// One connection, for a test that needs to hold something open. It only lives while it is asked.
pub(crate) struct MysqlSession {
    runtime: tokio::runtime::Runtime,
    conn: RefCell<Conn>,
}

/// Long tables of numbers, and statements as the other engines write them.
const SETTINGS: &str = "set time_zone = '+00:00', sql_mode = concat(@@sql_mode, ',ANSI_QUOTES,PIPES_AS_CONCAT')";

// === impl Mysql ===

impl Mysql {
    /// An empty database on each of the servers that are there.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        Product::there().map(Self::on)
    }

    /// An empty database on this server, which must be there.
    pub(crate) fn on(product: Product) -> Self {
        Self::at(product, product.server().expect("the server is there"))
    }

    /// An empty database on the first node of this cluster, whose reads see what was committed on any of them; none where
    /// it could not be downloaded.
    pub(crate) fn on_nodes(cluster: Cluster) -> Option<Self> {
        let database = Self::at(cluster.product(), &cluster.servers()?.urls[0]);
        database.exec(cluster.causal());
        Some(database)
    }

    fn at(product: Product, server: &Url) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("live_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        MysqlSession::connect(product, server).exec(&format!("create database {name} character set utf8mb4"));
        let mut url = server.clone();
        url.set_path(&name);
        let session = MysqlSession::connect(product, &url);
        Self { product, name, url, roles: RefCell::default(), session }
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the control tables' database.
    pub(crate) fn control_name(&self) -> String {
        format!("{}_forgetd", self.name)
    }

    /// The URL for connecting at another port of this machine: a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        let mut url = self.url.clone();
        url.set_port(Some(port)).expect("a URL with a host");
        url.into()
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.url.socket_addrs(|| None).expect("an address")[0]
    }

    /// One more connection as the administrator.
    pub(crate) fn session(&self) -> MysqlSession {
        MysqlSession::connect(self.product, &self.url)
    }

    /// A connection as a role.
    pub(crate) fn session_as(&self, role: &str) -> MysqlSession {
        MysqlSession::connect(self.product, &Url::parse(&self.url_as(role)).expect("a URL"))
    }
}

impl Database for Mysql {
    fn engine(&self) -> &'static str {
        self.product.engine()
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
            "select concat('`', table_name, '`') from information_schema.tables \
             where table_schema = database() and table_type = 'BASE TABLE'",
        );
        rows.into_iter().flatten().flatten().collect()
    }

    fn control_table(&self, name: &str) -> String {
        format!("{}.{name}", self.control_name())
    }

    fn more_control(&self) -> String {
        format!("{}_more", self.name)
    }

    fn schema(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn supposing(&self, statements: &[String], queries: &[String]) -> Vec<Rows> {
        let session = self.session();
        session.exec("begin");
        statements.iter().for_each(|statement| session.exec(statement));
        queries.iter().map(|query| session.rows(query)).collect()
    }
}

impl Roles for Mysql {
    /// It has no password.
    fn role(&self) -> String {
        // 32 letters at most.
        let role = format!("{}_r{}", self.name, self.roles.borrow().len());
        self.exec(&format!("create user {role}@'%'"));
        self.roles.borrow_mut().push(role.clone());
        role
    }

    fn url_as(&self, role: &str) -> String {
        let mut url = self.url.clone();
        url.set_username(role).expect("a URL with a host");
        url.into()
    }
}

impl Drop for Mysql {
    fn drop(&mut self) {
        for name in [&self.name, &self.control_name(), &self.more_control()] {
            drop(self.session.attempt(&format!("drop database if exists {name}")));
        }
        for role in self.roles.borrow().iter() {
            drop(self.session.attempt(&format!("drop user {role}@'%'")));
        }
    }
}

/// The name of the control tables' database where tests share a server: one for each of their databases.
pub(super) fn control_name(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| ["mysql", "mongodb"].contains(&url.scheme()))?;
    Some(format!("{}_forgetd", url.path().trim_start_matches('/')))
}

// === impl MysqlSession ===

impl MysqlSession {
    fn connect(product: Product, url: &Url) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let opts = Opts::from_url(url.as_str()).expect("a URL");
        let numbers = match product {
            Product::MariaDb => "set max_recursive_iterations = 100000000",
            Product::MySql => "set cte_max_recursion_depth = 100000000",
        };
        let opts = OptsBuilder::from_opts(opts).setup(vec![SETTINGS, numbers]).prefer_socket(false);
        let conn = RefCell::new(runtime.block_on(Conn::new(opts)).expect("connect"));
        Self { runtime, conn }
    }

    /// Runs statements.
    #[track_caller]
    pub(crate) fn exec(&self, sql: &str) {
        self.attempt(sql).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    /// Runs statements that may fail.
    pub(crate) fn attempt(&self, sql: &str) -> Result<(), mysql_async::Error> {
        let mut conn = self.conn.borrow_mut();
        self.runtime.block_on(async { conn.query_iter(sql).await?.drop_result().await })
    }

    /// Rows as text; NULL is `None`.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Rows {
        let mut conn = self.conn.borrow_mut();
        let rows: Result<Vec<Row>, _> = self.runtime.block_on(conn.query(sql));
        let rows = rows.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
    }

    /// The session's own number, as the server's list of processes has it.
    pub(crate) fn id(&self) -> u32 {
        self.conn.borrow().id()
    }
}

/// Results of plain statements are texts already; what is no text is shown in digits.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap_or_else(|error| hex::encode(error.as_bytes()))),
        other => Some(other.as_sql(true)),
    }
}

// === The servers ===

/// Servers of a test's own: they are there as long as this is.
pub(crate) struct Servers {
    urls: Vec<Url>,
    pids: Vec<u32>,
    /// Everything that was said of them.
    said: Vec<String>,
    // It stops them when our end of the pipe closes, however this process ends.
    _keeper: Option<(Child, ChildStdin)>,
}

impl Product {
    /// Those whose server is there: MySQL's may be missing, where `./test` could not download it and said so.
    pub(crate) fn there() -> impl Iterator<Item = Self> {
        [Self::MariaDb, Self::MySql].into_iter().filter(|product| product.server().is_some())
    }

    /// Its name as an engine.
    pub(crate) const fn engine(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// The administrator's URL of the server that all tests share; none where it could not be downloaded.
    fn server(self) -> Option<&'static Url> {
        static MARIADB: OnceLock<Option<Servers>> = OnceLock::new();
        static MYSQL: OnceLock<Option<Servers>> = OnceLock::new();
        let (kept, variable, name) = match self {
            Self::MariaDb => (&MARIADB, "FORGETD_TEST_MARIADB_URL", "mariadb"),
            Self::MySql => (&MYSQL, "FORGETD_TEST_MYSQL_URL", "mysql"),
        };
        let given = |url: String| Servers {
            urls: vec![Url::parse(&url).expect(variable)],
            pids: vec![],
            said: vec![],
            _keeper: None,
        };
        let kept = kept.get_or_init(|| match std::env::var(variable) {
            Ok(url) => Some(url).filter(|url| !url.is_empty()).map(given),
            Err(_) => Servers::start(name),
        });
        kept.as_ref().map(|kept| &kept.urls[0])
    }
}

// === impl Servers ===

impl Servers {
    /// What `tests/stages/keep.sh` calls so; none where MySQL could not be downloaded.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stages/keep.sh");
        let mut keeper = Command::new("bash")
            .arg(script)
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let input = keeper.stdin.take().expect("piped");
        let lines = BufReader::new(keeper.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
        let each = |name: &'static str| said.iter().filter_map(move |line| line.strip_prefix(name));
        let urls: Vec<Url> = each("url ").map(|url| Url::parse(url).expect("a URL")).collect();
        let pids = each("pid ").map(|pid| pid.parse().expect("a number")).collect();
        if urls.is_empty() {
            let code = keeper.wait().expect("bash").code();
            assert_eq!(code, Some(77), "the server did not start");
            assert!(["mysql", "ferretdb"].contains(&name), "{name} comes from Debian stable");
            return None;
        }
        Some(Self { urls, pids, said, _keeper: Some((keeper, input)) })
    }

    /// Those that the variable names; none where it names none.
    pub(crate) fn given(variable: &str) -> Option<Self> {
        let urls = std::env::var(variable).ok()?;
        let urls = urls.split(' ').map(|url| Url::parse(url).expect("a URL")).collect();
        Some(Self { urls, pids: vec![], said: vec![], _keeper: None })
    }

    /// An empty database on the first of them, which is a MariaDB.
    pub(crate) fn database(&self) -> Mysql {
        self.database_of(Product::MariaDb)
    }

    /// The same where it is of this product.
    pub(crate) fn database_of(&self, product: Product) -> Mysql {
        Mysql::at(product, &self.urls[0])
    }

    /// The URL of the first.
    pub(crate) fn first(&self) -> &str {
        self.urls[0].as_str()
    }

    /// What was said of the first under this name.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        self.said.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }

    /// The process of the server of this number.
    pub(crate) fn pid(&self, number: usize) -> u32 {
        self.pids[number]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.urls.len()
    }

    /// The same URL on the server of this number.
    pub(crate) fn url(&self, number: usize, url: &str) -> String {
        let mut there = self.urls[number].clone();
        there.set_path(Url::parse(url).expect("a URL").path());
        there.into()
    }

    /// The same database as the server of this number has it.
    pub(crate) fn session(&self, number: usize, database: &Mysql) -> MysqlSession {
        let url = Url::parse(&self.url(number, &database.url())).expect("a URL");
        MysqlSession::connect(database.product, &url)
    }

    /// One connection to the server of this number, which is of this product, and to none of its databases.
    pub(crate) fn administrator(&self, product: Product, number: usize) -> MysqlSession {
        MysqlSession::connect(product, &self.urls[number])
    }

    /// Kills the server of this number.
    pub(crate) fn kill(&self, number: usize) {
        let status = Command::new("kill").arg("-KILL").arg(self.pids[number].to_string()).status().expect("kill");
        assert!(status.success(), "kill {}", self.pids[number]);
    }
}
