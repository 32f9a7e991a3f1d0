//! The API that the engine calls: DigitalOcean's, or a simulated account in this process.

use simulated_account::Running;
use url::Url;

use super::error::Error;
use super::simulated::Simulated;
use crate::api::{Budgets, Client, limit};
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::Result;
use crate::secret::Secret;

/// An engine, and what has to stay alive for it.
pub(super) struct Upstream {
    pub(super) engine: Engine,
    /// The simulated account stops when this goes.
    _account: Option<Running>,
}

impl Upstream {
    /// Sets the engine up; nothing is asked yet. `writes` is whether EXEC is carried out.
    pub(super) async fn open(settings: &Settings, simulated: &Simulated, writes: bool) -> Result<Self> {
        let mut options = settings.api_options();
        let account = if settings.demo {
            let account = Running::start(simulated.options()).await.map_err(Error::Simulated)?;
            options.base_url = Url::parse(&account.url()).expect("the account's own URL");
            // The user's token stays at home.
            options.token = Some(Secret::new("demo"));
            if simulated.is_unlimited() {
                options.limit = limit::Options::unlimited(options.limit.in_flight);
            }
            Some(account)
        } else if let Some(flag) = simulated.given() {
            return Err(Error::NotSimulated { flag }.into());
        } else {
            None
        };
        let engine = Engine::try_new(Client::try_new(options, &Budgets::default())?, settings.engine_options(writes))?;
        Ok(Self { engine, _account: account })
    }
}
