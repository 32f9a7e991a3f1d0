//! The connections of clients, bounded: how many there are, and how long one may take to begin.
//!
//! A connection needs a file descriptor and a task before anything is known of its client. So there is a maximum, and
//! a connection that does not send the beginning of HTTP/2 in time is closed. A connection without a call stays open:
//! the pools of BI tools keep theirs for hours, and the keep-alive pings find those whose client is gone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

/// What HTTP/2 begins with: the preface (24 bytes), and the header of a SETTINGS frame (9 bytes).
const BEGINNING: usize = 24 + 9;

/// The pause after a connection could not be accepted. Without file descriptors every attempt fails at once.
const PAUSE: Duration = Duration::from_millis(100);

/// The number of connections above the maximum that are told the reason at once. Further ones are closed.
const REFUSALS: usize = 64;

/// The time that a refused client has to close its connection.
const TIME_TO_CLOSE: Duration = Duration::from_secs(1);

/// How many connections there may be, and how long one may take to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) most: usize,
    pub(super) time_to_begin: Duration,
}

/// The connections that clients make. Those above the maximum are refused.
pub(super) fn incoming(listener: TcpListener, bounds: Bounds) -> impl Stream<Item = io::Result<Connection>> {
    let free = Arc::new(Semaphore::new(bounds.most.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    stream::unfold((listener, free, refusals), move |(listener, free, refusals)| async move {
        let connection = loop {
            match listener.accept().await {
                Ok((stream, peer)) => match Arc::clone(&free).try_acquire_owned() {
                    Ok(permit) => break Connection::new(stream, permit, bounds.time_to_begin),
                    Err(_) => {
                        debug!(%peer, most = bounds.most, "a connection is refused: there are too many");
                        if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                            tokio::spawn(refuse(stream, bounds.most, permit));
                        }
                    }
                },
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        };
        Some((Ok(connection), (listener, free, refusals)))
    })
}

/// Tells a client that there are too many connections, and closes its own. gRPC turns this HTTP/2 error into
/// RESOURCE_EXHAUSTED.
async fn refuse(mut stream: TcpStream, most: usize, _permit: OwnedSemaphorePermit) {
    let refusal = async {
        stream.write_all(&too_many_connections(most)).await?;
        stream.shutdown().await?;
        // If it were closed before it is read to its end, it would be reset, and the client could lose the error.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // The client may have gone.
    let _ = timeout(TIME_TO_CLOSE, refusal).await;
}

/// An empty SETTINGS frame, which must come first, and a GOAWAY frame with the error ENHANCE_YOUR_CALM (RFC 9113, 6.5,
/// 6.8 and 7).
fn too_many_connections(most: usize) -> Vec<u8> {
    let reason =
        format!("there are {most} connections, as many as grpc.max_connections allows: close some, or raise it");
    let (settings, goaway, enhance_your_calm) = (4, 7, 11);
    let mut payload = vec![0, 0, 0, 0, 0, 0, 0, enhance_your_calm]; // before the error the last stream: none
    payload.extend(reason.into_bytes());
    let mut frames = frame(settings, &[]);
    frames.extend(frame(goaway, &payload));
    frames
}

/// A frame of the whole connection, without flags.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is a short text").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, 0, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// A connection. It counts until it is dropped.
pub(super) struct Connection {
    stream: TcpStream,
    /// The bytes of the beginning that are missing, and when they must be there.
    missing: usize,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, time_to_begin: Duration) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY is not set");
        }
        Self { stream, missing: BEGINNING, deadline: Box::pin(sleep(time_to_begin)), _permit: permit }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(buffer.filled().len() - before);
            if self.missing > 0 && self.deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection has not begun")));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        let mut two = TcpStream::connect(address).await.unwrap();

        let next = tokio::spawn(async move { connections.next().await.unwrap().unwrap() });
        let mut refusal = Vec::new();
        two.read_to_end(&mut refusal).await.unwrap();
        assert_eq!(refusal, too_many_connections(1));
        drop(held);
        let _three = TcpStream::connect(address).await.unwrap();

        next.await.unwrap();
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
