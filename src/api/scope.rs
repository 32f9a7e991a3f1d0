//! For whom requests are sent.

use std::sync::Arc;

use crate::query::{Count, Counts, Query, SentEnough};
#[cfg(test)]
use crate::query::{Limits, Principal, Queries};

/// A query, and the scan of it that requests are sent for. What happens is counted for both.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The query.
    pub query: Arc<Query>,
    /// The scan's own counts.
    pub counts: Arc<Counts>,
}

impl Scope {
    /// Of a query whose requests belong to no scan.
    pub fn of(query: Arc<Query>) -> Self {
        Self { query, counts: Arc::default() }
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
pub(super) fn a_scope() -> Scope {
    scope_within(Limits::default())
}

/// For the unit tests of layers: of a query within these limits.
#[cfg(test)]
pub(super) fn scope_within(limits: Limits) -> Scope {
    let queries = Arc::new(Queries::default());
    Scope::of(Arc::clone(&queries.begin(Principal::local(), "SELECT 1", limits)))
}
