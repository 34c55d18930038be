//! One server for all tests of the process, and a fresh database for each test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

/// The server that the tests work on.
pub(crate) struct Server {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    /// The folder with its sockets and the CA, if the server is our own.
    pub(crate) folder: Option<String>,
    _keeper: Option<(Child, ChildStdin)>,
}

// === impl Server ===

impl Server {
    /// `FORGETD_TEST_POSTGRES_URL` if it is set (a superuser's), else a server of our own that ends with the process.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var("FORGETD_TEST_POSTGRES_URL") {
            Ok(url) => Self::given(&url),
            Err(_) => Self::own(),
        })
    }

    /// A server with TLS by a private CA; the tests of TLS and sockets need to know it.
    pub(crate) fn own_with_tls() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::own)
    }

    /// A server of one test's own: what goes on there concerns nobody else.
    pub(crate) fn of_its_own() -> Self {
        Self::own()
    }

    fn given(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().expect("FORGETD_TEST_POSTGRES_URL");
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a URL with a TCP host") };
        Self {
            host: host.clone(),
            port: config.get_ports().first().copied().unwrap_or(5432),
            user: config.get_user().unwrap_or("postgres").into(),
            password: config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            folder: None,
            _keeper: None,
        }
    }

    fn own() -> Self {
        let port = free_port();
        let mut child = Command::new("bash")
            .args(["-c", include_str!("postgres.sh"), "keeper", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut folder = None;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| {
            let line = line.unwrap();
            if let Some(path) = line.strip_prefix("socket ") {
                folder = Some(path.to_owned());
            }
            line == "ready"
        });
        assert!(ready, "the server did not start");
        Self {
            host: "127.0.0.1".into(),
            port,
            user: "postgres".into(),
            password: None,
            folder,
            _keeper: Some((child, input)),
        }
    }

    /// Its major version.
    pub(crate) async fn version(&self) -> u32 {
        let session = session(&self.url("postgres")).await;
        let number: &str = "select current_setting('server_version_num')::int4 / 10000";
        session.query_one(number, &[]).await.unwrap().get::<_, i32>(0).unsigned_abs()
    }

    /// Its address.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        use std::net::ToSocketAddrs as _;
        (self.host.as_str(), self.port).to_socket_addrs().unwrap().next().unwrap()
    }

    /// A URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as(&self.user, database)
    }

    /// The same for a role without a password.
    pub(crate) fn url_as(&self, role: &str, database: &str) -> String {
        let secret = match &self.password {
            Some(password) if role == self.user => format!(":{password}"),
            _ => String::new(),
        };
        format!("postgres://{role}{secret}@{}:{}/{database}", self.host, self.port)
    }

    /// The name of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        session(&self.url("postgres")).await.batch_execute(&format!("create database {name}")).await.unwrap();
        name
    }
}

/// A session as an application has it.
pub(crate) async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// A port that nobody listens on right now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
