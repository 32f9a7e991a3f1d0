//! The limits of a query.

use std::time::Duration;

/// The limits of a query: time and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Timeout of the whole query, from planning to the last row.
    pub timeout: Duration,
    /// Maximum time that one of its requests may wait for the token's budget.
    pub max_wait: Duration,
    /// Maximum number of requests.
    pub max_requests: u64,
}

/// The query has reached its maximum number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimitReached {
    /// The maximum.
    pub limit: u64,
    /// The number of requests that it is known to need.
    pub needed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), max_wait: Duration::from_secs(60), max_requests: u64::MAX }
    }
}
