//! Counts what is asked of a server, by the names of the commands, and how long its answers take.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Instant;

/// Sent by the driver itself, beside all work.
const OF_THE_DRIVER: [&str; 3] = ["hello", "ping", "endSessions"];

/// Those that took most of the time.
const TOLD: usize = 8;

/// The length, two identifiers and the kind of a message; then its flags, the kind of its first section, and the length and the
/// first type of the document in it.
const HEAD: usize = 16;
const TO_NAME: usize = HEAD + 4 + 1 + 4 + 1;

/// Commands of one name.
#[derive(Clone, Copy, Default)]
struct Asked {
    times: u32,
    seconds: f64,
}

/// The type of a text in a document.
const TEXT: u8 = 2;

type Counts = Arc<Mutex<BTreeMap<String, Asked>>>;

/// What was asked on a connection and is not answered yet.
type Open = Arc<Mutex<Option<(String, Instant)>>>;

/// Passes everything to a server, for as long as the process lives.
pub(crate) struct Counter {
    address: SocketAddr,
    counts: Counts,
}

// === impl Counter ===

impl Counter {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Counts::default();
        let shared = Arc::clone(&counts);
        spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let (answers, asked) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (open, counts) = (Open::default(), Arc::clone(&shared));
                let answered = Arc::clone(&open);
                spawn(move || questions(asked, server, &open));
                spawn(move || answers_of(answers, client, &answered, &counts));
            }
        });
        Self { address, counts }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns a batch; those of the run's beginning and end are shared out among all.
    pub(crate) fn told(&self, batches: u64) -> String {
        let counts = self.counts.lock().unwrap();
        let asked = counts.iter().filter(|(name, _)| !OF_THE_DRIVER.iter().any(|own| name.starts_with(own)));
        #[allow(clippy::cast_precision_loss, reason = "turns")]
        let batches = batches as f64;
        let all: f64 = asked.clone().map(|(_, asked)| f64::from(asked.times)).sum();
        let whole: f64 = asked.clone().map(|(_, asked)| asked.seconds).sum();
        let mut most: Vec<(&String, &Asked)> = asked.collect();
        most.sort_by(|one, other| other.1.seconds.total_cmp(&one.1.seconds));
        let told = |(name, asked): &(&String, &Asked)| {
            let each_ms = asked.seconds * 1_000.0 / f64::from(asked.times);
            format!("{name} {:.2} of {each_ms:.1} ms", f64::from(asked.times) / batches)
        };
        let most: Vec<String> = most.iter().take(TOLD).map(told).collect();
        format!("{:.2} turns a batch, {whole:.2} s in all ({})", all / batches, most.join(", "))
    }
}

fn questions(mut from: TcpStream, mut to: TcpStream, open: &Open) {
    to.set_nodelay(true).unwrap();
    let mut head = [0; 4];
    while from.read_exact(&mut head).is_ok() {
        let mut message = vec![0; u32::from_le_bytes(head) as usize];
        message[..4].copy_from_slice(&head);
        if from.read_exact(&mut message[4..]).is_err() {
            break;
        }
        *open.lock().unwrap() = name(&message).map(|name| (name, Instant::now()));
        if to.write_all(&message).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// The command's and the collection's, where a message is of the kind that has them.
fn name(message: &[u8]) -> Option<String> {
    let text = |at: usize| {
        let text: Vec<u8> = message.get(at..)?.iter().copied().take_while(|byte| *byte != 0).collect();
        String::from_utf8(text).ok()
    };
    let name = text(TO_NAME)?;
    let is_text = message[TO_NAME - 1] == TEXT;
    let collection = text(TO_NAME + name.len() + 1 + 4).filter(|_| is_text);
    Some(format!("{name} {}", collection.unwrap_or_default()).trim_end().to_owned())
}

fn answers_of(mut from: TcpStream, mut to: TcpStream, open: &Open, counts: &Counts) {
    to.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        // The first bytes of an answer; the rest follows at once.
        if let Some((name, asked)) = open.lock().unwrap().take() {
            let mut counts = counts.lock().unwrap();
            let of_name = counts.entry(name).or_default();
            of_name.times += 1;
            of_name.seconds += asked.elapsed().as_secs_f64();
        }
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}
