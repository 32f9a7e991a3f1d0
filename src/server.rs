//! The server: a listener, the Flight service on it, and an end that is announced.
//!
//! It takes its listener and its shutdown, so that a test binds port 0 and says when
//! to stop. What a connection may ask is the business of [`crate::flight`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::info;

use crate::engine::Engine;
use crate::error::{Failure, Kind, Result};
use crate::flight;

/// How long running queries go on after the shutdown began.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a client has to take the last words of its query, before its connection is dropped.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// A ping on a silent connection: proxies drop one that waits for the rate limit, and a client that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// JDBC makes a header of each parameter of its URL: with the usual 16 KiB some connections fail.
const MAX_HEADERS_BYTES: u32 = 64 << 10;

/// What keeps a server from running.
#[derive(Debug)]
pub enum Error {
    /// The address cannot be listened on.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The transport gave up.
    Transport(tonic::transport::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, .. } => write!(f, "{address} cannot be listened on"),
            Self::Transport(_) => f.write_str("the server stopped"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } => Some(source),
            Self::Transport(source) => Some(source),
        }
    }
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Bind { .. } => Kind::FailedPrecondition,
            Self::Transport(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                let free = SocketAddr::new(address.ip(), 0);
                Some(format!("stop what listens there, or take any free port: `--listen {free}`"))
            }
            Self::Bind { .. } | Self::Transport(_) => None,
        }
    }
}

/// An address that a client on this machine can connect to: a server on 0.0.0.0 is on 127.0.0.1, too.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Opens the address; port 0 is a free one.
///
/// # Errors
/// [`Error::Bind`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

/// Serves the engine until `shutdown` completes. Then new connections are refused, running queries may continue for
/// [`GRACE`], and after that their streams end with UNAVAILABLE. POSTs of EXECs are always awaited; the wait for the
/// budget, the attempt timeout and one more list request bound how long they take.
///
/// # Errors
/// [`Error::Transport`].
pub async fn run(
    listener: TcpListener,
    engine: Engine,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    run_with_grace(listener, engine, shutdown, GRACE).await
}

/// [`run`], with another time for running queries: tests have none to spare.
///
/// # Errors
/// [`Error::Transport`].
pub async fn run_with_grace(
    listener: TcpListener,
    engine: Engine,
    shutdown: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Result<()> {
    let (stop, stopping) = watch::channel(false);
    let writes = engine.clone();
    let (announce, announced) = oneshot::channel();
    let begun = async move {
        shutdown.await;
        info!(grace_seconds = grace.as_secs_f32(), "stopping");
        // Nobody is left to hear it only where the server ended by itself.
        let _ = announce.send(());
    };
    let serving = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_max_header_list_size(MAX_HEADERS_BYTES)
        .add_service(flight::service(engine, stopping))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), begun);
    let last_call = async {
        if announced.await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(grace).await;
        stop.send_replace(true);
        // An EXEC's stream goes on: who waits for it is to get its answer, and not that the server stops.
        writes.finish_writing().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let ended = tokio::select! {
        ended = serving => ended.map_err(|error| Error::Transport(error).into()),
        () = last_call => Ok(()),
    };
    // Of clients that are gone.
    writes.finish_writing().await;
    ended
}
