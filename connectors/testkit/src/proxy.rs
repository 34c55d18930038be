//! A TCP proxy that counts turns, and that loses, keeps back or swallows what should pass.
//!
//! A *turn* is what a client on a slow network pays for: the first bytes it sends after the server has answered. A
//! pipelined group of statements is one turn, however many packets it takes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long a server does not hear that the other end of a swallowed connection has gone.
const UNHEARD: Duration = Duration::from_secs(30);

/// What becomes of what should pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// All of it arrives.
    #[default]
    Up,
    /// Whatever a server answers is lost, and with it the connection. What was asked is done.
    AnswersLost,
    /// Whatever a server answers is kept back until this changes, and the connection stays.
    AnswersHeld,
    /// Nothing arrives on either side until this changes; then all of it does, the ends of connections too.
    Held,
    /// Half open: connections are taken, and nothing passes. A connection that lost a byte so is dead for ever, and neither
    /// side hears of it.
    Swallowed,
    /// Connections end, and no new one lasts.
    Refused,
}

/// A running proxy. Dropping it closes every connection through it.
pub struct Proxy {
    address: SocketAddr,
    turns: Turns,
    way: Way,
    task: tokio::task::JoinHandle<()>,
}

/// The turns of each connection so far, in the order of connecting.
type Turns = Arc<Mutex<Vec<Arc<AtomicU64>>>>;

/// Where everything goes, and what becomes of it on the way.
#[derive(Clone)]
struct Way {
    server: watch::Sender<SocketAddr>,
    link: watch::Sender<Link>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

// === impl Proxy ===

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything to `server`.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let turns = Turns::default();
        let counted = Arc::clone(&turns);
        let way = Way { server: watch::Sender::new(server), link: watch::Sender::default() };
        let own_way = way.clone();
        let task = tokio::spawn(async move {
            // Ends with the task: every connection's futures live in this set.
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let own = Arc::new(AtomicU64::new(0));
                counted.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&own));
                open.spawn(pass(client, own_way.clone(), own));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, turns, way, task })
    }

    /// Where clients connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of everything from now on.
    pub fn set(&self, link: Link) {
        self.way.link.send_replace(link);
    }

    /// Connections from now on go to this server.
    pub fn lead_to(&self, server: SocketAddr) {
        self.way.server.send_replace(server);
    }

    /// Turns of all connections so far, those of connecting included.
    pub fn turns(&self) -> u64 {
        self.each().iter().sum()
    }

    /// Turns of the connection that took the most: the one that works on rows.
    pub fn busiest(&self) -> u64 {
        self.each().into_iter().max().unwrap_or_default()
    }

    /// Connections so far, also those that did not last.
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

async fn pass(client: TcpStream, way: Way, turns: Arc<AtomicU64>) {
    let mut link = way.link.subscribe();
    // Whoever connects where nothing passes speaks to nobody, now or later.
    let dead = Arc::new(AtomicBool::new(*link.borrow() == Link::Swallowed));
    drop(link.wait_for(|link| *link != Link::Held).await);
    if *link.borrow() == Link::Refused {
        return;
    }
    let server = *way.server.borrow();
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
    let up = Carrier { side: Side::Client, link: link.clone(), dead: Arc::clone(&dead) };
    let up = up.carry(from_client, to_server, move || {
        if asking.swap(false, Ordering::Relaxed) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
    });
    let down = Carrier { side: Side::Server, link: link.clone(), dead };
    let down = down.carry(from_server, to_client, move || answering.store(true, Ordering::Relaxed));
    // Whichever side closes first ends both.
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = link.wait_for(|link| *link == Link::Refused) => {}
    }
}

/// One direction of a connection.
struct Carrier {
    side: Side,
    link: watch::Receiver<Link>,
    /// Bytes of the connection were swallowed.
    dead: Arc<AtomicBool>,
}

impl Carrier {
    /// Carries bytes from one side to the other, as the link lets it.
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: impl Fn()) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            let side = self.side;
            let kept_back = |link: &Link| *link == Link::Held || (*link == Link::AnswersHeld && side == Side::Server);
            let Ok(link) = self.link.wait_for(|link| !kept_back(link)).await.map(|link| *link) else { return };
            if link == Link::Swallowed {
                self.dead.store(true, Ordering::Relaxed);
            }
            let dead = self.dead.load(Ordering::Relaxed);
            match (read, side) {
                // The other side's end is never heard of.
                (0, Side::Server) if dead => std::future::pending().await,
                (0, Side::Client) if dead => return sleep(UNHEARD).await,
                (0, _) => return,
                _ if dead => continue,
                _ => {}
            }
            seen();
            let lost = link == Link::AnswersLost && side == Side::Server;
            if lost || to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::{Link, Proxy};

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
        let (proxy, mut client, mut answer) = spoken().await;
        proxy.set(Link::AnswersLost);
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut answer).await.expect_err("the answer came");
    }

    /// A client that has spoken once, and its proxy.
    async fn spoken() -> (Proxy, TcpStream, [u8; 4]) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(echo(listener));
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut answer = [0; 4];
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
        (proxy, client, answer)
    }

    #[tokio::test]
    async fn what_is_held_arrives_later_and_what_is_swallowed_never_does() {
        let (proxy, mut client, mut answer) = spoken().await;
        proxy.set(Link::Held);
        client.write_all(b"pong").await.unwrap();
        timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await.expect_err("it came at once");
        proxy.set(Link::Up);
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"pong");
        proxy.set(Link::Swallowed);
        client.write_all(b"lost").await.unwrap();
        timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await.expect_err("it came");
        proxy.set(Link::Up);
        client.write_all(b"more").await.unwrap();
        timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await.expect_err("a dead one speaks");
    }

    #[tokio::test]
    async fn refused_connections_end() {
        let (proxy, mut client, mut answer) = spoken().await;
        proxy.set(Link::Refused);
        client.read_exact(&mut answer).await.expect_err("it goes on");
        let mut another = TcpStream::connect(proxy.address()).await.unwrap();
        another.read_exact(&mut answer).await.expect_err("it lasts");
        assert_eq!(proxy.connections(), 2);
    }

    #[tokio::test]
    async fn a_pipelined_group_is_one_turn() {
        assert_eq!(turns(1, 7).await, 7);
        assert_eq!(turns(3, 7).await, 7);
    }
}
