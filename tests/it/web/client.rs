//! A server with a board, and a client of a few lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use forgetd::board::Board;
use forgetd::http::{self, Evidence};
use forgetd::telemetry::metrics::Metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A log that holds what it was given, and remembers what it was asked for.
#[derive(Default)]
pub(super) struct Log {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) asked: Mutex<Vec<String>>,
}

#[async_trait(?Send)]
impl Evidence for Log {
    async fn object(&self, path: &str) -> Option<Vec<u8>> {
        self.asked.lock().unwrap().push(path.into());
        self.files.get(path).cloned()
    }
}

/// A server while a test goes on beside it.
pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) board: watch::Sender<Board>,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) stop: watch::Sender<bool>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// Runs `test` beside a server with this board.
pub(super) async fn beside<T>(board: Board, test: impl AsyncFnOnce(&Server) -> T) -> T {
    beside_log(board, Log::default(), test).await
}

/// The same with a log.
pub(super) async fn beside_log<T>(board: Board, log: Log, test: impl AsyncFnOnce(&Server) -> T) -> T {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (board, reads) = watch::channel(board);
    let (stop, stopped) = watch::channel(false);
    let server = Server { at, board, metrics: Metrics::new().unwrap(), log, stop };
    let tested = async {
        let found = test(&server).await;
        server.stop.send_replace(true);
        found
    };
    tokio::join!(tested, http::serve(listener, reads, &server.metrics, &server.log, stopped)).0
}

// === impl Server ===

impl Server {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// A request with these header lines, each with its line end.
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect().await;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::read(&bytes)
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.into())).collect();
        Self { status, headers, body: body.into() }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
