//! TCP connections that the server can close at any time: axum gives a handler no way to close a connection without a
//! response, so reads and writes of the socket fail instead.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::account::Account;

/// Closes a connection. It does not keep the connection open.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionHandle(Weak<CloseSignal>);

#[derive(Debug, Default)]
struct CloseSignal {
    closed: AtomicBool,
    waker: AtomicWaker,
}

impl ConnectionHandle {
    /// Closes the connection: reads and writes fail from now on.
    pub(crate) fn close(&self) {
        if let Some(signal) = self.0.upgrade() {
            signal.closed.store(true, Ordering::Release);
            signal.waker.wake();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A connection that a [`ConnectionHandle`] can close.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    signal: Arc<CloseSignal>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, signal: Arc::default() }
    }

    fn handle(&self) -> ConnectionHandle {
        ConnectionHandle(Arc::downgrade(&self.signal))
    }

    fn check_open(&self, context: &Context<'_>) -> io::Result<()> {
        self.signal.waker.register(context.waker());
        if self.signal.closed.load(Ordering::Acquire) {
            // Discards what is not sent yet: the client gets a reset.
            let _ = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_open(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Accepts connections and registers each with the account.
#[derive(Debug)]
pub(crate) struct ConnectionListener {
    pub(crate) listener: TcpListener,
    pub(crate) account: Account,
}

impl Listener for ConnectionListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let _ = stream.set_nodelay(true);
                    let connection = Connection::new(stream);
                    self.account.connected(&connection.handle());
                    return (connection, address);
                }
                Err(error) => {
                    // Usually too many open files, of which some close soon.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, ConnectionListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, ConnectionListener>) -> Self {
        stream.io().handle()
    }
}
