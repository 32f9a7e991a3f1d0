//! The query and the scan that a request belongs to.

use std::sync::Arc;

use crate::query::{Count, Counts, Query, SentEnough};
#[cfg(test)]
use crate::query::{Limits, Principal, Queries};

/// A query, and the scan of it that requests are sent for. What happens is counted for both.
#[derive(Clone, Debug)]
pub struct RequestScope {
    /// The query.
    pub query: Arc<Query>,
    /// The scan's own counts.
    pub counts: Arc<Counts>,
    /// Whether requests that still wait are dropped when the query ends. False for an EXEC.
    pub ends_with_query: bool,
}

impl RequestScope {
    /// Of a scan.
    pub fn of_scan(query: Arc<Query>, counts: Arc<Counts>) -> Self {
        Self { query, counts, ends_with_query: true }
    }

    /// Of an EXEC: the POST is sent, and what it needs is read, although its client may have disconnected.
    pub fn of_exec(query: Arc<Query>) -> Self {
        Self { query, counts: Arc::default(), ends_with_query: false }
    }

    /// Whether a request that waits is not wanted any more.
    pub fn is_over(&self) -> bool {
        self.ends_with_query && self.query.has_ended()
    }

    /// Counts for the scan and for the query.
    pub fn count(&self, which: fn(&Counts) -> &Count, more: usize) {
        which(&self.counts).add(more);
        which(&self.query.counts).add(more);
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`SentEnough`], and then it must not be sent.
    pub fn one_more_request(&self) -> Result<(), SentEnough> {
        self.query.one_more_request()?;
        self.counts.requests.add(1);
        Ok(())
    }

    /// Counts a request that will be sent again.
    pub fn sends_again(&self) {
        self.count(|counts| &counts.retries, 1);
        self.query.ledger.expect_one_more();
    }
}

/// For the unit tests of layers: of a query without limits that matter.
#[cfg(test)]
pub(super) fn a_scope() -> RequestScope {
    scope_within(Limits::default())
}

/// For the unit tests of layers: of a query within these limits.
#[cfg(test)]
pub(super) fn scope_within(limits: Limits) -> RequestScope {
    let queries = Arc::new(Queries::default());
    let query = queries.begin(Principal::local(), "SELECT 1", limits);
    let scope = RequestScope::of_scan(Arc::clone(&query), Arc::default());
    // It lives as long as the test's process.
    std::mem::forget(query);
    scope
}
