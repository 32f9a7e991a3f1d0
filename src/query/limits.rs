//! What a query may take.

use std::time::Duration;

/// What a query may take of time and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long the whole query may take, from its planning to its last row.
    pub timeout: Duration,
    /// How long one of its requests may wait for the token's budget.
    pub max_wait: Duration,
    /// How many requests it may send.
    pub max_requests: u64,
}

/// A query that has sent all the requests that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentEnough {
    /// How many it may send.
    pub most: u64,
    /// How many it takes at least.
    pub needed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), max_wait: Duration::from_secs(60), max_requests: u64::MAX }
    }
}
