//! A TCP proxy that counts turns, and can lose answers or keep them back.
//!
//! A *turn* is what a client on a slow network pays for: the first bytes it sends after the server has answered. A
//! pipelined group of statements is one turn, however many packets it takes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A running proxy. Dropping it closes every connection through it.
pub struct Proxy {
    address: SocketAddr,
    turns: Turns,
    losing: Arc<AtomicBool>,
    holding: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// The turns of each connection so far, in the order of connecting.
type Turns = Arc<Mutex<Vec<Arc<AtomicU64>>>>;

// === impl Proxy ===

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything to `server`.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let turns = Turns::default();
        let counted = Arc::clone(&turns);
        let losing = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&losing);
        let holding = watch::Sender::new(false);
        let held = holding.subscribe();
        let task = tokio::spawn(async move {
            // Ends with the task: every connection's futures live in this set.
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let own = Arc::new(AtomicU64::new(0));
                counted.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&own));
                open.spawn(pass(client, server, own, Arc::clone(&lost), held.clone()));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, turns, losing, holding, task })
    }

    /// Where clients connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, or no longer: whatever a server answers is lost, and with it the connection. What was asked is done.
    pub fn lose_answers(&self, lose: bool) {
        self.losing.store(lose, Ordering::Relaxed);
    }

    /// From now on, or no longer: whatever a server answers is kept back, and the connection stays.
    pub fn hold_answers(&self, hold: bool) {
        self.holding.send_replace(hold);
    }

    /// Turns of all connections so far, those of connecting included.
    pub fn turns(&self) -> u64 {
        self.each().iter().sum()
    }

    /// Turns of the connection that took the most: the one that works on rows.
    pub fn busiest(&self) -> u64 {
        self.each().into_iter().max().unwrap_or_default()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.each().len()
    }

    fn each(&self) -> Vec<u64> {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    client: TcpStream,
    server: SocketAddr,
    turns: Arc<AtomicU64>,
    losing: Arc<AtomicBool>,
    held: watch::Receiver<bool>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Each write is one packet of its own: what is measured is the client's pipelining, not ours.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The client speaks first.
    let answered = Arc::new(AtomicBool::new(true));
    let (asking, answering) = (Arc::clone(&answered), answered);
    let (_open, never) = watch::channel(false);
    let up = carry(from_client, to_server, never, move || {
        if asking.swap(false, Ordering::Relaxed) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
        true
    });
    let down = carry(from_server, to_client, held, move || {
        answering.store(true, Ordering::Relaxed);
        !losing.load(Ordering::Relaxed)
    });
    // Whichever side closes first ends both.
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Carries bytes from one side to the other, as long as `seen` says so and while they are not `held`.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
    seen: impl Fn() -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if held.wait_for(|held| !held).await.is_err() || !seen() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::Proxy;

    /// Answers every 4 bytes with 4 bytes.
    async fn echo(listener: TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4];
        while stream.read_exact(&mut request).await.is_ok() {
            stream.write_all(&request).await.unwrap();
        }
    }

    async fn turns(pipelined: usize, rounds: usize) -> u64 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(echo(listener));
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut answer = vec![0; 4 * pipelined];
        for _ in 0..rounds {
            client.write_all(&b"ping".repeat(pipelined)).await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, b"ping".repeat(pipelined));
        }
        assert_eq!((proxy.connections(), proxy.busiest()), (1, proxy.turns()));
        proxy.turns()
    }

    #[tokio::test]
    async fn a_lost_answer_closes_the_connection() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(echo(listener));
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut answer = [0; 4];
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
        proxy.lose_answers(true);
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut answer).await.expect_err("the answer came");
    }

    #[tokio::test]
    async fn a_pipelined_group_is_one_turn() {
        assert_eq!(turns(1, 7).await, 7);
        assert_eq!(turns(3, 7).await, 7);
    }
}
