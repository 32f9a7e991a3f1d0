//! `oceanflight serve`: runs the Flight SQL server until the first signal, or at most until the second.

use clap::Args;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::banner::banner;
use super::console::{Console, say};
use super::error::Error;
use super::exit::Exit;
use super::finish_exec;
use super::flags::Flags;
use super::log;
use super::signal::Signals;
use super::simulated::Simulated;
use super::upstream::Upstream;
use crate::config::{self, Environment};
use crate::error::Result;
use crate::server;

/// Serve the tables over Arrow Flight SQL
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    flags: Flags<true>,

    #[command(flatten)]
    simulated: Simulated,
}

pub(super) async fn run(serve: ServeArgs, environment: &Environment, console: &mut Console) -> Result<Exit> {
    let resolved = config::resolve(serve.flags.layer()?, serve.flags.file.as_deref(), environment)?;
    log::start(&resolved, "info");
    let settings = resolved.settings;
    let listen = settings.address()?;
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let listener = server::bind(listen).await?;
    let address = listener.local_addr().map_err(|source| server::Error::Bind { address: listen, source })?;
    let upstream =
        Upstream::open(&settings, &serve.simulated, settings.serves_writes(), settings.ingest_options()).await?;
    say(&mut *console.stderr, &banner(address, &settings, settings.memory_limit()));

    let (keep_running, dropped) = oneshot::channel::<()>();
    let serving = server::run(listener, upstream.engine.clone(), settings.server, async {
        // The sender is dropped to stop the server.
        let _ = dropped.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended.map(|()| Exit::Done),
        () = signals.next() => {}
    }
    let grace = server::GRACE.as_secs();
    say(&mut *console.stderr, &format!("stopping; running queries have {grace} seconds, Ctrl-C again ends them now"));
    drop(keep_running);
    tokio::select! {
        ended = &mut serving => return ended.map(|()| Exit::Done),
        () = signals.next() => {}
    }
    // A POST is not dropped, even after a second signal: its outcome would be unknown.
    finish_exec::finish(&upstream.engine, &mut *console.stderr).await;
    // Clients get the row or the error of an EXEC, and of an AWAIT that ends here.
    let _ = timeout(server::FAREWELL, &mut serving).await;
    Ok(Exit::Stopped)
}
