//! Whether a pooler stands between us and the server, for the operator to know, and to be modest with its
//! connections; nothing that must be right depends on the answer.
//!
//! A server announces the number of its process when a session begins, for requests to cancel. A pooler announces a
//! number of its own. The driver keeps the number to itself but writes it into such a request, so one is written into
//! memory and read there; it never leaves the process.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The bytes of a request to cancel: length, code, process, secret.
const REQUEST_LEN: usize = 16;

/// The process that was announced when the session began.
pub(crate) async fn announced_process(token: &CancelToken) -> Option<i32> {
    let (near, mut far) = duplex(64);
    // Where TLS is asked for, the answer is yes, and the handshake below does nothing.
    far.write_all(b"S").await.ok()?;
    let mut bytes = vec![];
    let read = async {
        let read = far.read_to_end(&mut bytes).await;
        drop(far);
        read
    };
    let (sent, read) = futures_util::future::join(token.cancel_query_raw(near, Bare), read).await;
    sent.ok()?;
    read.ok()?;
    let request = bytes.last_chunk::<REQUEST_LEN>()?;
    let process: [u8; 4] = request[8..12].try_into().ok()?;
    Some(i32::from_be_bytes(process))
}

/// A handshake that does nothing.
struct Bare;

/// The stream as it was.
struct Unchanged(DuplexStream);

impl TlsConnect<DuplexStream> for Bare {
    type Stream = Unchanged;
    type Error = io::Error;
    type Future = Ready<Result<Unchanged, io::Error>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Unchanged(stream)))
    }
}

impl TlsStream for Unchanged {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Unchanged {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unchanged {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
