//! The queries that are planned or run now.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::Places;
use super::{Limits, Principal, Query, QueryCaps, QueryId};

/// The queries of one engine.
#[derive(Debug)]
pub struct Queries {
    last: AtomicU64,
    live: Mutex<BTreeMap<QueryId, Arc<Query>>>,
    caps: QueryCaps,
    places: Places,
}

/// There are as many queries as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooManyQueries {
    /// Of all clients together, with the maximum.
    Together(usize),
    /// Of one client, with the maximum.
    OfOneClient(usize),
}

impl Default for Queries {
    fn default() -> Self {
        Self::new(QueryCaps::default())
    }
}

impl Queries {
    /// No query yet, and at most these.
    pub fn new(caps: QueryCaps) -> Self {
        let places = Places::new(caps.long, caps.max_queue_wait);
        Self { last: AtomicU64::new(0), live: Mutex::default(), caps, places }
    }

    /// Begins a query, which stays registered until the returned value is dropped.
    ///
    /// # Errors
    /// [`TooManyQueries`].
    pub fn begin(
        self: &Arc<Self>,
        principal: Principal,
        text: &str,
        limits: Limits,
    ) -> Result<Registered, TooManyQueries> {
        let mut live = self.live();
        let QueryCaps { at_once, of_a_client, .. } = self.caps;
        // A client that does not read keeps its query registered, also after the query has ended.
        let running = || live.values().filter(|query| !query.has_ended());
        if live.len() >= at_once && running().count() >= at_once {
            return Err(TooManyQueries::Together(at_once));
        }
        let of_this_client = running().filter(|query| query.principal().is_same_client(&principal)).count();
        if of_this_client >= of_a_client {
            return Err(TooManyQueries::OfOneClient(of_a_client));
        }
        let id = QueryId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let query = Arc::new(Query::new(id, principal, text.into(), limits, self.places.clone()));
        live.insert(id, Arc::clone(&query));
        Ok(Registered { query, queries: Arc::clone(self) })
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
    use std::time::Duration;

    use super::*;
    use crate::query::{Cancelled, QueryState, RequestLimitReached, StopReason};

    fn begin(queries: &Arc<Queries>, limits: Limits) -> Registered {
        queries.begin(Principal::local(), "SELECT 1", limits).unwrap()
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

    fn from(address: &str) -> Principal {
        Principal::anonymous(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_query_beyond_the_maximum_is_rejected_until_another_has_ended() {
        let queries = Arc::new(Queries::new(QueryCaps { at_once: 3, of_a_client: 2, ..QueryCaps::default() }));
        let begin = |address: &str| queries.begin(from(address), "SELECT 1", Limits::default());

        let (one, _two) = (begin("10.0.0.1:1").unwrap(), begin("10.0.0.1:2").unwrap());
        assert_eq!(begin("10.0.0.1:3").unwrap_err(), TooManyQueries::OfOneClient(2), "another port is no other client");
        let _three = begin("10.0.0.2:1").unwrap();
        assert_eq!(begin("10.0.0.3:1").unwrap_err(), TooManyQueries::Together(3));
        drop(one);

        assert!(begin("10.0.0.1:4").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_query_waits_for_a_place_and_is_stopped_if_none_gets_free() {
        let caps = QueryCaps { long: 1, max_queue_wait: Duration::from_secs(30), ..QueryCaps::default() };
        let queries = Arc::new(Queries::new(caps));
        let (one, two) = (begin(&queries, Limits::default()), begin(&queries, Limits::default()));

        Arc::clone(&one).take_place().await;
        Arc::clone(&two).take_place().await;
        assert_eq!(one.stop_reason(), None);
        assert_eq!(two.stop_reason(), Some(StopReason::NoPlace(Duration::from_secs(30))));
        assert!(two.has_ended() && !one.has_ended());

        let three = begin(&queries, Limits::default());
        let waiting = tokio::spawn(Arc::clone(&three).take_place());
        drop(one);
        waiting.await.unwrap();
        assert_eq!(three.stop_reason(), None);
    }

    #[tokio::test]
    async fn a_free_place_goes_to_the_client_that_has_the_fewest() {
        let caps = QueryCaps { long: 2, ..QueryCaps::default() };
        let queries = Arc::new(Queries::new(caps));
        let begin = |address: &str| queries.begin(from(address), "SELECT 1", Limits::default()).unwrap();
        let (one, two) = (begin("10.0.0.1:1"), begin("10.0.0.1:2"));
        Arc::clone(&one).take_place().await;
        Arc::clone(&two).take_place().await;

        let [third, fourth, other] = ["10.0.0.1:3", "10.0.0.1:4", "10.0.0.2:1"].map(begin);
        let mut waits = [&third, &fourth, &other].map(|query| Box::pin(Arc::clone(query).take_place()));
        for wait in &mut waits {
            assert!(futures::poll!(wait).is_pending());
        }

        drop(one);
        let [third_waits, fourth_waits, other_waits] = &mut waits;
        assert!(futures::poll!(&mut *third_waits).is_pending() && futures::poll!(&mut *fourth_waits).is_pending());
        assert!(futures::poll!(other_waits).is_ready(), "its client has no place yet");
        drop(two);
        assert!(futures::poll!(&mut *fourth_waits).is_pending());
        assert!(futures::poll!(third_waits).is_ready(), "it has waited longer");
        // A query that stops waiting for a while keeps its position, and one that ends leaves the queue.
        drop(waits);
        let last_in_queue = begin("10.0.0.1:6");
        assert!(futures::poll!(Box::pin(Arc::clone(&last_in_queue).take_place())).is_pending());
        drop(third);
        assert!(futures::poll!(Box::pin(Arc::clone(&last_in_queue).take_place())).is_pending());
        assert!(futures::poll!(Box::pin(Arc::clone(&fourth).take_place())).is_ready());
        drop((last_in_queue, fourth));
        let last = begin("10.0.0.1:5");
        assert!(futures::poll!(Box::pin(Arc::clone(&last).take_place())).is_ready());
    }
}
