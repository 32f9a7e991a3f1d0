//! The query and the scan that a request belongs to.

use std::sync::Arc;

use crate::query::{Count, Counts, Query, RequestLimitReached};
#[cfg(test)]
use crate::query::{Limits, Principal, Queries};

/// The query and the scan that requests are sent for. Requests, pages and waits are counted for both.
#[derive(Clone, Debug)]
pub struct RequestScope {
    /// The query.
    pub query: Arc<Query>,
    /// The scan's counts.
    pub counts: Arc<Counts>,
    /// Whether requests that still wait for the budget are dropped when the query ends. False for an EXEC.
    pub ends_with_query: bool,
}

impl RequestScope {
    /// The scope of a scan.
    pub fn of_scan(query: Arc<Query>, counts: Arc<Counts>) -> Self {
        Self { query, counts, ends_with_query: true }
    }

    /// The scope of an EXEC. Its POST is sent, and the rows that it needs are read, even if the client disconnects.
    pub fn of_exec(query: Arc<Query>) -> Self {
        Self { query, counts: Arc::default(), ends_with_query: false }
    }

    /// Whether a request that waits for the budget must be dropped, because the query has ended.
    pub fn is_over(&self) -> bool {
        self.ends_with_query && self.query.has_ended()
    }

    /// Adds `more` to a count of the scan and of the query.
    pub fn count(&self, which: fn(&Counts) -> &Count, more: usize) {
        which(&self.counts).add(more);
        which(&self.query.counts).add(more);
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`RequestLimitReached`] if the query has reached its limit. The request must not be sent then.
    pub fn count_request(&self) -> Result<(), RequestLimitReached> {
        self.query.count_request()?;
        self.counts.requests.add(1);
        Ok(())
    }

    /// Counts a request that will be retried.
    pub fn count_retry(&self) {
        self.count(|counts| &counts.retries, 1);
        self.query.ledger.expect_one_more();
    }
}

/// A scope of a query with the default limits, for the unit tests of layers.
#[cfg(test)]
pub(super) fn a_scope() -> RequestScope {
    scope_within(Limits::default())
}

/// A scope of a query with these limits, for the unit tests of layers.
#[cfg(test)]
pub(super) fn scope_within(limits: Limits) -> RequestScope {
    let queries = Arc::new(Queries::default());
    let query = queries.begin(Principal::local(), "SELECT 1", limits).unwrap();
    let scope = RequestScope::of_scan(Arc::clone(&query), Arc::default());
    // Keeps the query registered until the test process ends.
    std::mem::forget(query);
    scope
}
