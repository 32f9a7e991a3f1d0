//! Replaces `simulated` in a build without the feature `demo`: there is no simulated account, and none of its flags.

use clap::Args;

use crate::api;
use crate::config::Settings;
use crate::error::{Failure, Kind};

/// The flags of the simulated account: none.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct Simulated {}

/// The names of the flags.
pub(super) const NAMES: [&str; 0] = [];

/// A simulated account, which cannot exist.
pub(super) enum SimulatedAccount {}

impl Simulated {
    /// The simulated account of `--demo`: an error if the settings have one.
    pub(super) async fn start(
        &self,
        settings: &Settings,
        _options: &mut api::Options,
    ) -> Result<Option<SimulatedAccount>, SimulatedError> {
        if settings.demo { Err(SimulatedError) } else { Ok(None) }
    }
}

/// `--demo` in a build without it.
#[derive(Debug, thiserror::Error)]
#[error("`--demo` needs a build with the feature `demo`")]
pub(super) struct SimulatedError;

impl Failure for SimulatedError {
    fn kind(&self) -> Kind {
        Kind::Unimplemented
    }

    fn hint(&self) -> Option<String> {
        Some("build without `--no-default-features`, or remove `demo` from the settings".into())
    }
}
