//! `oceanflight demo`: serves the simulated account over HTTP, for other programs.

use std::net::SocketAddr;

use clap::Args;
use simulated_account::{Account, StartError};

use super::console::{Console, say};
use super::error::Error;
use super::exit::Exit;
use super::signal::Signals;
use super::simulated::{Simulated, SimulatedError};
use crate::error::Result;
use crate::server;

/// Serve a simulated DigitalOcean API over HTTP, for trials and tests
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    simulated: Simulated,
}

pub(super) async fn run(demo: DemoArgs, console: &mut Console) -> Result<Exit> {
    let failed = |error| Error::Simulated(SimulatedError::Start(error));
    let account = Account::new(demo.simulated.options()).map_err(|error| failed(StartError::Account(error)))?;
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let listener = server::bind(demo.listen).await?;
    let address = listener.local_addr().map_err(|source| server::Error::Bind { address: demo.listen, source })?;
    say(&mut *console.stderr, &banner(server::reachable(address)));

    let ended = simulated_account::serve(listener, account, async move { signals.next().await }).await;
    ended.map_err(|error| failed(StartError::Listen(error)))?;
    Ok(Exit::Done)
}

fn banner(address: SocketAddr) -> String {
    format!(
        "a simulated DigitalOcean API on http://{address}\n\
         \n\
         \x20 DIGITALOCEAN_TOKEN=demo oceanflight serve --api-url http://{address}\n\
         \n\
         Ctrl-C stops it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_has_a_line_to_copy() {
        insta::assert_snapshot!(banner("127.0.0.1:8080".parse().unwrap()), @"
        a simulated DigitalOcean API on http://127.0.0.1:8080

          DIGITALOCEAN_TOKEN=demo oceanflight serve --api-url http://127.0.0.1:8080

        Ctrl-C stops it
        ");
    }
}
