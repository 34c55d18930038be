//! Connections: how many, how long, how much.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, LocalBoxFuture, abortable};
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Site, answer};

/// So many connections are open at once. One more closes the oldest: probes come through, whoever holds the others.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// How long a request may take to arrive, and how long a connection may wait for the next one.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection lives: who reads an answer more slowly than this does without it.
const LIFE_MAX: Duration = Duration::from_secs(60);

/// The most bytes of a request's line and headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most headers of a request.
const HEADERS_MAX: usize = 64;

/// What a connection reads ahead.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

/// How long answers under way may take when the process is to end.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait where no connection can be accepted, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The connections that are open, by their number: the oldest has the lowest.
#[derive(Default)]
struct Open<'a> {
    talks: FuturesUnordered<LocalBoxFuture<'a, u64>>,
    handles: BTreeMap<u64, AbortHandle>,
    next: u64,
}

pub(super) async fn serve(listener: TcpListener, site: &Site<'_>, mut stop: watch::Receiver<bool>) {
    let mut open = Open::default();
    loop {
        tokio::select! {
            () = asked_to_end(&mut stop) => break,
            Some(ended) = open.talks.next() => drop(open.handles.remove(&ended)),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => open.add(talk(stream, site, stop.clone())),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // What is left then is dropped.
    let _late = timeout(GRACE, async { while open.talks.next().await.is_some() {} }).await;
}

/// One connection, from its first request to its last.
async fn talk(stream: TcpStream, site: &Site<'_>, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer::to(&request, site).await) });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIMEOUT)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut life = pin!(sleep(LIFE_MAX));
    let mut ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = asked_to_end(&mut stop), if !ending => {
                connection.as_mut().graceful_shutdown();
                ending = true;
            }
            () = life.as_mut() => return,
        }
    }
}

/// Whoever could ask being gone is asking too.
async fn asked_to_end(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|asked| *asked).await;
}

// === impl Open ===

impl<'a> Open<'a> {
    fn add(&mut self, talk: impl Future<Output = ()> + 'a) {
        if self.handles.len() >= CONNECTIONS_MAX
            && let Some((_, oldest)) = self.handles.pop_first()
        {
            oldest.abort();
        }
        let (number, (talk, handle)) = (self.next, abortable(talk));
        self.next += 1;
        self.handles.insert(number, handle);
        self.talks.push(Box::pin(async move {
            let _given_way = talk.await;
            number
        }));
    }
}
