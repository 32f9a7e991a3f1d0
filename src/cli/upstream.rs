//! The API that the engine calls: DigitalOcean's, or a simulated account in this process.

use std::sync::Arc;

use tracing::warn;

use super::error::Error;
use super::simulated::{Simulated, SimulatedAccount};
use crate::api::{Budgets, Client};
use crate::config::Settings;
use crate::datasets::IngestOptions;
use crate::engine::{Engine, SpillDir};
use crate::error::Result;
use crate::heap;

/// The part of the memory of queries that the process may allocate beyond it, without asking first: batches between
/// operators, responses, plans.
const UNCOUNTED_PART: u64 = 4;

/// An engine, and the simulated account that it calls, if any.
pub(super) struct Upstream {
    pub(super) engine: Engine,
    /// The simulated account stops when this is dropped.
    _account: Option<SimulatedAccount>,
}

impl Upstream {
    /// Creates the engine; no request is sent. `writes` is whether it runs EXEC.
    pub(super) async fn open(
        settings: &Settings,
        simulated: &Simulated,
        writes: bool,
        ingest: IngestOptions,
    ) -> Result<Self> {
        let mut options = settings.api_options();
        let account = simulated.start(settings, &mut options).await.map_err(Error::Simulated)?;
        let parent = settings.spill_dir.clone().unwrap_or_else(std::env::temp_dir);
        let mut engine_options = settings.engine_options(writes);
        engine_options.datasets.ingest = ingest;
        engine_options.spill_dir = match SpillDir::create_in(&parent) {
            Ok(dir) => Some(Arc::new(dir)),
            // It may never be needed, as in a container that cannot write.
            Err(error) if settings.spill_dir.is_none() => {
                let error: crate::error::Error = error.into();
                warn!(error = error.line(), "queries that do not fit into memory will fail");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let memory_bytes = engine_options.memory_bytes as u64;
        let engine = Engine::try_new(Client::try_new(options, &Budgets::default())?, engine_options)?;
        engine.check_datasets().await?;
        heap::limit_growth(memory_bytes + memory_bytes / UNCOUNTED_PART);
        Ok(Self { engine, _account: account })
    }
}
