//! What is counted while a query runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a query, or one scan of it, has done so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that were sent, those sent again included.
    pub requests: Count,
    /// Requests that were sent again.
    pub retries: Count,
    /// Pages and single objects that were read.
    pub pages: Count,
    /// Rows in them.
    pub rows: Count,
    /// Milliseconds that its requests waited for the token's budget. They wait in parallel, so this may be more than
    /// the time that passed.
    pub waited_ms: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `more`.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one, unless that is more than `most`.
    pub(super) fn add_one_within(&self, most: u64) -> bool {
        let more = |number: u64| (number < most).then_some(number + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}
