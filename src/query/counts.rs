//! The counters of a query.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of a query, or of one of its scans.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that were sent, retries included.
    pub requests: Count,
    /// Retries.
    pub retries: Count,
    /// Pages and single objects that were read.
    pub pages: Count,
    /// Rows of these.
    pub rows: Count,
    /// Milliseconds that its requests waited for the token's budget. They wait in parallel, so this may be more than
    /// the time that passed.
    pub waited_ms: Count,
}

/// A counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `more`.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one, unless the result would be more than `most`. Returns whether it was added.
    pub(super) fn add_one_within(&self, most: u64) -> bool {
        let incremented = |number: u64| (number < most).then_some(number + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, incremented).is_ok()
    }
}
