//! The connections of clients, bounded: how many there are, and how long one may take to begin.
//!
//! A connection needs a file descriptor and a task before anything is known of its client. So there is a maximum, and
//! a connection that does not send the beginning of HTTP/2 in time is closed. Some connections above the maximum are
//! accepted, so that their calls are answered with RESOURCE_EXHAUSTED: a client that finds its connection closed does not
//! know why, and connects again. A connection without a call stays open:
//! the pools of BI tools keep theirs for hours, and the keep-alive pings find those whose client is gone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use super::first_contact::OtherProtocol;
use crate::flight::ConnectionSessions;

/// What HTTP/2 begins with: the preface (24 bytes), and the header of a SETTINGS frame (9 bytes).
const BEGINNING: usize = 24 + 9;

/// The pause after a connection could not be accepted. Without file descriptors every attempt fails at once.
const PAUSE: Duration = Duration::from_millis(100);

/// The maximum number of connections whose calls are refused. Further ones are closed at once.
const REFUSED: usize = 64;

/// How many connections there may be, and how long one may take to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) most: usize,
    pub(super) time_to_begin: Duration,
}

/// The connections that clients make. Those above the maximum are marked: their calls are to be refused.
pub(super) fn incoming(listener: TcpListener, bounds: Bounds) -> impl Stream<Item = io::Result<Connection>> {
    let free = Arc::new(Semaphore::new(bounds.most.min(Semaphore::MAX_PERMITS)));
    let refused = Arc::new(Semaphore::new(REFUSED));
    stream::unfold((listener, free, refused), move |(listener, free, refused)| async move {
        let connection = loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                        break Connection::new(stream, permit, bounds.time_to_begin, false);
                    }
                    debug!(%peer, most = bounds.most, "a connection is refused: there are too many");
                    if let Ok(permit) = Arc::clone(&refused).try_acquire_owned() {
                        break Connection::new(stream, permit, bounds.time_to_begin, true);
                    }
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        };
        Some((Ok(connection), (listener, free, refused)))
    })
}

/// A connection. It counts until it is dropped.
pub(super) struct Connection {
    stream: TcpStream,
    sessions: ConnectionSessions,
    /// Whether the client has sent bytes, and they may be HTTP/2.
    is_known: bool,
    /// The bytes of the beginning that are missing, and when they must be there.
    missing: usize,
    deadline: Pin<Box<Sleep>>,
    /// It is above the maximum. It is closed at the deadline, too.
    is_refused: bool,
    _permit: OwnedSemaphorePermit,
}

/// What the calls of a connection know of it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionInfo {
    pub(super) sessions: ConnectionSessions,
    pub(super) tcp: TcpConnectInfo,
    pub(super) is_refused: bool,
}

impl Connection {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, time_to_begin: Duration, is_refused: bool) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY is not set");
        }
        let deadline = Box::pin(sleep(time_to_begin));
        Self {
            stream,
            sessions: ConnectionSessions::default(),
            is_known: false,
            missing: BEGINNING,
            deadline,
            is_refused,
            _permit: permit,
        }
    }
}

impl Connection {
    /// Waits for the first bytes, and refuses a client that does not speak HTTP/2. Nothing is written before: the HTTP/2 server
    /// writes first, and its bytes would make the answer to a client of HTTP/1 unreadable.
    fn poll_beginning(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_known {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; BEGINNING];
        let mut first = ReadBuf::new(&mut bytes);
        match self.stream.poll_peek(context, &mut first) {
            Poll::Ready(peeked) => _ = peeked?,
            Poll::Pending if self.deadline.as_mut().poll(context).is_ready() => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection has not begun")));
            }
            Poll::Pending => return Poll::Pending,
        }
        self.is_known = true;
        let Some(other) = OtherProtocol::of(first.filled()) else { return Poll::Ready(Ok(())) };
        other.refuse(&self.stream);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak HTTP/2")))
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        ConnectionInfo { sessions: self.sessions.clone(), tcp: self.stream.connect_info(), is_refused: self.is_refused }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_beginning(context))?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(buffer.filled().len() - before);
        }
        if (self.missing > 0 || self.is_refused) && self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection has not begun")));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_beginning(context))?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_beginning(context))?;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listening() -> (TcpListener, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_connection_above_the_maximum_is_refused_and_the_next_one_is_not() {
        let (listener, address) = listening().await;
        let bounds = Bounds { most: 1, time_to_begin: Duration::from_secs(3_600) };
        let mut connections = Box::pin(incoming(listener, bounds));
        let _one = TcpStream::connect(address).await.unwrap();
        let held = connections.next().await.unwrap().unwrap();
        let mut above = Vec::new();
        for _ in 0..REFUSED {
            let client = TcpStream::connect(address).await.unwrap();
            let connection = connections.next().await.unwrap().unwrap();
            assert!(connection.is_refused);
            above.push((client, connection));
        }
        let mut last = TcpStream::connect(address).await.unwrap();

        let next = tokio::spawn(async move { connections.next().await.unwrap().unwrap() });
        assert_eq!(last.read(&mut [0; 1]).await.unwrap_or(0), 0, "it is closed");
        drop(held);
        let _next = TcpStream::connect(address).await.unwrap();

        assert!(!next.await.unwrap().is_refused);
    }

    #[tokio::test]
    async fn a_client_of_http_1_gets_an_answer_and_one_of_tls_is_closed() {
        let (listener, address) = listening().await;
        let mut connections = Box::pin(incoming(listener, Bounds { most: 10, time_to_begin: Duration::from_secs(60) }));
        for (sent, expected) in [
            (
                &b"GET / HTTP/1.1\r\nHost: localhost:50051\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n"[..],
                "HTTP/1.1 426",
            ),
            (&[22, 3, 1][..], ""),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent).await.unwrap();
            let mut connection = connections.next().await.unwrap().unwrap();

            // The HTTP/2 server writes first.
            let error = connection.write(b"SETTINGS").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            drop(connection);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_does_not_begin_in_time_is_an_error_and_one_that_has_begun_may_wait() {
        let (listener, address) = listening().await;
        let mut connections = Box::pin(incoming(listener, Bounds { most: 10, time_to_begin: Duration::ZERO }));
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"PRI * HTTP/2.0").await.unwrap();
        let mut connection = connections.next().await.unwrap().unwrap();
        let mut bytes = [0; BEGINNING];

        let error = connection.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let mut whole = TcpStream::connect(address).await.unwrap();
        whole.write_all(&[0; BEGINNING]).await.unwrap();
        let mut connection = connections.next().await.unwrap().unwrap();
        connection.stream.readable().await.unwrap();
        connection.read_exact(&mut bytes).await.unwrap();
        drop(whole);
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 0, "the client has closed it: no error");
    }
}
