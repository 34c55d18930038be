//! A network with a delay. Blocking threads, because the kernel wakes them within a tenth of a millisecond; a runtime's
//! timer counts whole ones, and would double the delay.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Chunks under way in one direction; beyond it the sender waits, as on a real network.
const CHUNKS_MAX: usize = 256;

/// Passes everything to a server, each direction late, for as long as the process lives.
pub(crate) struct Network {
    address: SocketAddr,
}

impl Network {
    /// Listens on a free port and passes everything to `server`, each direction `delay` late.
    pub(crate) fn start(server: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                carry(client.try_clone().unwrap(), server.try_clone().unwrap(), delay);
                carry(server, client, delay);
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Carries bytes from one side to the other, each chunk `delay` after it came in.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    to.set_nodelay(true).unwrap();
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    });
    spawn(move || {
        for (due, bytes) in receiver {
            sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        // The other side is told that nothing more comes; it may be gone already.
        drop(to.shutdown(Shutdown::Write));
    });
}
