//! The server: a listener, the Flight service on it, and a graceful shutdown.
//!
//! The listener and the shutdown are arguments, so that a test can bind port 0 and stop the server. [`crate::flight`]
//! implements the calls; [`connections`] bounds the connections, and
//! [`first_contact`] answers clients of other protocols; `readable_messages` is for clients in Node.

mod connections;
mod first_contact;
mod readable_messages;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::{Request, Status};
use tower::util::MapResponseLayer;
use tracing::info;

use self::connections::{Bounds, ConnectionInfo, incoming};
use self::readable_messages::readable_messages;
use crate::engine::Engine;
use crate::error::{Failure, Kind, Result};
use crate::flight;

/// The time that running queries have after the shutdown begins.
pub const GRACE: Duration = Duration::from_secs(5);

/// The time that clients have to read the last messages of their streams before connections are dropped.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// The interval of pings on an idle connection. Without them, proxies drop connections of queries that wait for the
/// rate limit, and a client that has disconnected is not detected.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The limits of connections and messages, and the time of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The maximum number of open connections.
    pub max_connections: usize,
    /// The time that a client has to begin HTTP/2 on a connection.
    pub time_to_begin: Duration,
    /// The maximum number of calls at once on a connection. Others wait in the client.
    pub max_calls_per_connection: u32,
    /// The maximum size of a request's headers, in bytes.
    pub max_header_bytes: u32,
    /// The maximum size of a message from a client, in bytes.
    pub max_message_bytes: usize,
    /// The time that running queries have after the shutdown begins.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 1_000,
            time_to_begin: Duration::from_secs(10),
            max_calls_per_connection: 100,
            // JDBC sends each parameter of its URL as a header: with the usual 16 KiB some connections fail.
            max_header_bytes: 64 << 10,
            max_message_bytes: flight::MESSAGE_BYTES,
            grace: GRACE,
        }
    }
}

/// An error that ends the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The transport failed.
    #[error("the server failed")]
    Transport(#[source] tonic::transport::Error),
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
                Some(format!("stop the other process, or use any free port: `--listen {free}`"))
            }
            Self::Bind { .. } | Self::Transport(_) => None,
        }
    }
}

/// A call on a connection above the maximum.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server has {most} connections, as many as it may have")]
struct ManyConnections {
    most: usize,
}

impl Failure for ManyConnections {
    fn kind(&self) -> Kind {
        Kind::ResourceExhausted
    }

    fn hint(&self) -> Option<String> {
        Some("close connections that are not used, or raise grpc.max_connections".into())
    }
}

/// Refuses a call on a connection above the maximum. To others it adds the address of the client, where tonic looks
/// for it, and the sessions of the connection.
fn admit(mut call: Request<()>, most: usize) -> Result<Request<()>, Status> {
    let Some(ConnectionInfo { sessions, tcp, is_refused }) = call.extensions().get::<ConnectionInfo>().cloned() else {
        return Ok(call);
    };
    if is_refused {
        return Err(flight::status_of(&ManyConnections { most }.into()));
    }
    call.extensions_mut().insert(tcp);
    call.extensions_mut().insert(sessions);
    Ok(call)
}

/// Returns an address that a client on this machine can connect to: 127.0.0.1 for a server on 0.0.0.0.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Listens on the address; port 0 is replaced by a free port.
///
/// # Errors
/// [`Error::Bind`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

/// Serves the engine until `shutdown` completes. Then new connections are refused, running queries may continue for the
/// grace period, and after that their streams end with UNAVAILABLE. POSTs of EXECs are always awaited; the wait for the
/// budget, the attempt timeout and one more list request bound how long they take.
///
/// # Errors
/// [`Error::Transport`].
pub async fn run(
    listener: TcpListener,
    engine: Engine,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let grace = options.grace;
    let connections = Bounds { most: options.max_connections, time_to_begin: options.time_to_begin };
    let (end_streams, streams_end) = watch::channel(false);
    let (shutdown_begins, shutdown_begun) = oneshot::channel();
    let writer = engine.clone();
    // tonic accepts no connections after this, and its future ends when all streams have ended.
    let graceful_shutdown = async move {
        shutdown.await;
        info!(grace_seconds = grace.as_secs_f32(), "stopping");
        // The receiver is gone only if the server has ended by itself.
        let _ = shutdown_begins.send(());
    };
    let serving = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_max_header_list_size(options.max_header_bytes)
        .max_concurrent_streams(options.max_calls_per_connection)
        .layer(InterceptorLayer::new(move |call| admit(call, options.max_connections)))
        .layer(MapResponseLayer::new(readable_messages))
        .add_service(flight::service(engine, options.max_message_bytes, streams_end))
        .serve_with_incoming_shutdown(incoming(listener, connections), graceful_shutdown);
    let forced_shutdown = async {
        if shutdown_begun.await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(grace).await;
        end_streams.send_replace(true);
        // The stream of an EXEC continues: its client gets the row or the error, not UNAVAILABLE.
        writer.finish_writing().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let ended = tokio::select! {
        ended = serving => ended.map_err(|error| Error::Transport(error).into()),
        () = forced_shutdown => Ok(()),
    };
    // POSTs whose clients have disconnected still run.
    writer.finish_writing().await;
    ended
}
