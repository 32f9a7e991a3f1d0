//! The flags of a simulated account, for `demo` and wherever `--demo` is given.

use std::time::Duration;

use clap::Args;
use simulated_account::{Fault, Limits, Options, Total};

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

/// The arguments' names, for those who exclude them.
pub(super) const NAMES: [&str; 5] = ["latency", "faults", "totals", "settle", "no_rate_limits"];

const HEADING: &str = "Simulated account";

impl Simulated {
    /// The first of the flags that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
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

    /// Whether the account takes as many requests as come.
    pub(super) fn is_unlimited(&self) -> bool {
        self.no_rate_limits
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
