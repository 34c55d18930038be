//! A man in the middle who reads MongoDB's messages: what a real server does when something breaks in the middle of a write
//! to several documents, and FerretDB never does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mongodb::bson::{Bson, Document, doc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trick {
    /// A part of it is done, and the primary steps down.
    PartThenFailover,
    /// A part of it is done, and the server says so inside a success.
    PartThenWriteError,
    /// All of it is done, and the answer is lost.
    AnswerLost,
    /// All of it is done, and no majority confirms it.
    Unconfirmed,
}

/// Where a message's first document begins.
const HEAD: usize = 21;

/// The code of what speaks documents.
const OP_MSG: i32 = 2013;

/// The collection whose documents are changed.
const ITEMS: &str = "item";

/// What writes.
const WRITES: [&str; 4] = ["delete", "update", "insert", "findAndModify"];

type Shared = Arc<Mutex<State>>;

#[derive(Default)]
struct State {
    next: Option<Trick>,
    mischief: Option<Mischief>,
    /// Requests whose answers are tricked, by their numbers.
    pending: BTreeMap<i32, Trick>,
    played: BTreeMap<Trick, u64>,
}

/// Tricks at random.
#[derive(Clone, Copy)]
struct Mischief {
    dice: u64,
    one_in: u64,
}

/// A running one.
pub(crate) struct Middleman {
    pub(crate) address: SocketAddr,
    state: Shared,
    task: tokio::task::JoinHandle<()>,
}

// === impl Middleman ===

impl Middleman {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Shared::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                open.spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::select! {
                        () = carry(from_client, to_server, |message| asked(message, &shared)) => {}
                        () = carry(from_server, to_client, |message| answered(message, &shared)) => {}
                    }
                });
            }
        });
        Self { address, state, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays the trick on the next write to several documents, of which it lets half be done.
    pub(crate) fn play(&self, trick: Trick) {
        self.state().next = Some(trick);
    }

    /// From now on plays tricks on one write in so many, drawn by this seed; of a write to several documents it lets any
    /// part be done.
    pub(crate) fn meddle(&self, seed: u64, one_in: u64) {
        self.state().mischief = Some(Mischief { dice: seed | 1, one_in });
    }

    /// Plays no more tricks; says how often it played which on writes to several documents since it was asked last.
    pub(crate) fn rest(&self) -> BTreeMap<Trick, u64> {
        let mut state = self.state();
        state.mischief = None;
        std::mem::take(&mut state.played)
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries whole messages as `change` makes them, until it says none.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
    loop {
        let mut length = [0; 4];
        if from.read_exact(&mut length).await.is_err() {
            return;
        }
        let size = usize::try_from(i32::from_le_bytes(length)).unwrap();
        let mut message = length.to_vec();
        message.resize(size, 0);
        if from.read_exact(&mut message[4..]).await.is_err() {
            return;
        }
        let Some(message) = change(message) else { return };
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

fn number(message: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(message[at..at + 4].try_into().unwrap())
}

/// The document of a message that has one.
fn body(message: &[u8]) -> Option<Document> {
    let whole = number(message, 12) == OP_MSG && message.get(HEAD - 1) == Some(&0);
    whole.then(|| Document::from_reader(&message[HEAD..]).ok())?
}

/// The same message with another document.
fn with(message: &[u8], body: &Document) -> Vec<u8> {
    let mut new = message[..HEAD].to_vec();
    new.extend(body.to_vec().unwrap());
    let length = i32::try_from(new.len()).unwrap();
    new[..4].copy_from_slice(&length.to_le_bytes());
    new
}

fn asked(message: Vec<u8>, state: &Shared) -> Option<Vec<u8>> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.next.is_none() && state.mischief.is_none() {
        return Some(message);
    }
    let Some(mut command) = body(&message) else { return Some(message) };
    let Some(write) = WRITES.into_iter().find(|name| command.contains_key(*name)) else { return Some(message) };
    let statements = ["deletes", "updates"].into_iter().find(|name| command.contains_key(*name));
    let several = statements.filter(|_| command.get_str(write).is_ok_and(|collection| collection == ITEMS));
    let Some((trick, part)) = state.drawn(several.is_some()) else { return Some(message) };
    state.pending.insert(number(&message, 4), trick);
    let Some(name) = several else { return Some(message) };
    *state.played.entry(trick).or_default() += 1;
    if matches!(trick, Trick::AnswerLost | Trick::Unconfirmed) {
        return Some(message);
    }
    let statements = command.get_array_mut(name).unwrap();
    match statements.len() {
        1 => cut(statements[0].as_document_mut().unwrap().get_document_mut("q").unwrap(), part),
        // A command of no statements is none.
        many => statements.truncate(of(many, part).max(1)),
    }
    Some(with(&message, &command))
}

// === impl State ===

impl State {
    /// The trick to play on a write, and the part of it that is done, in thousandths. Only a write to several documents can
    /// be done in part.
    fn drawn(&mut self, several: bool) -> Option<(Trick, u64)> {
        if several && let Some(trick) = self.next.take() {
            return Some((trick, 500));
        }
        let mischief = self.mischief.as_mut()?;
        if mischief.below(mischief.one_in) != 0 {
            return None;
        }
        let trick = match mischief.below(if several { 4 } else { 2 }) {
            0 => Trick::AnswerLost,
            1 => Trick::Unconfirmed,
            2 => Trick::PartThenFailover,
            _ => Trick::PartThenWriteError,
        };
        Some((trick, mischief.below(1_001)))
    }
}

// === impl Mischief ===

impl Mischief {
    fn below(&mut self, below: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 16) % below.max(1)
    }
}

fn of(all: usize, part: u64) -> usize {
    all * usize::try_from(part).unwrap() / 1_000
}

/// Leaves a part of the keys that a filter names.
fn cut(filter: &mut Document, part: u64) {
    for (name, value) in filter.iter_mut() {
        match value {
            Bson::Array(keys) if name == "$in" => keys.truncate(of(keys.len(), part)),
            Bson::Array(parts) => {
                parts.iter_mut().filter_map(Bson::as_document_mut).for_each(|inner| cut(inner, part));
            }
            Bson::Document(inner) => cut(inner, part),
            _ => {}
        }
    }
}

fn answered(message: Vec<u8>, state: &Shared) -> Option<Vec<u8>> {
    let trick = state.lock().unwrap_or_else(PoisonError::into_inner).pending.remove(&number(&message, 8));
    let (Some(trick), Some(mut reply)) = (trick, body(&message)) else { return Some(message) };
    match trick {
        Trick::AnswerLost => return None,
        Trick::PartThenFailover => {
            reply = doc! { "ok": 0.0, "code": 11602, "codeName": "InterruptedDueToReplStateChange", "errmsg": "stepping down" };
        }
        Trick::PartThenWriteError => {
            reply.insert("writeErrors", vec![doc! { "index": 0, "code": 11601, "errmsg": "interrupted" }]);
        }
        Trick::Unconfirmed => {
            reply.insert("writeConcernError", doc! { "code": 64, "errmsg": "waiting for replication timed out" });
        }
    }
    Some(with(&message, &reply))
}
