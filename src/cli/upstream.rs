//! The API that the engine calls: DigitalOcean's, or a simulated account in this process.

use super::error::Error;
use super::simulated::{Simulated, SimulatedAccount};
use crate::api::{Budgets, Client};
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::Result;

/// An engine, and the simulated account that it calls, if any.
pub(super) struct Upstream {
    pub(super) engine: Engine,
    /// The simulated account stops when this is dropped.
    _account: Option<SimulatedAccount>,
}

impl Upstream {
    /// Creates the engine; no request is sent. `writes` is whether it runs EXEC.
    pub(super) async fn open(settings: &Settings, simulated: &Simulated, writes: bool) -> Result<Self> {
        let mut options = settings.api_options();
        let account = simulated.start(settings, &mut options).await.map_err(Error::Simulated)?;
        let engine = Engine::try_new(Client::try_new(options, &Budgets::default())?, settings.engine_options(writes))?;
        Ok(Self { engine, _account: account })
    }
}
