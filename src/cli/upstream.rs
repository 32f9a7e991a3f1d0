//! The API that the engine calls: DigitalOcean's, or a simulated account in this process.

use super::error::Error;
use super::simulated::{Simulated, SimulatedAccount};
use crate::api::{Budgets, Client};
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::Result;

/// An engine, and what has to stay alive for it.
pub(super) struct Upstream {
    pub(super) engine: Engine,
    /// The simulated account stops when this goes.
    _account: Option<SimulatedAccount>,
}

impl Upstream {
    /// Sets the engine up; nothing is asked yet. `writes` is whether EXEC is carried out.
    pub(super) async fn open(settings: &Settings, simulated: &Simulated, writes: bool) -> Result<Self> {
        let mut options = settings.api_options();
        let account = simulated.start(settings, &mut options).await.map_err(Error::Simulated)?;
        let engine = Engine::try_new(Client::try_new(options, &Budgets::default())?, settings.engine_options(writes))?;
        Ok(Self { engine, _account: account })
    }
}
