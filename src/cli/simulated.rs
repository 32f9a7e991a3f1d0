//! The flags of the simulated account, for `demo` and for commands with `--demo`.

use std::time::Duration;

use clap::Args;
pub(super) use simulated_account::Running as SimulatedAccount;
use simulated_account::{Fault, Limits, Options, StartError, Total};
use url::Url;

use crate::api::{self, rate_limit};
use crate::config::Settings;
use crate::error::{Failure, Kind};
use crate::secret::Secret;

/// How the simulated account behaves.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct Simulated {
    /// Delay of each response
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help_heading = HEADING)]
    latency: Option<Duration>,

    /// Inject a fault, such as `GET /v2/images/*/actions page=2 times=1 status=500`; repeatable
    #[arg(long = "fault", value_name = "TEXT", help_heading = HEADING)]
    faults: Vec<Fault>,

    /// Number of rows in a list: `62137902=1000` (actions of that image) or `images=500`; repeatable
    #[arg(long = "total", value_name = "IMAGE=COUNT", help_heading = HEADING)]
    totals: Vec<Total>,

    /// How long a new action stays in-progress
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help_heading = HEADING)]
    settle: Option<Duration>,

    /// No rate limit (default: 250 requests a minute and 5,000 an hour)
    #[arg(long, help_heading = HEADING)]
    no_rate_limits: bool,
}

/// The arguments' names, for arguments that exclude them.
pub(super) const NAMES: [&str; 5] = ["latency", "faults", "totals", "settle", "no_rate_limits"];

const HEADING: &str = "Simulated account";

impl Simulated {
    /// Returns the first of these flags that was given.
    fn given(&self) -> Option<&'static str> {
        let Self { latency, faults, totals, settle, no_rate_limits } = self;
        let flags = [
            (latency.is_some(), "--latency"),
            (!faults.is_empty(), "--fault"),
            (!totals.is_empty(), "--total"),
            (settle.is_some(), "--settle"),
            (*no_rate_limits, "--no-rate-limits"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }

    /// Starts the simulated account of `--demo`, and changes the client's options so that it calls this account. `None`
    /// without `--demo`, which is an error with one of these flags.
    pub(super) async fn start(
        &self,
        settings: &Settings,
        options: &mut api::Options,
    ) -> Result<Option<SimulatedAccount>, SimulatedError> {
        if !settings.demo {
            return self.given().map_or(Ok(None), |flag| Err(SimulatedError::WithoutDemo { flag }));
        }
        let account = SimulatedAccount::start(self.options()).await.map_err(SimulatedError::Start)?;
        options.base_url = Url::parse(&account.url()).expect("the account's own URL");
        // The user's token is not sent to it.
        options.token = Some(Secret::new("demo"));
        if self.no_rate_limits {
            options.limit = rate_limit::Options::unlimited(options.limit.in_flight);
        }
        Ok(Some(account))
    }

    pub(super) fn options(&self) -> Options {
        let mut options = Options { faults: self.faults.clone(), totals: self.totals.clone(), ..Options::default() };
        options.latency = self.latency.unwrap_or(options.latency);
        options.settle = self.settle.unwrap_or(options.settle);
        if self.no_rate_limits {
            options.limits = Limits::off();
        }
        options
    }
}

/// Why there is no simulated account.
#[derive(Debug, thiserror::Error)]
pub(super) enum SimulatedError {
    /// One of its flags without `--demo`.
    #[error("`{flag}` is for a simulated account")]
    WithoutDemo { flag: &'static str },
    /// It does not start.
    #[error(transparent)]
    Start(StartError),
}

impl Failure for SimulatedError {
    fn kind(&self) -> Kind {
        match self {
            Self::WithoutDemo { .. } | Self::Start(StartError::Account(_)) => Kind::InvalidArgument,
            Self::Start(StartError::Listen(_)) => Kind::FailedPrecondition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WithoutDemo { .. } => Some("add `--demo`".into()),
            Self::Start(_) => None,
        }
    }
}
