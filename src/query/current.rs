//! The query that the current task works for.
//!
//! DataFusion calls functions, memory pools and expressions without a query, so these look it up here.

use std::future::Future;
use std::sync::Arc;

use super::Query;

tokio::task_local! {
    static CURRENT: Arc<Query>;
}

/// The query of the current task. `None` outside of one, as in tests of single functions.
pub fn current() -> Option<Arc<Query>> {
    CURRENT.try_with(Arc::clone).ok()
}

impl Query {
    /// Makes this query the current one while `work` is polled.
    pub fn scope<F: Future>(self: Arc<Self>, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Makes this query the current one while `work` is called.
    pub fn in_scope<T>(self: Arc<Self>, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}
