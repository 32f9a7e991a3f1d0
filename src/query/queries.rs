//! The queries that are planned or run now.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Limits, Principal, Query, QueryId};

/// The queries of one engine.
#[derive(Debug, Default)]
pub struct Queries {
    last: AtomicU64,
    live: Mutex<BTreeMap<QueryId, Arc<Query>>>,
}

impl Queries {
    /// Begins a query, which stays registered until the returned value is dropped.
    pub fn begin(self: &Arc<Self>, principal: Principal, text: &str, limits: Limits) -> Registered {
        let id = QueryId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let query = Arc::new(Query::new(id, principal, text.into(), limits));
        self.live().insert(id, Arc::clone(&query));
        Registered { query, queries: Arc::clone(self) }
    }

    /// The queries that are planned or executed now, the oldest first.
    pub fn all(&self) -> Vec<Arc<Query>> {
        self.live().values().filter(|query| !query.has_ended()).cloned().collect()
    }

    /// Cancels a query. Returns whether there is a query with this id.
    pub fn cancel(&self, id: QueryId) -> bool {
        let query = self.live().get(&id).cloned();
        query.inspect(|query| query.cancel()).is_some()
    }

    /// Usable after a panic: each change is a single call of the map.
    fn live(&self) -> MutexGuard<'_, BTreeMap<QueryId, Arc<Query>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered query. Dropping this ends the query.
#[derive(Debug)]
pub struct Registered {
    query: Arc<Query>,
    queries: Arc<Queries>,
}

impl Deref for Registered {
    type Target = Arc<Query>;

    fn deref(&self) -> &Arc<Query> {
        &self.query
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.query.end();
        self.queries.live().remove(&self.query.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Cancelled, QueryState, RequestLimitReached};

    fn begin(queries: &Arc<Queries>, limits: Limits) -> Registered {
        queries.begin(Principal::local(), "SELECT 1", limits)
    }

    #[test]
    fn a_query_is_registered_until_it_has_ended() {
        let queries = Arc::new(Queries::default());
        let (one, other) = (begin(&queries, Limits::default()), begin(&queries, Limits::default()));
        let kept = Arc::clone(&one);

        one.start_running(Limits::default());
        assert_eq!((one.state(), other.state()), (QueryState::Running, QueryState::Planning));
        drop(one);

        assert_eq!(kept.state(), QueryState::Ended);
        let left: Vec<QueryId> = queries.all().iter().map(|query| query.id()).collect();
        assert_eq!(left, [other.id()]);
        assert_ne!(kept.id(), other.id());
    }

    #[tokio::test]
    async fn work_for_a_query_ends_when_it_is_cancelled() {
        let queries = Arc::new(Queries::default());
        let (one, other) = (begin(&queries, Limits::default()), begin(&queries, Limits::default()));

        assert!(queries.cancel(one.id()));

        assert_eq!(one.unless_cancelled(std::future::pending::<()>()).await, Err(Cancelled));
        assert_eq!(other.unless_cancelled(async { 7 }).await, Ok(7));
        let id = other.id();
        drop(other);
        assert!(!queries.cancel(id), "it has ended");
    }

    #[test]
    fn a_query_stops_at_its_request_limit_and_reports_how_many_it_needs() {
        let queries = Arc::new(Queries::default());
        let query = begin(&queries, Limits { max_requests: 2, ..Limits::default() });

        assert!(query.check_request_limit().is_ok());
        assert_eq!([query.count_request(), query.count_request()], [Ok(()), Ok(())]);
        assert_eq!(query.count_request(), Err(RequestLimitReached { limit: 2, needed: 3 }));
        for _ in 0..5 {
            query.ledger.expect_one_more();
        }

        assert_eq!(query.check_request_limit(), Err(RequestLimitReached { limit: 2, needed: 5 }));
        assert_eq!(query.counts.requests.get(), 2);
    }

    #[test]
    fn equal_notices_are_kept_once_and_at_most_twenty_in_all() {
        let queries = Arc::new(Queries::default());
        let query = begin(&queries, Limits::default());

        (0..50).chain(0..50).for_each(|number| query.add_notice(number.to_string()));

        assert_eq!(query.notices().len(), 20);
        assert_eq!(query.notices()[19], "19");
    }
}
