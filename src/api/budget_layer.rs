//! The layer above [`super::http_layer`]: sends a request when the token's budget has a place for it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::rate_limit::{Limiter, Permit, RateLimitHeaders};
use super::{Attempt, Body, Exchange, Fault, Observer, Request, RequestScope, Sent};
use crate::query::RequestLimitReached;

/// Waits for a place in the budget and a permit, counts the request and the wait, and passes the response's rate-limit
/// headers to the budget. The permit is held until the response was read to its end.
#[derive(Debug)]
pub(super) struct Budgeted<E> {
    limiter: Arc<Limiter>,
    below: E,
}

impl<E: Exchange> Budgeted<E> {
    /// `limiter` is the budget of the token.
    pub(super) fn new(below: E, limiter: Arc<Limiter>) -> Self {
        Self { limiter, below }
    }

    async fn within_budget(&self, attempt: Attempt<'_>) -> Result<Body, Fault> {
        let Attempt { request, scope, attempt, observer } = attempt;
        let permit = self.permit(request, scope).await?;
        let mut permit_observer = PermitObserver { permit, observer };
        self.below.exchange(Attempt { request, scope, attempt, observer: &mut permit_observer }).await
    }

    async fn permit(&self, request: &Request, scope: &RequestScope) -> Result<Permit, Fault> {
        scope.query.check_request_limit().map_err(|reached| too_many_requests(request, reached))?;
        let queued = Instant::now();
        let acquired = self.limiter.acquire(scope.query.limits().max_wait).await;
        scope.count(|counts| &counts.waited_ms, usize::try_from(queued.elapsed().as_millis()).unwrap_or(usize::MAX));
        let mut permit = acquired.map_err(|too_long| used_up(request, scope, too_long.wait))?;
        // The query may have ended, or reached its limit, while this request waited.
        if scope.is_over() {
            permit.not_sent();
            return Err(Fault::QueryEnded { at: request.at() });
        }
        if let Err(reached) = scope.count_request() {
            permit.not_sent();
            return Err(too_many_requests(request, reached));
        }
        Ok(permit)
    }
}

fn too_many_requests(request: &Request, reached: RequestLimitReached) -> Fault {
    let RequestLimitReached { limit, needed } = reached;
    Fault::TooManyRequests { at: request.at(), limit, needed }
}

impl<E: Exchange> Exchange for Budgeted<E> {
    fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
        self.within_budget(attempt).boxed()
    }
}

/// The error of a request that would have to wait `wait` for the budget.
pub(super) fn used_up(request: &Request, scope: &RequestScope, wait: Duration) -> Fault {
    let returns = Utc::now() + chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::zero());
    Fault::Budget { at: request.at(), returns, wait, max_wait: scope.query.limits().max_wait }
}

/// Reports the outcome of the request to the budget.
struct PermitObserver<'a> {
    permit: Permit,
    observer: &'a mut dyn Observer,
}

impl Observer for PermitObserver<'_> {
    fn headers_received(&mut self, headers: RateLimitHeaders) {
        let headers = self.permit.headers_received(headers);
        self.observer.headers_received(headers);
    }

    fn sent(&mut self, sent: Sent) {
        if !sent.connected {
            self.permit.not_sent();
        }
        self.observer.sent(sent);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::rate_limit::Options;
    use crate::api::scope::scope_within;
    use crate::api::test_double::{Double, Step, get, send};
    use crate::query::Limits;

    const SECOND: Duration = Duration::from_secs(1);

    fn budgeted(double: &Arc<Double>, options: Options) -> Budgeted<Arc<Double>> {
        Budgeted::new(Arc::clone(double), Limiter::new(options))
    }

    /// A query with these limits.
    fn scope(max_wait: Duration, max_requests: u64) -> RequestScope {
        scope_within(Limits { timeout: 3_600 * SECOND, max_wait, max_requests, ..Limits::default() })
    }

    /// When each call began, in seconds from the first.
    fn begins(double: &Double) -> Vec<u64> {
        let begins = double.begins();
        begins.iter().map(|begin| (*begin - begins[0]).as_secs()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_place_and_both_are_counted() {
        let double = Double::always(Step::body);
        let layer = budgeted(&double, Options { per_minute: 2, ..Options::default() });
        let scope = scope(60 * SECOND, 10);

        for _ in 0..3 {
            send(&layer, &get(), &scope).await.unwrap();
        }

        assert_eq!(begins(&double), [0, 0, 60]);
        assert_eq!((scope.counts.requests.get(), scope.counts.waited_ms.get()), (3, 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_max_wait_is_neither_sent_nor_counted() {
        let double = Double::always(Step::body);
        let layer = budgeted(&double, Options { per_minute: 1, ..Options::default() });
        let scope = scope(59 * SECOND, 10);
        send(&layer, &get(), &scope).await.unwrap();

        let fault = send(&layer, &get(), &scope).await.unwrap_err();

        assert!(matches!(fault, Fault::Budget { wait, .. } if wait == 60 * SECOND), "{fault}");
        assert_eq!((double.attempts().len(), scope.counts.requests.get()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_is_held_to_the_end_of_the_body_and_a_place_until_a_minute_after_the_head() {
        let double = Double::always(|| Step::body().with_headers(RateLimitHeaders::default()).lasting(10 * SECOND));
        let both = async |options: Options| {
            let layer = budgeted(&double, options);
            let (request, scope) = (get(), scope(600 * SECOND, 10));
            let (first, second) = tokio::join!(send(&layer, &request, &scope), send(&layer, &request, &scope));
            first.and(second).unwrap();
        };

        both(Options { in_flight: 1, ..Options::default() }).await;
        assert_eq!(begins(&double), [0, 10]);
        both(Options { per_minute: 1, ..Options::default() }).await;
        assert_eq!(begins(&double)[2..], [20, 80], "not 90");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_connection_uses_no_place_and_an_attempt_without_a_response_does() {
        for (step, waits) in [(Step::unreachable(), 0), (Step::slow(), 60), (Step::cut(), 60)] {
            let shown = format!("{step:?}");
            let double = Double::in_turn([step, Step::body()]);
            let layer = budgeted(&double, Options { per_minute: 1, ..Options::default() });
            let scope = scope(60 * SECOND, 10);

            send(&layer, &get(), &scope).await.unwrap_err();
            send(&layer, &get(), &scope).await.unwrap();

            assert_eq!(begins(&double), [0, waits], "{shown}");
            assert_eq!(scope.counts.requests.get(), 2, "{shown}: the query's own count has both");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_is_dropped_when_its_query_ends_unless_an_exec_needs_it() {
        for (needed_by_exec, sent) in [(false, 1), (true, 2)] {
            let double = Double::always(|| Step::body().lasting(SECOND));
            let layer = budgeted(&double, Options { in_flight: 1, ..Options::default() });
            let (request, scope) = (get(), scope(60 * SECOND, 10));
            let scope = if needed_by_exec { RequestScope::of_exec(scope.query) } else { scope };
            let cancel = async {
                tokio::time::sleep(SECOND / 2).await;
                scope.query.cancel();
            };

            let (first, second, ()) =
                tokio::join!(send(&layer, &request, &scope), send(&layer, &request, &scope), cancel);

            first.unwrap();
            assert_eq!(matches!(second, Err(Fault::QueryEnded { .. })), !needed_by_exec, "{second:?}");
            assert_eq!((double.attempts().len(), scope.counts.requests.get()), (sent, sent as u64));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_at_its_request_limit_sends_no_more_and_releases_its_place() {
        let double = Double::always(|| Step::body().lasting(SECOND));
        let layer = budgeted(&double, Options { in_flight: 1, per_minute: 2, ..Options::default() });
        let (request, scope) = (get(), scope(60 * SECOND, 1));

        let (first, second) = tokio::join!(send(&layer, &request, &scope), send(&layer, &request, &scope));
        let third = send(&layer, &request, &scope).await;

        first.unwrap();
        for fault in [second.unwrap_err(), third.unwrap_err()] {
            assert!(matches!(fault, Fault::TooManyRequests { limit: 1, needed: 2, .. }), "{fault}");
        }
        assert_eq!((double.attempts().len(), scope.counts.requests.get()), (1, 1));
        let other = self::scope(SECOND, 1);
        send(&layer, &request, &other).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_layer_above_gets_the_bounded_pause() {
        let day = RateLimitHeaders { pause: Some(86_400 * SECOND), ..RateLimitHeaders::default() };
        let double = Double::in_turn([Step::status(429).with_headers(day), Step::body()]);
        let layer = budgeted(&double, Options { max_pause: 300 * SECOND, ..Options::default() });
        let (request, scope) = (get(), scope(600 * SECOND, 10));
        let mut pauses = Pauses(Vec::new());

        let attempt = Attempt { request: &request, scope: &scope, attempt: 1, observer: &mut pauses };
        layer.exchange(attempt).await.unwrap_err();
        send(&layer, &request, &scope).await.unwrap();

        assert_eq!(pauses.0, [Some(300 * SECOND)]);
        assert_eq!(begins(&double), [0, 300]);
    }

    struct Pauses(Vec<Option<Duration>>);

    impl Observer for Pauses {
        fn headers_received(&mut self, headers: RateLimitHeaders) {
            self.0.push(headers.pause);
        }

        fn sent(&mut self, _: Sent) {}
    }
}
