//! TCP connections that can be dropped from within a request: axum gives a handler
//! no way to end a connection without an answer, so the socket itself fails.

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

use super::account::Account;

/// A handle to a connection; it does not keep it open.
#[derive(Debug, Clone)]
pub(super) struct Line(Weak<Switch>);

#[derive(Debug, Default)]
struct Switch {
    cut: AtomicBool,
    waker: AtomicWaker,
}

impl Line {
    /// Drops the connection: whoever reads from it or writes to it fails from now on.
    pub(super) fn cut(&self) {
        if let Some(switch) = self.0.upgrade() {
            switch.cut.store(true, Ordering::Release);
            switch.waker.wake();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    switch: Arc<Switch>,
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self { stream, switch: Arc::default() }
    }

    fn line(&self) -> Line {
        Line(Arc::downgrade(&self.switch))
    }

    fn alive(&self, context: &Context<'_>) -> io::Result<()> {
        self.switch.waker.register(context.waker());
        if self.switch.cut.load(Ordering::Acquire) {
            // What is not sent yet is not worth sending: the client gets a reset.
            let _ = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Lets connections in, and tells the account of each.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) account: Account,
}

impl Listener for Door {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let _ = stream.set_nodelay(true);
                    let socket = Socket::new(stream);
                    self.account.connected(&socket.line());
                    return (socket, address);
                }
                Err(error) => {
                    // Too many open files, mostly: some will be closed soon.
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line()
    }
}
