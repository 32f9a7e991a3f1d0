//! The limits of a query.

use std::time::Duration;

/// The limits of a query: time, requests, and the size of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Timeout of the whole query, from planning to the last row.
    pub timeout: Duration,
    /// Maximum time that one of its requests may wait for the token's budget.
    pub max_wait: Duration,
    /// Maximum number of requests.
    pub max_requests: u64,
    /// Maximum size of a value that a function makes, in bytes.
    pub max_value_bytes: u64,
}

/// How many queries there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCaps {
    /// The maximum number of queries that are planned or run at once.
    pub at_once: usize,
    /// The maximum number of these that one client may have.
    pub of_a_client: usize,
    /// The maximum number of queries that compute for long at once.
    pub long: usize,
    /// How long a query waits until it may compute for long.
    pub max_queue_wait: Duration,
}

impl Default for QueryCaps {
    fn default() -> Self {
        Self { at_once: usize::MAX, of_a_client: usize::MAX, long: usize::MAX, max_queue_wait: Duration::MAX }
    }
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
        Self {
            timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(60),
            max_requests: u64::MAX,
            max_value_bytes: 64 << 20,
        }
    }
}
