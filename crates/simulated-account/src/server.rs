//! Serves an account over HTTP, until a signal or until a test drops it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::account::Account;
use crate::connection::{ConnectionHandle, ConnectionListener};
use crate::fixture::Error;
use crate::handler::handle;
use crate::options::Options;

/// Serves the account until `shutdown` completes, then closes every connection: a simulated account has nothing to
/// finish, and some of its responses never end.
///
/// # Errors
/// The listener's errors.
pub async fn serve(
    listener: TcpListener,
    account: Account,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = ConnectionListener { listener, account: account.clone() };
    let _close = CloseConnections(account.clone());
    let app = Router::new().fallback(handle).with_state(account);
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionHandle>());
    tokio::select! {
        ended = serving.into_future() => ended,
        () = shutdown => Ok(()),
    }
}

/// Closes every connection when the server ends or is dropped.
struct CloseConnections(Account);

impl Drop for CloseConnections {
    fn drop(&mut self) {
        self.0.close_connections();
    }
}

/// An account that is served on a loopback port. Dropping it stops the server.
#[derive(Debug)]
pub struct Running {
    account: Account,
    address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts an account on a free port.
    ///
    /// # Errors
    /// Invalid options, or no port to listen on.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let account = Account::new(options).map_err(StartError::Account)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let task = tokio::spawn(serve(listener, account.clone(), std::future::pending()));
        Ok(Self { account, address, task })
    }

    /// The URL that replaces `https://api.digitalocean.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a [`Running`] could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options are invalid.
    #[error("the simulated account cannot be set up")]
    Account(#[source] Error),
    /// No port to listen on.
    #[error("the simulated account has no port")]
    Listen(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::client::{get, start};
    use crate::fault::Fault;

    #[tokio::test]
    async fn a_fault_that_is_a_status_replaces_the_response() {
        let demo = start().await;
        demo.account().inject("GET /v2/images/* status=403 times=1".parse::<Fault>().unwrap());

        let refused = get(&demo, "/v2/images/62137902").await;
        let next = get(&demo, "/v2/images/62137902").await;

        assert_eq!((refused.status, refused.json()["id"].as_str()), (403, Some("forbidden")));
        assert_eq!(next.status, 200);
    }

    #[tokio::test]
    async fn the_server_closes_its_connections_at_its_signal() {
        let account = Account::new(Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut idle = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();

        let serving = tokio::spawn(serve(listener, account, async { drop(stopped.await) }));
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();

        let mut rest = Vec::new();
        // A reset or an end.
        let _ = idle.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}
